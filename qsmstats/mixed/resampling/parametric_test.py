r"""Parametric-bootstrap likelihood-ratio test of nested models.

Outcomes are drawn from the smaller model as it was fitted; both models are refitted to each, and

.. math:: p = \frac{1 + \#\{t^* \ge t\}}{n + 1}, \qquad t = 2(\ell_1 - \ell_0)

(Davison & Hinkley 1997, section 4.4). It needs no asymptotic distribution, neither chi-squared for
fixed effects in small samples nor a mixture for variances at zero (`compare`), whose p-value stands
beside it. Its own error from a finite number of outcomes is given as Clopper and Pearson's interval
for the share of :math:`t^* \ge t`. Where the fixed parts differ both models are fitted by ML.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.arrays import Flags, Floats
from qsmstats.mixed.batch.chunk import fit_task
from qsmstats.mixed.batch.outcomes import OutcomeDesign
from qsmstats.mixed.fitted import Fitted
from qsmstats.mixed.inference.likelihood_ratio import likelihood_ratio, nested_pair
from qsmstats.mixed.resampling.refit import design_of_fit, start_of
from qsmstats.mixed.resampling.simulate import Drawn, check_number, drawn, seed_of
from qsmstats.parallel import Progress, run_tasks

__all__ = ["BootstrapTest", "bootstrap_test"]


# Criteria are found to about 1e-8; a difference below that is none.
_NOISE = 1e-7
# Coverage of the interval for the Monte-Carlo error.
_COVERAGE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapTest:
    """A bootstrap likelihood-ratio test.

    Attributes
    ----------
    table
        As `compare.likelihood_ratio`, and in the second row p_bootstrap, with p_low and p_high (its
        Monte-Carlo interval, 95 %) and n_refits.
    statistics
        Statistic of each outcome under the smaller model, shape (n_refits,).
    seed
        Seed of the outcomes.
    n, n_failed, n_unconverged, n_singular
        Outcomes asked for; those that one of the models could not be fitted to or did not converge
        on (left out of the p-value); and those with a singular larger model (used).
    problems
        Why fits failed -> how many.
    """

    table: pd.DataFrame
    statistics: Floats
    seed: int
    n: int
    n_failed: int
    n_unconverged: int
    n_singular: int
    problems: Mapping[str, int]

    @property
    def p_value(self) -> float:
        """The bootstrap p-value."""
        return float(self.table["p_bootstrap"].iloc[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Both models on their rows, and where outcomes come from."""

    designs: tuple[OutcomeDesign, OutcomeDesign]
    starts: tuple[Floats | None, Floats | None]
    source: Drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refits:
    """What is kept of the refits of both models, shapes (m,)."""

    statistic: Floats
    failed: Flags
    converged: Flags
    singular: Flags
    problems: tuple[str, ...]


def _refit_both(pair: _Pair, task: tuple[int, int]) -> _Refits:
    outcomes = pair.source(task)
    small, large = (
        fit_task((design, None, start), outcomes)
        for design, start in zip(pair.designs, pair.starts, strict=True)
    )
    fall = small.criterion - large.criterion
    return _Refits(
        statistic=np.where(fall > _NOISE, fall, 0.0),
        failed=small.failed | large.failed,
        converged=small.converged & large.converged,
        singular=large.singular,
        problems=tuple(a or b for a, b in zip(small.problems, large.problems, strict=True)),
    )


def bootstrap_test(
    fit: Fitted,
    other: Fitted,
    n: int = 1000,
    *,
    seed: int | None = None,
    batch: int = 256,
    jobs: int = 1,
    progress: Progress | None = None,
) -> BootstrapTest:
    """Test two nested fits against each other by outcomes simulated from the smaller one.

    Parameters
    ----------
    fit, other
        Fits of the same rows and outcome, in either order.
    n
        Number of outcomes.
    seed
        Seed of the generators; neither `batch` nor `jobs` alters the numbers.
    batch, jobs
        Outcomes per task, and processes.
    progress
        Called with (tasks done, tasks in all).

    Raises
    ------
    UsageError
        As `compare.likelihood_ratio`, or if `n` is less than 1.
    """
    check_number(n, "outcomes")
    small, large = nested_pair(fit, other)
    source = drawn(small, seed_of(seed))
    pair = _Pair(
        designs=(design_of_fit(small), design_of_fit(large)),
        starts=(start_of(small), start_of(large)),
        source=source,
    )
    # Chunks of the two designs may differ in size; a task holds whole chunks of both.
    both = math.lcm(*(design.chunk for design in pair.designs))
    step = both * max(1, batch // both)
    tasks = [(at, min(at + step, n)) for at in range(0, n, step)]
    pieces = list(run_tasks(_refit_both, pair, tasks, jobs=jobs, progress=progress))
    statistic, failed, converged, singular = (
        np.concatenate([getattr(piece, name) for piece in pieces])
        for name in ("statistic", "failed", "converged", "singular")
    )
    used = ~failed & converged
    return BootstrapTest(
        table=_table(likelihood_ratio(small, large), statistic[used]),
        statistics=statistic[used],
        seed=source.seed,
        n=n,
        n_failed=int(failed.sum()),
        n_unconverged=int((~failed & ~converged).sum()),
        n_singular=int((used & singular).sum()),
        problems=dict(Counter(one for piece in pieces for one in piece.problems if one)),
    )


def _table(table: pd.DataFrame, simulated: Floats) -> pd.DataFrame:
    observed, n = float(table["statistic"].iloc[1]), len(simulated)
    above = int((simulated >= observed - _NOISE).sum())
    tail = (1.0 - _COVERAGE) / 2.0
    low = float(stats.beta.ppf(tail, above, n - above + 1)) if above else 0.0
    high = float(stats.beta.ppf(1.0 - tail, above + 1, n - above)) if above < n else 1.0
    return table.assign(
        p_bootstrap=[np.nan, (1.0 + above) / (n + 1.0)],
        p_low=[np.nan, low],
        p_high=[np.nan, high],
        n_refits=[np.nan, n],
    )
