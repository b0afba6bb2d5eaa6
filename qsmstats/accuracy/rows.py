"""Rows of the accuracy frame: one estimate of one measure with the counts behind it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from qsmstats.accuracy.delta import Statistic, delta_interval, jackknife_interval
from qsmstats.accuracy.intervals import Limits
from qsmstats.accuracy.proportions import (
    INDEPENDENT,
    RECOMMENDED,
    Estimate,
    refuse_few_clusters,
    refused_estimate,
)
from qsmstats.arrays import Floats
from qsmstats.errors import NotIdentifiedError

__all__ = ["Row", "Settings", "bounded_rows", "empty_row"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What all intervals of one analysis share."""

    interval: str
    level: float
    prevalences: tuple[float, ...]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One estimate of one measure, with the counts behind it.

    `n_clusters` is the number of clusters with a lesion in the denominator, where that may
    differ from the number in the table.
    """

    measure: str
    value: Estimate
    numerator: int | None = None
    denominator: int | None = None
    prevalence: float = math.nan
    n_clusters: int | None = None


def empty_row(measure: str, note: str) -> Row:
    """Row of a measure that cannot be estimated, with the reason."""
    value = refused_estimate(math.nan, "none", note)
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
    yield Row(measure=measure, value=_estimate(estimate, limits, "delta", INDEPENDENT, note))
    if not clustered:
        return
    method = "cluster_jackknife_t"
    try:
        refuse_few_clusters(per_cluster.shape[0], "cluster jackknife")
    except NotIdentifiedError as refusal:
        yield Row(measure=measure, value=refused_estimate(estimate, method, str(refusal)))
        return
    _, limits, note = jackknife_interval(statistic, per_cluster, low=low, level=level)
    yield Row(measure=measure, value=_estimate(estimate, limits, method, RECOMMENDED, note))


def _estimate(estimate: float, limits: Limits, method: str, role: str, note: str) -> Estimate:
    if math.isnan(limits[0]):
        return refused_estimate(estimate, method, note)
    return Estimate(estimate, *limits, method, role, note)
