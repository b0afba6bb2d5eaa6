"""Two index tests on the same lesions, compared by predictive values and likelihood ratios.

Each lesion has the results of both tests and the reference standard: eight cells. Quantities
compared: PPV and NPV (difference: score tests; ratio: log scale), LR+ and LR- (ratio, log).

generalised score (Leisenring, Alonzo & Pepe 2000)
    Over the positive results of both tests, T = (sum_i sum_j D_i (Z_ij - m))^2 /
    sum_i (sum_j (D_i - d)(Z_ij - m))^2 with Z the indicator of the second test, m and d the
    pooled means of Z and of the reference D; chi-square on 1. NPV alike over the negatives.
weighted generalised score (Kosinski 2013)
    (PPV1 - PPV2)^2 / [(P(1 - P) - 2C)(1/n1 + 1/n2)], P the pooled PPV, n1 and n2 the positive
    results, C = [c1 (1 - P)^2 + c0 P^2] / (n1 + n2) with c1, c0 the lesions positive on both
    tests with and without the condition.
ratio (Moskowitz & Pepe 2006 for predictive values; Gu & Pepe 2009 for likelihood ratios)
    log ratio of the second to the first (predictive values) or of the first to the second
    (likelihood ratios, as in their paper), variance by the delta method over the eight cells;
    for likelihood ratios within the two reference groups.

References
----------
Gu W, Pepe MS (2009) Int J Biostat 5: article 27.
Kosinski AS (2013) Stat Med 32:964-977.
Leisenring W, Alonzo T, Pepe MS (2000) Biometrics 56:345-351.
Moskowitz CS, Pepe MS (2006) Clin Trials 3:272-279.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from qsmstats.accuracy.intervals import critical_value
from qsmstats.arrays import Floats
from qsmstats.errors import UsageError

__all__ = ["compare_likelihood_ratios", "compare_predictive_values"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Results:
    """Lesions with results of one sign, by condition (1 counts as the wanted one)."""

    both: Floats
    only_first: Floats
    only_second: Floats

    @property
    def first(self) -> Floats:
        return self.both + self.only_first

    @property
    def second(self) -> Floats:
        return self.both + self.only_second


def _cells(diseased: ArrayLike, healthy: ArrayLike) -> tuple[Floats, Floats]:
    tables = tuple(np.asarray(table, dtype=np.float64) for table in (diseased, healthy))
    if any(table.shape != (2, 2) or np.any(table < 0) for table in tables):
        raise UsageError(
            "give two tables of counts, shape (2, 2): first test in rows, second in columns,"
            " positive before negative"
        )
    return tables[0], tables[1]


def _results(wanted: Floats, other: Floats, k: int) -> _Results:
    """Results of sign `k` (0 positive, 1 negative): arrays (with the condition, without)."""
    off = 1 - k
    return _Results(
        both=np.array([wanted[k, k], other[k, k]]),
        only_first=np.array([wanted[k, off], other[k, off]]),
        only_second=np.array([wanted[off, k], other[off, k]]),
    )


def _generalised_score(results: _Results) -> float:
    n1, n2 = results.first.sum(), results.second.sum()
    share = n2 / (n1 + n2)
    pooled = (results.first[0] + results.second[0]) / (n1 + n2)
    # Sum of (Z - share) over a lesion's results, by which tests it is positive on.
    leverage = (1.0 - 2.0 * share, -share, 1.0 - share)
    kinds = (results.both, results.only_first, results.only_second)
    condition = np.array([1.0, 0.0])
    score = sum(w * cell[0] for w, cell in zip(leverage, kinds, strict=True))
    spread = sum(
        w**2 * float(cell @ (condition - pooled) ** 2)
        for w, cell in zip(leverage, kinds, strict=True)
    )
    return float(score**2 / spread) if spread > 0.0 else math.nan


def _weighted_score(results: _Results) -> float:
    n1, n2 = results.first.sum(), results.second.sum()
    pooled = (results.first[0] + results.second[0]) / (n1 + n2)
    shared = results.both[0] * (1.0 - pooled) ** 2 + results.both[1] * pooled**2
    variance = (pooled * (1.0 - pooled) - 2.0 * shared / (n1 + n2)) * (1.0 / n1 + 1.0 / n2)
    difference = results.first[0] / n1 - results.second[0] / n2
    return float(difference**2 / variance) if variance > 0.0 else math.nan


def _log_ratio_error(results: _Results) -> float:
    """Delta-method error of log(second / first) of two overlapping proportions."""
    first, second = results.first, results.second

    def influence(in_first: float, in_second: float) -> Floats:
        on_second = np.array([1.0 / second[0], 0.0]) - 1.0 / second.sum()
        on_first = np.array([1.0 / first[0], 0.0]) - 1.0 / first.sum()
        return np.asarray(in_second * on_second - in_first * on_first)

    variance = (
        results.both @ influence(1.0, 1.0) ** 2
        + results.only_first @ influence(1.0, 0.0) ** 2
        + results.only_second @ influence(0.0, 1.0) ** 2
    )
    return math.sqrt(float(variance))


def _score_row(measure: str, results: _Results, method: str, statistic: float) -> dict[str, object]:
    first, second = (float(part[0] / part.sum()) for part in (results.first, results.second))
    return {
        "measure": measure,
        "first": first,
        "second": second,
        "contrast": "difference",
        "estimate": second - first,
        "conf_low": math.nan,
        "conf_high": math.nan,
        "statistic": statistic,
        "p_value": float(stats.chi2.sf(statistic, 1)),
        "method": method,
    }


def _ratio_row(
    measure: str, values: tuple[float, float], ratio: float, error: float, level: float, method: str
) -> dict[str, object]:
    # Without a discordant lesion there is no variance: neither limits nor a p-value.
    error = error if error > 0.0 else math.nan
    half, statistic = critical_value(level) * error, math.log(ratio) / error
    return {
        "measure": measure,
        "first": values[0],
        "second": values[1],
        "contrast": "ratio",
        "estimate": ratio,
        "conf_low": ratio * math.exp(-half),
        "conf_high": ratio * math.exp(half),
        "statistic": statistic,
        "p_value": float(2.0 * stats.norm.sf(abs(statistic))),
        "method": method,
    }


def compare_predictive_values(
    diseased: ArrayLike, healthy: ArrayLike, *, level: float = 0.95
) -> pd.DataFrame:
    """Compare PPV and NPV of two tests on the same lesions, lesions independent.

    Parameters
    ----------
    diseased, healthy
        Counts with and without the condition, shape (2, 2): first test in rows, second in
        columns, positive before negative.
    level
        Confidence level of the ratio.

    Returns
    -------
    DataFrame
        Columns measure ("ppv", "npv"), first, second, contrast ("difference": second minus
        first; "ratio": second over first), estimate, conf_low, conf_high, statistic (chi-square
        on 1, or z for the ratio), p_value, method.

    Raises
    ------
    UsageError
        If the tables cannot be used, or a test has no result of one sign.
    """
    with_condition, without = _cells(diseased, healthy)
    rows = []
    for measure, results in (
        ("ppv", _results(with_condition, without, 0)),
        ("npv", _results(without, with_condition, 1)),
    ):
        if min(results.first.sum(), results.second.sum()) == 0:
            raise UsageError(f"{measure}: a test has no result of that sign; leave it out")
        for method, statistic in (
            ("generalised_score", _generalised_score(results)),
            ("weighted_generalised_score", _weighted_score(results)),
        ):
            rows.append(_score_row(measure, results, method, statistic))
        first, second = (float(part[0] / part.sum()) for part in (results.first, results.second))
        if min(first, second) == 0.0:
            continue
        error, ratio = _log_ratio_error(results), second / first
        rows.append(_ratio_row(measure, (first, second), ratio, error, level, "moskowitz_pepe"))
    return pd.DataFrame(rows)


def _share_ratio(table: Floats, k: int) -> tuple[float, float, float]:
    """Shares of result `k` of both tests, and the log variance of their ratio."""
    off = 1 - k
    first, second = float(table[k].sum()), float(table[:, k].sum())
    variance = float(table[k, off] + table[off, k]) / (first * second) if first and second else 0.0
    total = float(table.sum())
    return first / total, second / total, variance


def compare_likelihood_ratios(
    diseased: ArrayLike, healthy: ArrayLike, *, level: float = 0.95
) -> pd.DataFrame:
    """Compare LR+ and LR- of two tests on the same lesions, lesions independent.

    Parameters
    ----------
    diseased, healthy, level
        As in `compare_predictive_values`.

    Returns
    -------
    DataFrame
        As `compare_predictive_values`, measures "lr_positive" and "lr_negative"; the estimate
        is the ratio of the first to the second.

    Raises
    ------
    UsageError
        If the tables cannot be used, or a count that a ratio needs is zero.
    """
    tables = _cells(diseased, healthy)
    rows = []
    for measure, k in (("lr_positive", 0), ("lr_negative", 1)):
        hits, alarms = (_share_ratio(table, k) for table in tables)
        if min(hits[0], hits[1], alarms[0], alarms[1]) == 0.0:
            raise UsageError(f"{measure}: a share is zero, and its logarithm none; leave it out")
        first, second = hits[0] / alarms[0], hits[1] / alarms[1]
        error = math.sqrt(hits[2] + alarms[2])
        rows.append(_ratio_row(measure, (first, second), first / second, error, level, "gu_pepe"))
    return pd.DataFrame(rows)
