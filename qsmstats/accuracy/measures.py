"""Rows of the accuracy frame: measures of one class against the rest, areas, all classes at once.

From TP, FP, FN, TN: sensitivity TP/(TP+FN), specificity TN/(TN+FP), PPV TP/(TP+FP), NPV
TN/(TN+FN), accuracy, prevalence; F1 = 2TP/(2TP+FP+FN); Matthews' correlation; Cohen's kappa of
index and reference.

- Proportions have the intervals of `proportions`.
- F1 = 2J/(1+J) with J = TP/(TP+FP+FN), a proportion; its limits are carried over.
- Matthews' correlation and kappa: delta method on the atanh scale for independent lesions;
  with clusters the cluster jackknife, refused below 10 clusters.
- Areas under the ROC curve of a continuous feature are those of `roc`.

Of the whole confusion matrix, rows are the index test, columns the reference standard. Weighted
kappas use the weights of `coefficients` in the order of the mapping, and are meaningful only if
that order is; they are left out when some readings belong to none of the classes, which has no
rank. Macro averages are plain means over the classes of the mapping (Grandini et al. 2020).

References
----------
Gorodkin J (2004) Comput Biol Chem 28:367-374 (R_K).
Grandini M, Bagli E, Visani G (2020) arXiv:2008.05756.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from qsmstats.accuracy.coefficients import cohen_kappa
from qsmstats.accuracy.combined import combined_rows
from qsmstats.accuracy.delta import Statistic
from qsmstats.accuracy.pairing import NEGATIVE, Pairs, TwoByTwo
from qsmstats.accuracy.proportions import (
    COMPARISON,
    INDEPENDENT,
    RECOMMENDED,
    SMALL_NUMBER_OF_CLUSTERS,
    Estimate,
    clustered_estimates,
    independent_estimate,
    refused_estimate,
)
from qsmstats.accuracy.roc import area_under_curve
from qsmstats.accuracy.rows import Row, Settings, bounded_rows, empty_row
from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.errors import NotIdentifiedError

__all__ = [
    "auc_rows",
    "kappa",
    "macro_average",
    "measure_rows",
    "multiclass_correlation",
    "multiclass_rows",
    "proportion_rows",
]

ORDER = "weights follow the order of the mapping"


def kappa(table: Floats, kind: str = "") -> float:
    """Cohen's kappa of one square table of counts or proportions; see `cohen_kappa`."""
    return float(cohen_kappa(table, kind))


def multiclass_correlation(table: Floats) -> float:
    """Matthews' correlation for any number of classes, R_K (Gorodkin 2004); NaN if undefined.

    References
    ----------
    Gorodkin J (2004) Comput Biol Chem 28:367-374.
    """
    shares = table / table.sum()
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    spread = (1.0 - float(rows @ rows)) * (1.0 - float(columns @ columns))
    if spread <= 0.0:
        return math.nan
    return (float(np.trace(shares)) - float(rows @ columns)) / math.sqrt(spread)


def proportion_rows(
    measure: str,
    x: Integers,
    n: Integers,
    *,
    clustered: bool,
    settings: Settings,
) -> list[Row]:
    """Rows of the proportion x / n, counts per cluster of shape (G,)."""
    hits, trials = int(x.sum()), int(n.sum())
    if trials == 0:
        return [empty_row(measure, "not estimable: no lesion in the denominator")]
    values = [independent_estimate(hits, trials, method=settings.interval, level=settings.level)]
    if clustered:
        counts = tuple(x.tolist()), tuple(n.tolist())
        values += clustered_estimates(*counts, level=settings.level, seed=settings.seed)
    return [
        Row(
            measure=measure,
            value=value,
            numerator=hits,
            denominator=trials,
            n_clusters=int(np.count_nonzero(n)) if clustered else None,
        )
        for value in values
    ]


def measure_rows(table: TwoByTwo, settings: Settings) -> Iterator[Row]:
    """All measures of one class against the rest.

    Parameters
    ----------
    table
        Counts of the class, per cluster.
    settings
        Interval, level, prevalences and seed.
    """
    tp, fp, fn, tn = table.tp, table.fp, table.fn, table.tn
    prevalence = int((tp + fn).sum()) / table.n if table.n else math.nan
    for measure, x, n in (
        ("sensitivity", tp, tp + fn),
        ("specificity", tn, tn + fp),
        ("ppv", tp, tp + fp),
        ("npv", tn, tn + fn),
        ("accuracy", tp + tn, tp + fp + fn + tn),
        ("prevalence", tp + fn, tp + fp + fn + tn),
    ):
        share = prevalence if measure in ("ppv", "npv") else math.nan
        for row in proportion_rows(measure, x, n, clustered=table.clustered, settings=settings):
            yield replace(row, prevalence=share)
    # F1 is carried over from the proportion J.
    hits, union = int(tp.sum()), tp + fp + fn
    for row in proportion_rows("f1", tp, union, clustered=table.clustered, settings=settings):
        parts = (row.value.estimate, row.value.conf_low, row.value.conf_high)
        estimate, low, high = (2.0 * part / (1.0 + part) for part in parts)
        value = replace(row.value, estimate=estimate, conf_low=low, conf_high=high)
        yield replace(row, value=value, numerator=2 * hits, denominator=int(union.sum()) + hits)
    yield from combined_rows(table, settings)
    if table.n == 0:
        return
    cells = np.stack([[tp, fp], [fn, tn]]).transpose(2, 0, 1).astype(np.float64)
    for measure, statistic in (("mcc", multiclass_correlation), ("kappa", kappa)):
        yield from bounded_rows(
            measure, statistic, cells, low=-1.0, clustered=table.clustered, level=settings.level
        )


def auc_rows(
    pairs: Pairs, class_: str, scores: ArrayLike, *, level: float
) -> tuple[int, list[Row]]:
    """Count the lesions and make the rows of one class against the rest.

    Parameters
    ----------
    pairs
        From `pair_classes`.
    class_
        One of its classes.
    scores
        One number per lesion, larger for the class; shape (n,).
    level
        Confidence level.
    """
    values = np.asarray(scores, dtype=np.float64)
    keep: Flags = np.isfinite(values) & (pairs.reference >= NEGATIVE)
    values, codes = values[keep], pairs.cluster[keep]
    truth = pairs.reference[keep] == pairs.classes.index(class_)
    n = int(keep.sum())
    if truth.all() or not truth.any():
        return n, [empty_row("auc", "not estimable: lesions of one reference group only")]
    independent = area_under_curve(values, truth, cluster=None, level=level)
    found = [(independent, INDEPENDENT)]
    refused = []
    if pairs.n_clusters:
        try:
            area = area_under_curve(values, truth, cluster=codes, level=level)
            # With few clusters this interval has not been shown to be conservative.
            few = area.n_clusters < SMALL_NUMBER_OF_CLUSTERS
            found.append((area, COMPARISON if few else RECOMMENDED))
        except NotIdentifiedError as refusal:
            refused = [refused_estimate(independent.estimate, "obuchowski_logit", str(refusal))]
    estimates = [
        Estimate(one.estimate, one.conf_low, one.conf_high, one.method, role, one.note)
        for one, role in found
    ]
    return n, [Row(measure="auc", value=value) for value in estimates + refused]


def macro_average(table: Floats, measure: str, n_classes: int) -> float:
    """Mean over the classes of a one-vs-rest measure; NaN if one class has no denominator.

    Parameters
    ----------
    table
        Confusion matrix, index in rows; rows past `n_classes` are readings of no class.
    measure
        "sensitivity", "specificity", "ppv", "npv" or "f1".
    n_classes
        Number of classes to average.
    """
    total = float(table.sum())
    hits = np.diag(table)[:n_classes]
    said, true = table.sum(axis=1)[:n_classes], table.sum(axis=0)[:n_classes]
    rejections = total - said - true + hits
    numerator, denominator = {
        "sensitivity": (hits, true),
        "specificity": (rejections, total - true),
        "ppv": (hits, said),
        "npv": (rejections, total - said),
        "f1": (2.0 * hits, said + true),
    }[measure]
    if np.any(denominator <= 0.0):
        return math.nan
    return float(np.mean(numerator / denominator))


def multiclass_rows(
    per_cluster: Integers, *, n_classes: int, clustered: bool, settings: Settings
) -> Iterator[Row]:
    """Rows for all classes together.

    Parameters
    ----------
    per_cluster
        Confusion matrices, shape (G, K, K); K is `n_classes`, or one more when some readings
        belong to none of the classes.
    n_classes
        Number of classes of the mapping.
    clustered
        Whether the lesions are nested in clusters.
    settings
        Interval, level and seed.
    """
    hits = np.trace(per_cluster, axis1=1, axis2=2)
    yield from proportion_rows(
        "accuracy",
        hits,
        per_cluster.sum(axis=(1, 2)),
        clustered=clustered,
        settings=settings,
    )
    if not per_cluster.any():
        return
    statistics: list[tuple[str, Statistic, float]] = [("kappa", kappa, -1.0)]
    if per_cluster.shape[1] == n_classes:
        statistics += [
            (f"kappa_{kind}", partial(kappa, kind=kind), -1.0) for kind in ("linear", "quadratic")
        ]
    statistics.append(("mcc", multiclass_correlation, -1.0))
    for name in ("sensitivity", "specificity", "ppv", "npv", "f1"):
        macro = partial(macro_average, measure=name, n_classes=n_classes)
        statistics.append((f"macro_{name}", macro, 0.0))
    tables = per_cluster.astype(np.float64)
    for measure, statistic, low in statistics:
        for row in bounded_rows(
            measure, statistic, tables, low=low, clustered=clustered, level=settings.level
        ):
            if not measure.startswith("kappa_"):
                yield row
                continue
            notes = [row.value.note] * bool(row.value.note) + [ORDER]
            yield replace(row, value=replace(row.value, note="; ".join(notes)))
