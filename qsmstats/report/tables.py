"""From a table of results to a table that people read.

Columns are recognised by the names that every estimate of this project carries: conf_low and
conf_high become an interval in the estimate's cell, p-values are written as p, levels, contrasts
and terms in words. A text that is the same in every row is said once, below the table. Columns that
only a statistician looks for are minor: phones leave them to the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from qsmstats.report import numbers
from qsmstats.report.blocks import Cell, Column, TableBlock
from qsmstats.report.names import (
    contrast_title,
    in_words,
    method_title,
    outcome_title,
    title,
)
from qsmstats.report.terms import group_title, term_titler

__all__ = ["display"]

# More rows than this are no reading matter; the TSV has them.
MOST_ROWS = 400

_TITLES = {
    "adjust": "adjusted by",
    "class_": "class",
    "conf": "CI",
    "corrected_youden": "J, corrected",
    "den_df": "den. df",
    "file": "file",
    "hedges_g": "g",
    "lesion_type": "type",
    "level": "type",
    "mean_ring_z": "mean − ring (z)",
    "n_clusters": "brains",
    "num_df": "num. df",
    "other_term": "with",
    "p_adjusted": "adj. p",
    "p_value": "p",
    "sd": "SD",
    "shell_core_z": "shell − core (z)",
    "shell_ring_z": "shell − ring (z)",
    "std_dev": "SD",
    "std_error": "SE",
    "threshold": "cut-off",
    "youden": "J",
}
# What a short title stands for.
_FULL = {
    "conf_low_adjusted": "confidence interval adjusted for the number of comparisons",
    "corrected_youden": "Youden index less the optimism of a cut-off chosen in the same data",
    "den_df": "denominator degrees of freedom",
    "df": "degrees of freedom",
    "hedges_g": "Hedges' g: difference in units of the model's total standard deviation",
    "num_df": "numerator degrees of freedom",
    "p_adjusted": "p adjusted for the number of comparisons",
    "p_value": "p, not adjusted",
    "sd": "standard deviation",
    "std_dev": "standard deviation",
    "std_error": "standard error",
    "youden": "Youden index: sensitivity + specificity − 1",
}
_METHODS = {
    "bonferroni": "Bonferroni's method",
    "fdr_bh": "Benjamini and Hochberg's method",
    "holm": "Holm's method",
    "sidak": "Šidák's method",
    "tukey": "Tukey's method",
}
_MINOR = {"den_df", "df", "num_df", "statistic", "std_error"}
_LEVELS = {
    "category",
    "class",
    "class_",
    "index_test",
    "lesion_type",
    "level",
    "predicted",
    "reference_standard",
    "suggested_type",
    "tissue",
}
# Units that column names end with.
_UNITS = {"mm3": "mm³", "mm": "mm", "ppb": "ppb", "percent": "%"}
# Columns of one estimate, which share their decimals.
_OF_ESTIMATE = ("estimate", "conf_low", "conf_low_adjusted", "std_error")
# Decimals of columns whose size says nothing of their precision.
_DECIMALS = {"statistic": 2, "num_df": 0, "standardised_difference": 2}
# Intervals that stand in the cell of what they belong to.
_ASIDE = {"estimate": "conf", "hedges_g": "hedges_g", "threshold": "threshold_range"}

Write = Callable[[object], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """A column and what writes its cells."""

    head: Column
    cell: Callable[[pd.Series], Cell]


def display(
    frame: pd.DataFrame,
    *,
    slug: str,
    caption: str,
    file: str = "",
    titles: Mapping[str, str] | None = None,
    only: Sequence[str] | None = None,
    ci: str = "95 % CI",
    note: str = "",
) -> TableBlock:
    """Turn a frame into a table of the page.

    Parameters
    ----------
    frame
        Estimates, counts or records.
    slug
        Identifier on the page.
    caption
        What the table shows, with its unit.
    file
        Path of its TSV below the output folder.
    titles
        Column -> title, where the usual one does not say enough.
    only
        Columns to show, in this order (an interval by the name of its lower end; that of an
        estimate comes with it); all by default.
    ci
        Title of the interval.
    note
        Text below the caption.

    Returns
    -------
    TableBlock
    """
    given = {"conf": ci, **(titles or {})}
    names = _order(
        list(frame.columns) if only is None else [name for name in only if name in frame]
    )
    names = [name for name in names if not _is_empty(frame[name])] or names
    constant = _constant(frame, names[1:])
    said = [_said(name, value, given) for name, value in constant.items()]
    columns = [_column(frame, name, given) for name in names if name not in constant]
    if len(frame) > MOST_ROWS:
        said.append(f"The first {MOST_ROWS} of {len(frame):,} rows; the file has all.")
    return TableBlock(
        slug=slug,
        caption=caption,
        columns=tuple(column.head for column in columns),
        rows=tuple(
            tuple(column.cell(row) for column in columns)
            for _, row in frame.head(MOST_ROWS).iterrows()
        ),
        file=file,
        note=" ".join([note, *said]).strip(),
    )


def _said(name: str, value: str, given: Mapping[str, str]) -> str:
    if name == "adjust":
        return "Not adjusted." if value == "none" else f"Adjusted by {_METHODS.get(value, value)}."
    return f"{_heading(name, given).capitalize()}: {value}."


def _is_empty(values: pd.Series) -> bool:
    return bool((values.isna() | (values.astype("str") == "")).all())


def _order(names: list[str]) -> list[str]:
    """Drop upper ends, which stand with their lower ends, and intervals with their estimates."""
    aside = {f"{_ASIDE[name]}_low" for name in names if name in _ASIDE}
    if {"p_value", "p_adjusted"} <= set(names):
        # What counts comes first: phones show fewer columns at once.
        names.remove("p_adjusted")
        names.insert(names.index("p_value"), "p_adjusted")
    return [
        name
        for name in names
        if name not in aside
        and ("_high" not in name or name.replace("_high", "_low") not in {*names, *aside})
    ]


def _constant(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, str]:
    """Return the texts that are the same in every row, where there are rows to tell."""
    if len(frame) < 2:
        return {}
    texts = [name for name in names if not pd.api.types.is_numeric_dtype(frame[name])]
    return {
        name: _text(frame[name].iloc[0])
        for name in texts
        if (frame[name] == frame[name].iloc[0]).all() and name not in _LEVELS
    }


def _heading(name: str, titles: Mapping[str, str]) -> str:
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


def _column(frame: pd.DataFrame, name: str, titles: Mapping[str, str]) -> _Written:
    heading = _heading(name, titles)
    if name == "statistic":
        heading = "F" if "num_df" in frame else "t" if "df" in frame else heading
    numeric = pd.api.types.is_numeric_dtype(frame[name]) and frame[name].dtype != bool
    full, minor = _FULL.get(name, ""), name in _MINOR
    head = Column(title=heading, numeric=numeric, full=full, minor=minor)
    high = name.replace("_low", "_high")
    if high != name and high in frame:
        return _Written(head=head, cell=_interval_cell(name, high, _decimals(frame, name)))
    cell = _plain_cell(name, _number_writer(frame, name) if numeric else _text_writer(frame, name))
    low, high = f"{_ASIDE.get(name, '')}_low", f"{_ASIDE.get(name, '')}_high"
    if name in _ASIDE and {low, high} <= set(frame.columns):
        between = _interval_cell(low, high, _decimals(frame, name))
        named = "range" if name == "threshold" else titles["conf"]
        head = replace(head, title=f"{heading} ({named})")
        return _Written(head=head, cell=_with_aside(cell, between))
    return _Written(head=head, cell=cell)


def _with_aside(
    cell: Callable[[pd.Series], Cell], aside: Callable[[pd.Series], Cell]
) -> Callable[[pd.Series], Cell]:
    def both(row: pd.Series) -> Cell:
        between = aside(row).text
        known = between != numbers.MISSING
        return replace(cell(row), aside=f"({between})" if known else "")

    return both


def _decimals(frame: pd.DataFrame, name: str) -> int:
    if name in _DECIMALS:
        return _DECIMALS[name]
    if name in _OF_ESTIMATE and "std_error" in frame:
        return numbers.decimals_of_errors(frame["std_error"])
    high = name.replace("_low", "_high")
    if high != name and high in frame:
        widths = frame[high] - frame[name]
        return numbers.decimals_of_errors(widths / 4)
    return numbers.decimals_of_values(frame[name])


def _number_writer(frame: pd.DataFrame, name: str) -> Write:
    values = frame[name].dropna()
    if name.startswith("p_"):
        return numbers.p_value
    if name in {"df", "den_df"}:
        return numbers.degrees
    if name == "share":
        return numbers.percent
    if pd.api.types.is_integer_dtype(frame[name]) or (name[:2] in {"n", "n_"}):
        return numbers.count
    sizes = values[values != 0].abs()
    if name not in {*_OF_ESTIMATE, *_DECIMALS} and not _of_one_size(sizes):
        return numbers.number
    decimals = _decimals(frame, name)
    return lambda value: numbers.fixed(value, decimals)


def _of_one_size(sizes: pd.Series) -> bool:
    """Return whether one number of decimals suits all of some positive numbers."""
    return sizes.empty or bool(sizes.max() <= 1e3 * sizes.min() and sizes.min() >= 1e-5)


def _text_writer(frame: pd.DataFrame, name: str) -> Write:
    writers: dict[str, Write] = {
        "contrast": lambda value: contrast_title(str(value)),
        "group": lambda value: group_title(str(value)),
        "n_groups": lambda value: re.sub(r"[\w:]+(?= \d)", _group, str(value)),
        "method": lambda value: method_title(str(value)),
        "note": lambda value: in_words(str(value)),
        **dict.fromkeys(("outcome", "feature"), lambda value: outcome_title(str(value))),
        **dict.fromkeys(("coefficient", "role", "step", "stage"), _words),
        **dict.fromkeys(_LEVELS, lambda value: title(str(value))),
    }
    if name in {"term", "other_term"}:
        return _term_writer(frame)
    return writers.get(name, _text)


def _group(name: re.Match[str]) -> str:
    return group_title(name[0])


def _term_writer(frame: pd.DataFrame) -> Write:
    return term_titler(frame["term"])


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _words(value: object) -> str:
    return str(value).replace("_", " ")


def _plain_cell(name: str, write: Write) -> Callable[[pd.Series], Cell]:
    def cell(row: pd.Series) -> Cell:
        value = row[name]
        if pd.isna(value):
            return Cell(text=numbers.MISSING, sort="")
        value = value.item() if hasattr(value, "item") else value
        sort = float(value) if isinstance(value, int | float) else write(value)
        return Cell(text=write(value), sort=sort)

    return cell


def _interval_cell(low: str, high: str, decimals: int) -> Callable[[pd.Series], Cell]:
    def cell(row: pd.Series) -> Cell:
        if pd.isna(row[low]) and pd.isna(row[high]):
            return Cell(text=numbers.MISSING, sort="")
        return Cell(
            text=numbers.interval(float(row[low]), float(row[high]), decimals),
            sort=float(row[low]),
        )

    return cell
