"""Two index tests, or two raters, on the same lesions: whose readings are more accurate.

Per class, sensitivity is compared among the lesions with the class and specificity among
those without (formulas and sources in `paired` and `clustered`).

- tango_score, independent lesions: Tango's interval with the p-value of the score test that it
  inverts, which is McNemar's.
- ratio_variance_t, lesions in clusters: d = (sum b_k - c_k)/N with its ratio variance
  K/(K-1) sum (b_k - c_k - n_k d)^2 / N^2; interval and p-value from t on K - 1.
- mcnemar_mid_p, mcnemar_exact, mcnemar_corrected, obuchowski, durkalski: tests only. Their
  variances are those under equal margins, so that an interval from another variance could
  contradict them.

So in every row that has both, the p-value is below 1 - level exactly where the interval excludes
0. P-values are adjusted over classes and measures by Holm 1979, per method; the intervals
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
    clustered_pair_test,
    mcnemar_corrected,
    mcnemar_exact,
    mcnemar_mid_p,
    mcnemar_test,
    tango_interval,
)
from qsmstats.accuracy.pairing import NEGATIVE, pair_classes
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


TEST_ONLY = "test only, no interval"


def _clustered_rows(
    first: Flags, second: Flags, cluster: Integers, level: float
) -> Iterator[dict[str, Any]]:
    trials, ahead, behind = (
        np.bincount(cluster[group], minlength=int(cluster.max()) + 1).astype(np.float64)
        for group in (np.ones_like(first), first & ~second, ~first & second)
    )
    used = trials > 0
    n, ahead, behind = trials[used], ahead[used], behind[used]
    tests = ("obuchowski", "durkalski")
    if n.size < 2:
        for method in ("ratio_variance_t", *tests):
            yield {"method": method, "role": REFUSED, "note": "one cluster only"}
        return
    few, df = n.size < SMALL_NUMBER_OF_CLUSTERS, n.size - 1
    total, balance = float(n.sum()), ahead - behind
    difference = float(balance.sum()) / total
    residuals = balance - n * difference
    error = math.sqrt(float(residuals @ residuals) * n.size / df) / total
    row: dict[str, Any] = {"method": "ratio_variance_t"}
    if error <= 1e-12:
        note = "no variation between clusters to estimate from"
        yield row | {"role": REFUSED, "note": note}
    else:
        half, statistic = critical_value(level, df) * error, difference / error
        yield row | {
            "conf_low": max(-1.0, difference - half),
            "conf_high": min(1.0, difference + half),
            "statistic": statistic,
            "p_value": 2.0 * float(stats.t.sf(abs(statistic), df)),
            "role": COMPARISON if few else RECOMMENDED,
            "note": f"{n.size} clusters: t on {df} degrees of freedom" if few else "",
        }
    rough = f"; {n.size} clusters: the chi-square distribution is only approximate" if few else ""
    for method in tests:
        statistic, p_value = clustered_pair_test(ahead, behind, n, method=method)
        row = {"method": method, "role": COMPARISON, "note": TEST_ONLY + rough}
        yield row | {"statistic": statistic, "p_value": p_value}


def _rows(
    first: Flags, second: Flags, cluster: Integers | None, level: float
) -> Iterator[dict[str, Any]]:
    if first.size == 0:
        yield {"method": "none", "role": REFUSED, "note": "no lesion of this reference group"}
        return
    n, b, c = first.size, int(np.sum(first & ~second)), int(np.sum(~first & second))
    shares = {"first": int(first.sum()) / n, "second": int(second.sum()) / n}
    shares |= {"estimate": shares["first"] - shares["second"]}
    low, high = tango_interval(b, c, n, level=level)
    for method, test, own in (
        ("tango_score", mcnemar_test, {"conf_low": low, "conf_high": high, "note": ""}),
        ("mcnemar_mid_p", mcnemar_mid_p, {"note": TEST_ONLY}),
        ("mcnemar_exact", mcnemar_exact, {"note": TEST_ONLY}),
        ("mcnemar_corrected", mcnemar_corrected, {"note": TEST_ONLY}),
    ):
        statistic, p_value = test(b, c)
        tested = {"method": method, "statistic": statistic, "p_value": p_value}
        yield shares | tested | own | {"role": INDEPENDENT}
    if cluster is not None:
        for row in _clustered_rows(first, second, cluster, level):
            yield shares | row


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

    Lesions without one of the readings or without a reference standard are left out.

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
        ``class_``, measure, first, second, estimate, conf_low, conf_high, statistic, p_value,
        p_adjusted, n, n_clusters, method, role, note; `estimate` is first minus second.
        `statistic` is t for ratio_variance_t, the smaller discordant count for mcnemar_mid_p and
        mcnemar_exact, and a chi-square on 1 otherwise. Tests alone have NaN limits.

    Raises
    ------
    UsageError, InvalidDataError
        As `diagnostic_accuracy`.

    Examples
    --------
    >>> readings = pd.DataFrame({"a": ["rim", "rim", "no", "no", "rim", "no"],
    ...     "b": ["rim", "no", "no", "no", "rim", "rim"],
    ...     "truth": ["active", "active", "other", "other", "active", "other"]})
    >>> table = qs.compare_readings(readings, first="a", second="b", reference_standard="truth",
    ...     mapping={"active": ["rim"], "other": ["no"]}, cluster=None)
    >>> qs.show(table.loc[:1, ["class_", "measure", "first", "second"]])
    class_  measure      first  second
    active  sensitivity  1.000  0.6667
    active  sensitivity  1.000  0.6667
    """
    if first == second:
        raise UsageError(f"first and second are both {first!r}; name two different columns")
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
    read = (one.index >= NEGATIVE) & (two.index >= NEGATIVE) & (one.reference >= NEGATIVE)
    found: list[dict[str, Any]] = []
    for k, name in enumerate(one.classes):
        for measure, true in (("sensitivity", True), ("specificity", False)):
            group = read & ((one.reference == k) == true)
            hits = [(pairs.index[group] == k) == true for pairs in (one, two)]
            codes = one.cluster[group] if one.n_clusters else None
            fixed = {"class_": name, "measure": measure, "n": int(group.sum())}
            fixed["n_clusters"] = pd.NA if codes is None else np.unique(codes).size
            found += [fixed | row for row in _rows(hits[0], hits[1], codes, level)]
    frame = pd.DataFrame.from_records(found)
    frame = frame.reindex(columns=list(COMPARISON_COLUMNS))
    for _, rows in frame.groupby("method"):
        frame.loc[rows.index, "p_adjusted"] = _holm(rows["p_value"].to_numpy(dtype=np.float64))
    return frame.astype({"n_clusters": "Int64"})


def _holm(p_values: Floats) -> Floats:
    """Holm's adjusted p-values; a missing one stays missing and does not count.

    statsmodels' ``multipletests`` gives the same, but runs the garbage collector at each call
    (0.3 s).
    """
    order = np.argsort(p_values)  # missing ones last
    factors = np.count_nonzero(~np.isnan(p_values)) - np.arange(p_values.size)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1.0)
    return adjusted
