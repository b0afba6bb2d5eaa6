"""Measures of one class against the rest that are proportions, or bounded like one.

From TP, FP, FN, TN: sensitivity TP/(TP+FN), specificity TN/(TN+FP), PPV TP/(TP+FP), NPV
TN/(TN+FN), accuracy, prevalence; F1 = 2TP/(2TP+FP+FN); Matthews' correlation; Cohen's kappa of
index and reference.

- Proportions have the intervals of `proportions`.
- F1 = 2J/(1+J) with J = TP/(TP+FP+FN), a proportion; its limits are carried over.
- Matthews' correlation and kappa: delta method on the atanh scale for independent lesions;
  with clusters the cluster jackknife, refused below 10 clusters.

References
----------
Gorodkin J (2004) Comput Biol Chem 28:367-374 (R_K).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from qsmstats.accuracy.coefficients import cohen_kappa
from qsmstats.accuracy.combined import combined_rows
from qsmstats.accuracy.pairing import TwoByTwo
from qsmstats.accuracy.proportions import clustered_estimates, independent_estimate
from qsmstats.accuracy.rows import Row, Settings, bounded_rows, empty_row
from qsmstats.arrays import Floats, Integers

__all__ = ["kappa", "measure_rows", "multiclass_correlation", "proportion_rows"]


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
