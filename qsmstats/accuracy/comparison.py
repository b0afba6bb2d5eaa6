"""Two index tests, or two raters, on the same lesions: whose readings are more accurate.

Per class, sensitivity is compared among the lesions with the class and specificity among
those without (formulas and sources in `paired` and `clustered`).

- tango_score, independent lesions: Tango's interval with the p-value of the score test that it
  inverts, which is McNemar's.
- ratio_variance_t, lesions in clusters: d = (sum b_k - c_k)/N with its ratio variance
  K/(K-1) sum (b_k - c_k - n_k d)^2 / N^2; interval and p-value from t on K - 1.
- mcnemar_mid_p, obuchowski, durkalski: tests alone. Their variances are those under equal
  margins, so that an interval from another variance could contradict them.

So in every row that has both, the p-value is below 1 - level exactly where the interval leaves
out 0. P-values are adjusted over classes and measures by Holm 1979, per method; the intervals
are not adjusted.

References
----------
Holm S (1979) Scand J Stat 6:65-70.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.accuracy.intervals import critical_value
from qsmstats.accuracy.paired import (
    PairedCounts,
    clustered_pair_test,
    mcnemar_test,
    paired_difference_interval,
)
from qsmstats.accuracy.pairing import NEGATIVE, Pairs, pair_classes
from qsmstats.accuracy.proportions import (
    COMPARISON,
    INDEPENDENT,
    RECOMMENDED,
    REFUSED,
    SMALL_NUMBER_OF_CLUSTERS,
)
from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.errors import UsageError

__all__ = ["COMPARISON_COLUMNS", "compare_readings"]

COMPARISON_COLUMNS = (
    "class_",
    "measure",
    "first",
    "second",
    "estimate",
    "conf_low",
    "conf_high",
    "statistic",
    "p_value",
    "p_adjusted",
    "n",
    "n_clusters",
    "method",
    "role",
    "note",
)


TEST_ONLY = "test only, without an interval of its own"


def _counts(first: Flags, second: Flags) -> PairedCounts:
    return PairedCounts(
        both=int(np.sum(first & second)),
        only_first=int(np.sum(first & ~second)),
        only_second=int(np.sum(~first & second)),
        neither=int(np.sum(~first & ~second)),
    )


def _ratio_variance_row(balance: Floats, trials: Floats, level: float) -> dict[str, Any]:
    """Interval and p-value of the summed balance over the trials, both from its ratio variance."""
    total, df = float(trials.sum()), trials.size - 1
    difference = float(balance.sum()) / total
    residuals = balance - trials * difference
    error = math.sqrt(float(residuals @ residuals) * trials.size / df) / total
    if error <= 1e-12:
        return {"role": REFUSED, "note": "no variation between clusters to estimate from"}
    half, statistic = critical_value(level, df) * error, difference / error
    few = trials.size < SMALL_NUMBER_OF_CLUSTERS
    return {
        "conf_low": max(-1.0, difference - half),
        "conf_high": min(1.0, difference + half),
        "statistic": statistic,
        "p_value": 2.0 * float(stats.t.sf(abs(statistic), df)),
        "role": COMPARISON if few else RECOMMENDED,
        "note": f"{trials.size} clusters: t on {df} degrees of freedom" if few else "",
    }


def _clustered_rows(
    first: Flags, second: Flags, cluster: Integers, level: float
) -> Iterator[dict[str, Any]]:
    size = int(cluster.max()) + 1
    trials = np.bincount(cluster, minlength=size)
    used = trials > 0
    ahead = np.bincount(cluster[first & ~second], minlength=size)[used]
    behind = np.bincount(cluster[~first & second], minlength=size)[used]
    n = trials[used]
    tests = ("obuchowski", "durkalski")
    if n.size < 2:
        for method in ("ratio_variance_t", *tests):
            yield {"method": method, "role": REFUSED, "note": "one cluster only"}
        return
    balance = (ahead - behind).astype(np.float64)
    yield {"method": "ratio_variance_t"} | _ratio_variance_row(balance, n.astype(float), level)
    few = n.size < SMALL_NUMBER_OF_CLUSTERS
    rough = f"; {n.size} clusters: the chi-square distribution is only approximate" if few else ""
    for method in tests:
        statistic, p_value = clustered_pair_test(ahead, behind, n, method=method)
        row: dict[str, Any] = {"method": method, "role": COMPARISON, "note": TEST_ONLY + rough}
        yield row | {"statistic": statistic, "p_value": p_value}


def _rows(
    first: Flags, second: Flags, cluster: Integers | None, level: float
) -> Iterator[dict[str, Any]]:
    if first.size == 0:
        yield {"method": "none", "role": REFUSED, "note": "no lesion of this reference group"}
        return
    counts = _counts(first, second)
    shares = {"first": counts.margins[0], "second": counts.margins[1]}
    shares |= {"estimate": counts.margins[0] - counts.margins[1]}
    low, high = paired_difference_interval(counts, level=level)
    for method, test, own in (
        ("tango_score", "asymptotic", {"conf_low": low, "conf_high": high, "note": ""}),
        ("mcnemar_mid_p", "mid_p", {"note": TEST_ONLY}),
    ):
        statistic, p_value = mcnemar_test(counts, method=test)
        tested = {"method": method, "statistic": statistic, "p_value": p_value}
        yield shares | tested | own | {"role": INDEPENDENT}
    if cluster is not None:
        for row in _clustered_rows(first, second, cluster, level):
            yield shares | row


def _compare(one: Pairs, two: Pairs, level: float) -> Iterator[dict[str, Any]]:
    read = (one.index >= NEGATIVE) & (two.index >= NEGATIVE) & (one.reference >= NEGATIVE)
    for k, name in enumerate(one.classes):
        for measure, true in (("sensitivity", True), ("specificity", False)):
            group = read & ((one.reference == k) == true)
            first, second = ((pairs.index[group] == k) == true for pairs in (one, two))
            cluster = one.cluster[group] if one.n_clusters else None
            fixed = {"class_": name, "measure": measure, "n": int(group.sum())}
            fixed["n_clusters"] = pd.NA if cluster is None else np.unique(cluster).size
            for row in _rows(first, second, cluster, level):
                yield fixed | row


def compare_readings(
    table: pd.DataFrame,
    *,
    first: str,
    second: str,
    reference_standard: str,
    mapping: Mapping[str, Sequence[str]],
    cluster: str | None,
    unmapped: Mapping[str, str] | None = None,
    indeterminate_levels: Sequence[str] = (),
    key: Sequence[str] = (),
    level: float = 0.95,
) -> pd.DataFrame:
    """Compare the sensitivity and specificity of two readings of the same lesions.

    Lesions that either reading, or the reference standard, lacks are left out.

    Parameters
    ----------
    table
        One row per lesion.
    first, second
        Columns of the two index tests or raters.
    reference_standard, mapping, cluster, unmapped, indeterminate_levels, key
        As in `diagnostic_accuracy`; the mapping holds for both readings.
    level
        Confidence level.

    Returns
    -------
    DataFrame
        Columns `COMPARISON_COLUMNS`; `estimate` is first minus second. `statistic` is t for
        ratio_variance_t, the smaller discordant count for mcnemar_mid_p, and a chi-square on 1
        otherwise. Tests alone have NaN limits.

    Raises
    ------
    UsageError, InvalidDataError
        As `diagnostic_accuracy`.
    """
    if first == second:
        raise UsageError(f"first and second are both {first!r}; give two readings")
    critical_value(level)
    one, two = (
        pair_classes(
            table,
            index_test=column,
            reference_standard=reference_standard,
            mapping=mapping,
            cluster=cluster,
            unmapped=unmapped,
            indeterminate_levels=indeterminate_levels,
            key=key,
        )
        for column in (first, second)
    )
    frame = pd.DataFrame.from_records(list(_compare(one, two, level)))
    frame = frame.reindex(columns=list(COMPARISON_COLUMNS))
    for _, rows in frame.groupby("method"):
        frame.loc[rows.index, "p_adjusted"] = _holm(rows["p_value"].to_numpy(dtype=np.float64))
    return frame.astype({"n_clusters": "Int64"})


def _holm(p_values: Floats) -> Floats:
    """Holm's adjusted p-values; a missing one stays missing and does not count.

    statsmodels' ``multipletests`` gives the same and collects all garbage at each call, 0.3 s.
    """
    order = np.argsort(p_values)  # missing ones last
    factors = np.count_nonzero(~np.isnan(p_values)) - np.arange(p_values.size)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1.0)
    return adjusted
