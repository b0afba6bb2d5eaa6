"""Measures of the whole confusion matrix: accuracy, kappas, R_K, macro averages.

Rows are the index test, columns the reference standard. Weighted kappas use the weights of
`coefficients` in the order of the mapping, and are meaningful only if that order is; they are
left out when some readings belong to none of the classes, which has no rank. Macro averages are
plain means over the classes of the mapping (Grandini et al. 2020).

References
----------
Gorodkin J (2004) Comput Biol Chem 28:367-374.
Grandini M, Bagli E, Visani G (2020) arXiv:2008.05756.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from qsmstats.accuracy.delta import Statistic
from qsmstats.accuracy.measures import kappa, multiclass_correlation, proportion_rows
from qsmstats.accuracy.rows import Row, Settings, bounded_rows
from qsmstats.arrays import Floats, Integers

__all__ = ["macro_average", "multiclass_rows"]

ORDER = "weights follow the order of the mapping"


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
