"""Agreement of raters, or of repeated scans, on a number: the intraclass correlation.

Shrout & Fleiss 1979 and McGraw & Wong 1996, computed by pingouin. Its confidence limits
take the targets as independent.

References
----------
McGraw KO, Wong SP (1996) Psychol Methods 1:30-46.
Shrout PE, Fleiss JL (1979) Psychol Bull 86:420-428.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd

from qsmstats.errors import InvalidDataError, UsageError

__all__ = ["intraclass_correlation"]


@contextmanager
def _unrounded_limits(options: dict[str, Any]) -> Iterator[None]:
    """Keep pingouin from rounding confidence limits to two decimals, its global default."""
    kept = dict(options)
    options.update(dict.fromkeys([key for key in options if "CI95" in key], None))
    try:
        yield
    finally:
        options.update(kept)


def intraclass_correlation(
    measurements: pd.DataFrame,
    *,
    target: Sequence[str],
    rater: str,
    value: str,
) -> pd.DataFrame:
    """Intraclass correlations of one measured feature, all six forms.

    Parameters
    ----------
    measurements
        One row per target and rater (or scan); finite values.
    target
        Columns that together name what was measured.
    rater, value
        Columns of the rater and of the measured number.

    Returns
    -------
    DataFrame
        Columns coefficient (ICC(1,1), ICC(A,1), ICC(C,1), ICC(1,k), ICC(A,k), ICC(C,k)),
        estimate, conf_low, conf_high, statistic (F), num_df, den_df, p_value, n_targets,
        n_dropped (targets not measured by every rater), n_raters, note.

    Raises
    ------
    UsageError
        If a column is absent, or fewer than two raters or five complete targets remain.
    InvalidDataError
        If a target stands twice under one rater.
    """
    absent = [name for name in [*target, rater, value] if name not in measurements.columns]
    if absent:
        raise UsageError(f"no column {absent}; name some of {list(measurements.columns)}")
    if measurements.duplicated([*target, rater]).any():
        raise InvalidDataError(
            f"column '{value}': a target was measured twice by one rater; keep one value"
        )
    wide = measurements.pivot_table(
        index=list(target), columns=rater, values=value, aggfunc="first"
    )
    complete = wide.dropna()
    if complete.shape[1] < 2 or complete.shape[0] < 5:
        raise UsageError(
            f"{complete.shape[1]} rater(s) with {complete.shape[0]} complete target(s); the"
            " intraclass correlation needs at least 2 and 5"
        )
    import pingouin

    long = complete.reset_index(drop=True).rename_axis("target").reset_index()
    long = long.melt(id_vars="target", var_name="rater", value_name="value")
    with warnings.catch_warnings(), _unrounded_limits(pingouin.options):
        # pingouin 0.7 still drops columns in place, which pandas 3.1 announces to remove.
        warnings.filterwarnings("ignore", "The inplace keyword", DeprecationWarning)
        found = pingouin.intraclass_corr(long, targets="target", raters="rater", ratings="value")
    # "CI95%" up to pingouin 0.5, "CI95" since.
    interval = next(name for name in found.columns if name.startswith("CI95"))
    limits = pd.DataFrame(found[interval].tolist(), columns=["conf_low", "conf_high"])
    return pd.DataFrame(
        {
            "coefficient": found["Type"].to_numpy(),
            "estimate": found["ICC"].to_numpy(),
            "conf_low": limits["conf_low"],
            "conf_high": limits["conf_high"],
            "statistic": found["F"].to_numpy(),
            "num_df": found["df1"].to_numpy(),
            "den_df": found["df2"].to_numpy(),
            "p_value": found["pval"].to_numpy(),
            "n_targets": complete.shape[0],
            "n_dropped": wide.shape[0] - complete.shape[0],
            "n_raters": complete.shape[1],
            "note": "95 % limits; targets taken as independent",
        }
    )
