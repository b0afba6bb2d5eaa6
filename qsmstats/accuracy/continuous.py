"""Agreement of raters, or of repeated scans, on a number: the intraclass correlation.

Shrout & Fleiss 1979 and McGraw & Wong 1996, computed by pingouin. Its confidence limits
take the targets as independent.

No correlation of k raters is below -1/(k - 1): lower limits of the forms for one rater are cut
there. The forms for the mean of k raters are k r/(1 + (k - 1) r) of these (Spearman-Brown), with
a pole at r = -1/(k - 1); estimates and limits from beyond the pole are not defined. Nor is
anything where the targets' means are equal, nor limits where no residual variance is left.

References
----------
McGraw KO, Wong SP (1996) Psychol Methods 1:30-46.
Shrout PE, Fleiss JL (1979) Psychol Bull 86:420-428.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.errors import InvalidDataError, Problem, UsageError, require_columns

__all__ = ["intraclass_correlation"]

LIMITS, TESTS = ("conf_low", "conf_high"), ("statistic", "p_value")
NOTE = "95 % limits for independent targets; p-value of the one-sided F test of equal targets"


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
        One row per target and rater (or scan); finite numbers, or missing.
    target
        Columns that together name what was measured.
    rater, value
        Columns of the rater and of the measured number.

    Returns
    -------
    DataFrame
        Columns coefficient (ICC(1,1), ICC(A,1), ICC(C,1), ICC(1,k), ICC(A,k), ICC(C,k)),
        estimate, conf_low, conf_high, statistic (F), num_df, den_df, p_value, n_targets,
        n_dropped (targets not measured by every rater), n_raters, note. What is not defined is
        NaN, with the reason in `note`.

    Raises
    ------
    UsageError
        If a column is absent, or fewer than two raters or five complete targets remain.
    InvalidDataError
        If a target has two values by one rater, or a value is not a finite number.

    Examples
    --------
    >>> measured = pd.DataFrame({"lesion": [1, 1, 2, 2, 3, 3, 4, 4, 5, 5], "rater": ["A", "B"] * 5,
    ...     "volume": [10, 11, 20, 19, 31, 30, 42, 44, 50, 49]})
    >>> names = {"target": ["lesion"], "rater": "rater", "value": "volume"}
    >>> table = qs.intraclass_correlation(measured, **names)
    >>> table["estimate"].round(3).tolist()[:1]
    [0.997]
    """
    require_columns(measurements.columns, [*target, rater, value], "measurements")
    if measurements.duplicated([*target, rater]).any():
        raise InvalidDataError(
            f"column '{value}': a target has more than one value by one rater; keep one"
        )
    measured = measurements.assign(**{value: _numbers(measurements[value])})
    wide = measured.pivot_table(index=list(target), columns=rater, values=value, aggfunc="first")
    complete = wide.dropna()
    if complete.shape[1] < 2 or complete.shape[0] < 5:
        raise UsageError(
            f"number of raters: {complete.shape[1]}, of targets measured by all of them:"
            f" {complete.shape[0]}; the intraclass correlation needs at least 2 and 5"
        )
    frame = _pingouin(complete)
    found = _within_range(frame, complete.to_numpy(dtype=np.float64))
    n_targets, n_raters = complete.shape
    counts = {"n_targets": n_targets, "n_dropped": len(wide) - n_targets, "n_raters": n_raters}
    return found.assign(**counts)[[*frame.columns, *counts, "note"]]


def _numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    wrong = column[column.notna() & ~np.isfinite(numbers)]
    if len(wrong):
        text = f"{len(wrong)} values are not finite numbers, the first {wrong.iloc[0]!r}"
        text = f"{text}; correct them, or leave them missing"
        raise InvalidDataError(
            [Problem(table="measurements", column=str(column.name), problem=text)]
        )
    return numbers


def _pingouin(complete: pd.DataFrame) -> pd.DataFrame:
    import pingouin

    long = complete.reset_index(drop=True).rename_axis("target").reset_index()
    long = long.melt(id_vars="target", var_name="rater", value_name="value")
    kept = dict(pingouin.options)
    # By default pingouin rounds confidence limits to two decimals.
    pingouin.options.update(dict.fromkeys([key for key in kept if "CI95" in key], None))
    with warnings.catch_warnings(), ExitStack() as afterwards:
        afterwards.callback(pingouin.options.update, kept)
        # pingouin 0.7 still drops columns in place, which pandas 3.1 announces to remove, and
        # divides by zero where a variance is 0, which `_within_range` puts into words.
        warnings.filterwarnings("ignore", "The inplace keyword", DeprecationWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        found = pingouin.intraclass_corr(long, targets="target", raters="rater", ratings="value")
    # "CI95%" up to pingouin 0.5, "CI95" since.
    interval = next(name for name in found.columns if name.startswith("CI95"))
    limits = np.array(found[interval].tolist(), dtype=np.float64)
    return pd.DataFrame(
        {
            "coefficient": found["Type"],
            "estimate": found["ICC"],
            "conf_low": limits[:, 0],
            "conf_high": limits[:, 1],
            "statistic": found["F"],
            "num_df": found["df1"],
            "den_df": found["df2"],
            "p_value": found["pval"],
        }
    )


def _within_range(found: pd.DataFrame, values: Floats) -> pd.DataFrame:
    """Set what is not defined to NaN, with the reason; `values` has shape (targets, raters)."""
    found, numbers = found.assign(note=NOTE), ["estimate", *LIMITS, *TESTS]
    rounding = 1e-12 * float(np.abs(values).max())
    means = values.mean(axis=1, keepdims=True)
    if np.ptp(means) <= rounding:
        note = "not defined: the targets do not differ in their means"
        return found.assign(**dict.fromkeys(numbers, np.nan), note=note)
    if np.ptp(values - means - values.mean(axis=0)) <= rounding:
        note = "limits and test not defined: the raters differ by no more than a constant"
        return found.assign(**dict.fromkeys([*LIMITS, *TESTS], np.nan), note=note)
    least, single = -1.0 / (values.shape[1] - 1), found["coefficient"].str.endswith(",1)")
    bound = np.where(single, least, -np.inf)
    found["conf_low"] = np.maximum(found["conf_low"], bound)
    inside = found["estimate"].between(bound, 1.0)
    ordered = found["estimate"].between(found["conf_low"], found["conf_high"]) & inside
    beyond = "for one rater is not above -1/(n_raters - 1)"
    found["note"] = found["note"].where(ordered, f"limits not defined: a limit {beyond}")
    found["note"] = found["note"].where(inside, f"not defined: the estimate {beyond}")
    found["estimate"] = found["estimate"].where(inside)
    return found.assign(**{name: found[name].where(ordered) for name in LIMITS})
