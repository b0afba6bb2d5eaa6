"""Measures that combine sensitivity and specificity, with MOVER limits.

LR+ = sens/(1-spec), LR- = (1-sens)/spec, DOR = TP TN/(FP FN), Youden = sens + spec - 1,
balanced accuracy = (sens + spec)/2, and at a given prevalence w
PPV = w LR+/(w LR+ + 1 - w), NPV = (1 - w)/(1 - w + w LR-) (Mercaldo et al. 2007 for the problem).

- LR: Koopman's score; clustered, MOVER-R from the Rao-Scott Wilson t limits of both parts.
- PPV and NPV inherit the limits of the LR, of which they are monotone functions.
- Youden and balanced accuracy: MOVER, from the independent or from the Rao-Scott limits.
- DOR: Woolf; with a zero cell 1/2 is added to each cell and the note says so. Clustered: the
  counts of either reference group are divided by its design effect (at least 1), with t.

MOVER from both parts treats sensitivity and specificity as uncorrelated between clusters.

References
----------
Donner A, Zou GY (2012) Stat Methods Med Res 21:347-359.
Mercaldo ND, Lau KF, Zhou XH (2007) Stat Med 26:2170-2183.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

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

Part = tuple[float, Limits]


def _quotient(a: float, b: float) -> float:
    if b > 0.0:
        return a / b
    return math.inf if a > 0.0 else math.nan


def _predictive_value(measure: str, ratio: float, prevalence: float) -> float:
    """PPV at a value of LR+, or NPV at one of LR-."""
    if measure == "npv":
        return (1.0 - prevalence) / (1.0 - prevalence + prevalence * ratio)
    if math.isinf(ratio):
        return 1.0
    return prevalence * ratio / (prevalence * ratio + 1.0 - prevalence)


def _rows(
    parts: list[Part],
    ratios: list[Part],
    methods: tuple[str, str],
    role: str,
    prevalences: tuple[float, ...],
) -> Iterator[Row]:
    """Rows of all measures but the odds ratio.

    `parts` are sensitivity and specificity, `ratios` LR+ and LR-, each with its limits;
    `methods` names the limits of sums and those of ratios.
    """
    (se, hits), (sp, rejections) = parts
    sums, quotients = methods
    low, high = mover_sum([se, sp], [hits, rejections])
    low, high = max(low, 0.0), min(high, 2.0)
    youden = Estimate(se + sp - 1.0, low - 1.0, high - 1.0, sums, role)
    yield Row(measure="youden", value=youden)
    balanced = Estimate((se + sp) / 2.0, low / 2.0, high / 2.0, sums, role)
    yield Row(measure="balanced_accuracy", value=balanced)
    names = ("lr_positive", "lr_negative")
    for name, (ratio, limits) in zip(names, ratios, strict=True):
        note = "" if math.isfinite(ratio) else "a zero count: the ratio is not finite"
        yield Row(measure=name, value=Estimate(ratio, *limits, quotients, role, note))
    for measure, name, (ratio, limits) in zip(("ppv", "npv"), names, ratios, strict=True):
        for prevalence in prevalences:
            estimate = _predictive_value(measure, ratio, prevalence)
            low, high = sorted(_predictive_value(measure, limit, prevalence) for limit in limits)
            method, note = f"{quotients}_of_{name}", "at the given prevalence"
            value = Estimate(estimate, low, high, method, role, note)
            yield Row(measure=measure, value=value, prevalence=prevalence)


def _odds_row(
    table: TwoByTwo, counts: tuple[ClusteredCounts, ClusteredCounts] | None, level: float
) -> Row:
    estimate, limits, corrected = odds_ratio_interval(*table.totals, level=level)
    method, role = "haldane_woolf" if corrected else "woolf", INDEPENDENT
    if counts is not None:
        sensitivity, specificity = (part.floored_design_effect for part in counts)
        tp, fp, fn, tn = (cell + 0.5 * corrected for cell in table.totals)
        variance = sensitivity * (1.0 / tp + 1.0 / fn) + specificity * (1.0 / fp + 1.0 / tn)
        df = min(part.n_clusters for part in counts) - 1
        half = critical_value(level, df) * math.sqrt(variance)
        limits = estimate * math.exp(-half), estimate * math.exp(half)
        method, role = f"rao_scott_{method}_t", _role(counts)
    note = "a zero cell: 1/2 added to each cell (Haldane)" if corrected else ""
    return Row(measure="dor", value=Estimate(estimate, *limits, method, role, note))


def _role(counts: tuple[ClusteredCounts, ClusteredCounts]) -> str:
    few = min(part.n_clusters for part in counts) < SMALL_NUMBER_OF_CLUSTERS
    return BOUND if few else RECOMMENDED


def _clustered_rows(table: TwoByTwo, settings: Settings) -> Iterator[Row]:
    counts = (
        clustered_counts(table.tp, table.tp + table.fn),
        clustered_counts(table.tn, table.tn + table.fp),
    )
    try:
        limits = [rao_scott_interval(part, level=settings.level) for part in counts]
    except NotIdentifiedError as refusal:
        yield from (empty_row(measure, str(refusal)) for measure in MEASURES)
        return
    se, sp = (part.proportion for part in counts)
    hits, rejections = limits
    misses, alarms = ((1.0 - high, 1.0 - low) for low, high in limits)
    ratios = [
        (_quotient(se, 1.0 - sp), mover_ratio(se, hits, 1.0 - sp, alarms)),
        (_quotient(1.0 - se, sp), mover_ratio(1.0 - se, misses, sp, rejections)),
    ]
    method, role = "mover_rao_scott_wilson_t", _role(counts)
    parts = [(se, hits), (sp, rejections)]
    yield from _rows(parts, ratios, (method, method), role, settings.prevalences)
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
    diseased, healthy = tp + fn, fp + tn
    if diseased == 0 or healthy == 0:
        absent = "with" if diseased == 0 else "without"
        note = f"not estimable: no lesion {absent} this reference class"
        yield from (empty_row(measure, note) for measure in MEASURES)
        return
    method, level = settings.interval, settings.level
    parts = [
        (x / n, proportion_interval(x, n, method=method, level=level))
        for x, n in ((tp, diseased), (tn, healthy))
    ]
    ratios = [
        (_quotient(x1 * n2, x2 * n1), ratio_interval(x1, n1, x2, n2, level=level))
        for x1, n1, x2, n2 in ((tp, diseased, fp, healthy), (fn, diseased, tn, healthy))
    ]
    methods = (f"mover_{method}", "koopman")
    yield from _rows(parts, ratios, methods, INDEPENDENT, settings.prevalences)
    yield _odds_row(table, None, level)
    if table.clustered:
        yield from _clustered_rows(table, settings)
