"""Measures that combine sensitivity and specificity, with limits recovered from both.

LR+ = sens/(1-spec), LR- = (1-sens)/spec, DOR = TP TN/(FP FN), Youden = sens + spec - 1,
balanced accuracy = (sens + spec)/2, and at a given prevalence w
PPV = w LR+/(w LR+ + 1 - w), NPV = (1 - w)/(1 - w + w LR-) (Mercaldo et al. 2007 for the problem).

- LR: Koopman's score; clustered, MOVER-R from the Rao-Scott Wilson t limits of both parts.
- PPV and NPV inherit the limits of the LR, of which they are monotone functions.
- Youden and balanced accuracy: MOVER, from the independent or from the Rao-Scott limits.
- DOR: Woolf; with a zero cell 1/2 is added to each cell and the row says so. Clustered: the
  counts of either reference group are divided by its design effect (at least 1), with t.

MOVER from both parts takes sensitivity and specificity as uncorrelated between clusters.

References
----------
Donner A, Zou GY (2012) Stat Methods Med Res 21:347-359.
Mercaldo ND, Lau KF, Zhou XH (2007) Stat Med 26:2170-2183.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from qsmstats.accuracy.clustered import ClusteredCounts, clustered_counts, rao_scott_interval
from qsmstats.accuracy.intervals import Limits, critical_value, mover_sum, proportion_interval
from qsmstats.accuracy.pairing import TwoByTwo
from qsmstats.accuracy.proportions import (
    BOUND,
    INDEPENDENT,
    RECOMMENDED,
    SMALL_NUMBER_OF_CLUSTERS,
    Estimate,
)
from qsmstats.accuracy.ratios import mover_ratio, odds_ratio_interval, ratio_interval
from qsmstats.accuracy.rows import Row, Settings, empty_row
from qsmstats.errors import NotIdentifiedError

__all__ = ["combined_rows"]

MEASURES = ("youden", "balanced_accuracy", "lr_positive", "lr_negative", "dor")

Derived = dict[str, tuple[float, Limits, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """Sensitivity and specificity with one kind of limits."""

    sensitivity: float
    specificity: float
    sensitivity_limits: Limits
    specificity_limits: Limits
    method: str
    role: str


def _role(counts: tuple[ClusteredCounts, ClusteredCounts]) -> str:
    few = min(part.n_clusters for part in counts) < SMALL_NUMBER_OF_CLUSTERS
    return BOUND if few else RECOMMENDED


def _independent_parts(table: TwoByTwo, settings: Settings) -> _Parts:
    tp, fp, fn, tn = table.totals
    method, level = settings.interval, settings.level
    return _Parts(
        sensitivity=tp / (tp + fn),
        specificity=tn / (tn + fp),
        sensitivity_limits=proportion_interval(tp, tp + fn, method=method, level=level),
        specificity_limits=proportion_interval(tn, tn + fp, method=method, level=level),
        method=f"mover_{method}",
        role=INDEPENDENT,
    )


def _clustered_parts(counts: tuple[ClusteredCounts, ClusteredCounts], level: float) -> _Parts:
    sensitivity, specificity = counts
    return _Parts(
        sensitivity=sensitivity.proportion,
        specificity=specificity.proportion,
        sensitivity_limits=rao_scott_interval(sensitivity, level=level),
        specificity_limits=rao_scott_interval(specificity, level=level),
        method="mover_rao_scott_wilson_t",
        role=_role(counts),
    )


def _sums(parts: _Parts) -> Derived:
    se, sp = parts.sensitivity, parts.specificity
    both = [parts.sensitivity_limits, parts.specificity_limits]
    low, high = mover_sum([se, sp], both, [1.0, 1.0])
    low, high = max(low, 0.0), min(high, 2.0)
    return {
        "youden": (se + sp - 1.0, (low - 1.0, high - 1.0), parts.method),
        "balanced_accuracy": ((se + sp) / 2.0, (low / 2.0, high / 2.0), parts.method),
    }


def _quotient(a: float, b: float) -> float:
    if b > 0.0:
        return a / b
    return math.inf if a > 0.0 else math.nan


def _mover_ratios(parts: _Parts) -> Derived:
    se, sp = parts.sensitivity, parts.specificity
    hits, rejections = parts.sensitivity_limits, parts.specificity_limits
    misses, alarms = ((1.0 - high, 1.0 - low) for low, high in (hits, rejections))
    positive = mover_ratio(se, hits, 1.0 - sp, alarms)
    negative = mover_ratio(1.0 - se, misses, sp, rejections)
    return {
        "lr_positive": (_quotient(se, 1.0 - sp), positive, parts.method),
        "lr_negative": (_quotient(1.0 - se, sp), negative, parts.method),
    }


def _score_ratios(table: TwoByTwo, level: float) -> Derived:
    tp, fp, fn, tn = table.totals
    diseased, healthy = tp + fn, fp + tn
    positive = ratio_interval(tp, diseased, fp, healthy, level=level)
    negative = ratio_interval(fn, diseased, tn, healthy, level=level)
    return {
        "lr_positive": (_quotient(tp * healthy, fp * diseased), positive, "koopman"),
        "lr_negative": (_quotient(fn * healthy, tn * diseased), negative, "koopman"),
    }


def _derived_rows(derived: Derived, role: str) -> Iterator[Row]:
    for measure, (estimate, (low, high), method) in derived.items():
        note = "" if math.isfinite(estimate) else "a zero count: the ratio is not finite"
        value = Estimate(
            estimate=estimate, conf_low=low, conf_high=high, method=method, role=role, note=note
        )
        yield Row(measure=measure, value=value)


def _ppv(ratio: float, prevalence: float) -> float:
    if math.isinf(ratio):
        return 1.0
    return prevalence * ratio / (prevalence * ratio + 1.0 - prevalence)


def _npv(ratio: float, prevalence: float) -> float:
    return (1.0 - prevalence) / (1.0 - prevalence + prevalence * ratio)


def _predictive_rows(derived: Derived, role: str, prevalences: tuple[float, ...]) -> Iterator[Row]:
    for measure, source, value_at in (("ppv", "lr_positive", _ppv), ("npv", "lr_negative", _npv)):
        ratio, limits, method = derived[source]
        for prevalence in prevalences:
            ends = sorted(value_at(limit, prevalence) for limit in limits)
            value = Estimate(
                estimate=value_at(ratio, prevalence),
                conf_low=ends[0],
                conf_high=ends[1],
                method=f"{method}_of_{source}",
                role=role,
                note="at the given prevalence",
            )
            yield Row(measure=measure, value=value, prevalence=prevalence)


def _odds_row(
    table: TwoByTwo, counts: tuple[ClusteredCounts, ClusteredCounts] | None, level: float
) -> Row:
    estimate, (low, high), corrected = odds_ratio_interval(*table.totals, level=level)
    method, role = "haldane_woolf" if corrected else "woolf", INDEPENDENT
    if counts is not None:
        sensitivity, specificity = (part.floored_design_effect for part in counts)
        tp, fp, fn, tn = (cell + 0.5 * corrected for cell in table.totals)
        variance = sensitivity * (1.0 / tp + 1.0 / fn) + specificity * (1.0 / fp + 1.0 / tn)
        df = min(part.n_clusters for part in counts) - 1
        half = critical_value(level, df) * math.sqrt(variance)
        low, high = estimate * math.exp(-half), estimate * math.exp(half)
        method, role = f"rao_scott_{method}_t", _role(counts)
    value = Estimate(
        estimate=estimate,
        conf_low=low,
        conf_high=high,
        method=method,
        role=role,
        note="a zero cell: 1/2 added to each cell (Haldane)" if corrected else "",
    )
    return Row(measure="dor", value=value)


def _clustered_rows(table: TwoByTwo, settings: Settings) -> Iterator[Row]:
    counts = (
        clustered_counts(table.tp, table.tp + table.fn),
        clustered_counts(table.tn, table.tn + table.fp),
    )
    try:
        parts = _clustered_parts(counts, settings.level)
    except NotIdentifiedError as refusal:
        yield from (empty_row(measure, str(refusal)) for measure in MEASURES)
        return
    derived = _sums(parts) | _mover_ratios(parts)
    yield from _derived_rows(derived, parts.role)
    yield from _predictive_rows(derived, parts.role, settings.prevalences)
    yield _odds_row(table, counts, settings.level)


def combined_rows(table: TwoByTwo, settings: Settings) -> Iterator[Row]:
    """Rows of the measures that combine sensitivity and specificity.

    Parameters
    ----------
    table
        Counts of the class, per cluster.
    settings
        Interval, level, prevalences and seed.
    """
    tp, fp, fn, tn = table.totals
    if tp + fn == 0 or fp + tn == 0:
        absent = "with" if tp + fn == 0 else "without"
        note = f"not estimable: no lesion {absent} this reference class"
        yield from (empty_row(measure, note) for measure in MEASURES)
        return
    parts = _independent_parts(table, settings)
    derived = _sums(parts) | _score_ratios(table, settings.level)
    yield from _derived_rows(derived, parts.role)
    yield from _predictive_rows(derived, parts.role, settings.prevalences)
    yield _odds_row(table, None, settings.level)
    if table.clustered:
        yield from _clustered_rows(table, settings)
