"""The bootstrap of a fitted model: refits of new outcomes, or of resampled groups.

``parametric``
    Outcomes drawn from the fitted model (`simulate`). Assumes that the model holds.
``residual``
    Outcomes made of the fit's own effects and residuals, rescaled (`simulate`). Assumes the model's
    structure but not the normal distribution.
``cluster``
    The groups of the factor in which all others are nested, drawn with replacement with all their
    rows (`cluster_resamples`). Assumes only that these groups are independent and identically
    distributed; needs enough of them. A resample may lack what a coefficient needs (the only groups
    with a rare category); it is counted as failed, with the reason.

All refits go through the batch (`batch`). Refits that failed or did not converge are left out of
the intervals and counted; singular refits stay, because a variance of zero is a possible estimate.
Intervals are those of `bootstrap_intervals`; the jackknife of BCa refits the model without each
group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats, Places
from qsmstats.errors import UsageError, check_option
from qsmstats.mixed.batch.outcomes import OutcomeDesign, fit_task
from qsmstats.mixed.batch.result import BatchFit
from qsmstats.mixed.fitted import Fitted
from qsmstats.mixed.inference.components import components
from qsmstats.mixed.resampling.bootstrap_intervals import IntervalKind, check_interval
from qsmstats.mixed.resampling.bootstrap_result import Bootstrap
from qsmstats.mixed.resampling.cluster_resamples import (
    Clusters,
    Resampled,
    clusters_of,
    fit_lists,
    left_out,
)
from qsmstats.mixed.resampling.refit import design_of_fit, endings, start_of
from qsmstats.mixed.resampling.simulate import Drawn, check_number, drawn, reused, seed_of
from qsmstats.mixed.resampling.statistic import Statistic, as_numbers, of_clusters, of_outcomes
from qsmstats.parallel import Progress, run_tasks

__all__ = ["BootstrapKind", "bootstrap"]

Numbers = list[dict[str, float]]
Kept = tuple[pd.DataFrame, pd.DataFrame]
Names = tuple[str, ...]
BootstrapKind = Literal["parametric", "cluster", "residual"]

# Groups below which resampling them says nothing useful (few distinct resamples, and the spread
# between groups comes out too small by about 1 / G).
_LEAST_CLUSTERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What a process needs: the design, where its refits come from, and what to work out."""

    design: OutcomeDesign
    start: Floats | None
    source: Drawn | Resampled
    fit: Fitted
    statistic: Statistic | None
    names: Names

    def refits(self, task: tuple[int, int]) -> Kept:
        """Refit the outcomes or resamples numbered from task[0] up to task[1]."""
        if isinstance(self.source, Resampled):
            return self.lists(self.source(task))
        made = self.source(task)
        fits = fit_task((self.design, None, self.start), made)
        if self.statistic is None:
            return _kept(fits)
        return _kept(fits, of_outcomes(self.statistic, self.fit, fits, made), self.names)

    def lists(self, index: Places) -> Kept:
        """Refit lists of groups, shape (m, G)."""
        clusters = clusters_of(self.design)
        fits = fit_lists((self.design, self.fit.response, self.start, clusters), index)
        if self.statistic is None:
            return _kept(fits)
        return _kept(fits, of_clusters(self.statistic, self.fit, clusters, index), self.names)


def _kept(fits: BatchFit, statistics: Numbers | None = None, names: Names = ()) -> Kept:
    """Return what is kept of some refits: their parameters, and how they ended, one row each."""
    parts = [fits.coefficients, fits.variances]
    if statistics is not None:
        parts.append(pd.DataFrame(statistics, columns=list(names), dtype=np.float64))
    ends = {
        "failed": fits.failed,
        "converged": fits.converged,
        "singular": fits.singular,
        "singly": fits.refitted_singly,
        "problem": fits.problems,
    }
    return pd.concat(parts, axis=1), pd.DataFrame(ends)


def _together(pieces: Iterable[Kept]) -> Kept:
    parameters, ends = zip(*pieces, strict=True)
    return pd.concat(parameters, ignore_index=True), pd.concat(ends, ignore_index=True)


def bootstrap(
    fit: Fitted,
    n: int = 1000,
    *,
    kind: BootstrapKind = "parametric",
    seed: int | None = None,
    level: float = 0.95,
    interval: IntervalKind = "percentile",
    statistic: Statistic | None = None,
    strata: str | None = None,
    batch: int = 256,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Bootstrap:
    """Refit a model to outcomes simulated from it, or to resampled groups.

    Parameters
    ----------
    fit
        A fitted mixed model.
    n
        Number of refits.
    kind
        "parametric": outcomes drawn from the model, which is taken to hold. "residual": made of
        its effects and residuals, rescaled; their distribution need not be normal. "cluster":
        whole groups drawn again; assumes only that these are independent, and needs many.
    seed
        Seed of the generators; the same seed gives the same numbers whatever `batch` and `jobs`.
    level, interval
        Coverage and kind ("percentile", "basic", "bca") of ``result.intervals``; other intervals
        of the same refits can be had from the result.
    statistic
        A function of a `MixedFit` that returns a number, several numbers, or a mapping from names
        to numbers; or a mapping from names to such functions. Takes some milliseconds for each
        refit (tens of milliseconds for kind "cluster"); coefficients, variances, marginal means,
        slopes and contrasts do not need it. With `jobs` it must be importable by other processes.
    strata
        For kind "cluster": a column that is constant within groups (the treatment of a tree, say);
        groups are drawn within its levels.
    batch, jobs
        Refits per task, and processes.
    progress
        Called with (refits done, refits in all).

    Returns
    -------
    Bootstrap

    Raises
    ------
    UsageError
        If an option is unknown or out of range, there are too few refits for BCa limits, fewer
        than 10 groups for kind "cluster", or no independent groups where they are needed.
    """
    check_number(n)
    check_interval(interval, level, n)
    check_option("kind", kind, get_args(BootstrapKind))
    if strata is not None and kind != "cluster":
        msg = f"strata={strata!r} is for kind='cluster' only; kind='{kind}' keeps all groups"
        raise UsageError(msg)
    point = {} if statistic is None else as_numbers(statistic, fit)
    design, chosen = design_of_fit(fit), seed_of(seed)
    source: Drawn | Resampled
    if kind == "cluster":
        source = Resampled(strata=_strata(fit, clusters_of(design), strata), seed=chosen)
    else:
        source = drawn(fit, chosen) if kind == "parametric" else reused(fit, chosen)
    work = _Work(
        design=design,
        start=start_of(fit),
        source=source,
        fit=fit,
        statistic=statistic,
        names=tuple(point),
    )
    step = design.batch_size(batch)

    def told(done: int, _: int) -> None:
        if progress is not None:
            progress(min(done * step, n), n)

    tasks = [(at, min(at + step, n)) for at in range(0, n, step)]
    parameters, ends = _together(run_tasks(_Work.refits, work, tasks, jobs=jobs, progress=told))
    jackknife = None
    if interval == "bca":
        index = left_out(clusters_of(design).size)
        lists = np.array_split(index, np.arange(design.small_chunk, len(index), design.small_chunk))
        jackknife = _together(run_tasks(_Work.lists, work, lists, jobs=jobs))[0]
    used, counts = endings(ends)
    return Bootstrap(
        fit=fit,
        kind=kind,
        seed=chosen,
        level=level,
        interval=interval,
        parameters=_estimates(fit, point),
        refits=parameters.loc[used].reset_index(drop=True),
        jackknife=jackknife,
        n=n,
        n_refitted_singly=int(ends["singly"].sum()),
        **counts,
    )


def _estimates(fit: Fitted, point: Mapping[str, float]) -> pd.DataFrame:
    """Return what is resampled: the estimates of the fit and the span of their possible values."""
    whole = (-np.inf, np.inf)
    rows = [
        ("coefficient", name, float(value), *whole)
        for name, value in zip(fit.fixed.names, fit.estimates, strict=True)
    ]
    for one in components(fit):
        span = (-1.0, 1.0) if one.is_correlation else (0.0, np.inf)
        rows.append(("variance", one.label, one.value(fit), *span))
    rows += [("statistic", name, value, *whole) for name, value in point.items()]
    return pd.DataFrame(rows, columns=["parameter", "term", "estimate", "lowest", "highest"])


def _strata(fit: Fitted, clusters: Clusters, column: str | None) -> tuple[Places, ...]:
    if clusters.size < _LEAST_CLUSTERS:
        msg = (
            f"{clusters.size} groups of '{clusters.label}' are too few to resample: intervals "
            f"would be far too short; at least {_LEAST_CLUSTERS} are needed, or kind='parametric'"
        )
        raise UsageError(msg)
    if column is None:
        return (np.arange(clusters.size),)
    if column not in fit.frame.data:
        msg = f"strata='{column}': the model uses no such column; name one that it uses"
        raise UsageError(msg)
    level = pd.factorize(fit.frame.data[column])[0]
    first = level[np.unique(clusters.codes, return_index=True)[1]]
    if not np.array_equal(first[clusters.codes], level):
        msg = f"strata='{column}' varies within a group of '{clusters.label}'; give a constant one"
        raise UsageError(msg)
    return tuple(np.flatnonzero(first == one) for one in range(first.max() + 1))
