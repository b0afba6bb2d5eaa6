"""Rows of the accuracy frame: one estimate of one measure with the counts behind it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qsmstats.accuracy.delta import Statistic, delta_interval, jackknife_interval
from qsmstats.accuracy.proportions import (
    INDEPENDENT,
    RECOMMENDED,
    REFUSED,
    Estimate,
    refuse_few_clusters,
)
from qsmstats.errors import NotIdentifiedError

__all__ = ["Row", "Settings", "bounded_rows", "empty_row"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What all intervals of one analysis share."""

    interval: str
    level: float
    prevalences: tuple[float, ...]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One estimate of one measure, with the counts behind it."""

    measure: str
    value: Estimate
    numerator: int | None = None
    denominator: int | None = None
    prevalence: float = math.nan


def empty_row(measure: str, note: str) -> Row:
    """Row of a measure that these lesions cannot answer, with the reason."""
    value = Estimate(
        estimate=math.nan,
        conf_low=math.nan,
        conf_high=math.nan,
        method="none",
        role=REFUSED,
        note=note,
    )
    return Row(measure=measure, value=value, numerator=0, denominator=0)


def bounded_rows(
    measure: str,
    statistic: Statistic,
    per_cluster: Floats,
    *,
    low: float,
    clustered: bool,
    level: float,
) -> Iterator[Row]:
    """Rows of a statistic of a confusion matrix, bounded by `low` and 1.

    Parameters
    ----------
    measure, statistic, low
        Name, function of the table and its lower bound (-1 or 0).
    per_cluster
        Tables of counts, first axis the cluster.
    clustered
        Whether a clustered interval is wanted beside the independent one.
    level
        Confidence level.
    """
    estimate, limits, note = delta_interval(
        statistic, per_cluster.sum(axis=0), low=low, level=level
    )
    found = [(limits, "delta", INDEPENDENT, note)]
    if clustered:
        try:
            refuse_few_clusters(per_cluster.shape[0], "cluster jackknife")
            _, wide, why = jackknife_interval(statistic, per_cluster, low=low, level=level)
            found.append((wide, "cluster_jackknife_t", RECOMMENDED, why))
        except NotIdentifiedError as refusal:
            nothing = (math.nan, math.nan)
            found.append((nothing, "cluster_jackknife_t", REFUSED, str(refusal)))
    for (a, b), method, role, why in found:
        value = Estimate(
            estimate=estimate, conf_low=a, conf_high=b, method=method, role=role, note=why
        )
        yield Row(measure=measure, value=value)
