"""Titles of the columns of tables: short, with what they stand for.

Columns are recognised by the names that every estimate of this project carries.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from qsmstats.report.blocks import Column

__all__ = ["ASIDE", "column_head", "heading"]

# Intervals that stand in the cell of what they belong to.
ASIDE = {
    "estimate": "conf",
    "plain_estimate": "plain_conf",
    "hedges_g": "hedges_g",
    "threshold": "threshold_range",
}
_TITLES = {
    "adjust": "adjusted by",
    "class_": "class",
    "conf": "CI",
    "corrected_youden": "J, corrected",
    "den_df": "den. df",
    "hedges_g": "g",
    "highest_without": "highest, one brain left out",
    "lesion_type": "type",
    "level": "type",
    "lowest_without": "lowest, one brain left out",
    "mean_ring_z": "mean − ring (z)",
    "n_clusters": "brains",
    "num_df": "num. df",
    "other_term": "with",
    "p_adjusted": "adj. p",
    "p_value": "p",
    "sd": "SD",
    "share": "proportion",
    "shell_core_z": "shell − core (z)",
    "shell_ring_z": "shell − ring (z)",
    "std_dev": "SD",
    "std_error": "SE",
    "threshold": "cut-off",
    "youden": "J",
}
# What a short title stands for.
_FULL = {
    "conf_low_adjusted": "confidence interval adjusted for multiple comparisons",
    "corrected_youden": "Youden index less the optimism of a cut-off chosen in the same data",
    "den_df": "denominator degrees of freedom",
    "df": "degrees of freedom",
    "fmi": "fraction of missing information: how much of the uncertainty is that of the types",
    "hedges_g": "Hedges' g: difference in units of the model's total standard deviation",
    "num_df": "numerator degrees of freedom",
    "p_adjusted": "p adjusted for multiple comparisons",
    "p_value": "p, not adjusted",
    "sd": "standard deviation",
    "std_dev": "standard deviation",
    "std_error": "standard error",
    "youden": "Youden index: sensitivity + specificity − 1",
}
# Units that column names end with.
_UNITS = {"mm3": "mm³", "mm": "mm", "ppb": "ppb", "percent": "%"}


def heading(name: str, titles: Mapping[str, str]) -> str:
    """Return the title of a column.

    Parameters
    ----------
    name
        Name in the frame; an interval by the name of its lower end.
    titles
        Column -> title, before the usual ones; "conf" is the title of the interval.
    """
    if name == "conf_low_adjusted":
        return f"adj. {titles['conf']}"
    stem = name.removesuffix("_low")
    known = titles.get(stem) or titles.get(name) or _TITLES.get(stem)
    if known:
        return known
    words = stem.removeprefix("n_").replace("_", " ")
    for suffix, unit in _UNITS.items():
        if words.endswith(f" {suffix}"):
            return f"{words.removesuffix(suffix)}({unit})"
    return words


def column_head(frame: pd.DataFrame, name: str, titles: Mapping[str, str]) -> Column:
    """Return the head of a column of a frame, which also names the interval in its cells.

    Arguments as `heading` takes them.
    """
    said = heading(name, titles)
    if name == "statistic" and name not in titles:
        said = "F" if "num_df" in frame else "t" if "df" in frame else said
    if name in ASIDE and f"{ASIDE[name]}_low" in frame:
        said = f"{said} ({'range' if name == 'threshold' else titles['conf']})"
    numeric = pd.api.types.is_numeric_dtype(frame[name]) and frame[name].dtype != bool
    return Column(title=said, numeric=numeric, full=_FULL.get(name, ""))
