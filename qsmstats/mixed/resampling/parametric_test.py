r"""Parametric-bootstrap likelihood-ratio test of nested models.

Outcomes are drawn from the smaller model as it was fitted; both models are refitted to each, and

.. math:: p = \frac{1 + \#\{t^* \ge t\}}{n + 1}, \qquad t = 2(\ell_1 - \ell_0)

(Davison & Hinkley 1997, section 4.4). It needs no asymptotic distribution, neither chi-squared for
fixed effects in small samples nor a mixture for variances at zero (`likelihood_ratio`), whose
p-value is given beside it. Its own error from a finite number of outcomes is given as Clopper and
Pearson's interval for the share of :math:`t^* \ge t`. Where the fixed parts differ both models are
fitted by ML.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.arrays import Floats
from qsmstats.display import Displayed
from qsmstats.mixed.batch.outcomes import OutcomeDesign, fit_task
from qsmstats.mixed.fitted import Fitted
from qsmstats.mixed.inference.likelihood_ratio import likelihood_ratio, nested_pair
from qsmstats.mixed.resampling.refit import design_of_fit, endings, start_of
from qsmstats.mixed.resampling.simulate import Drawn, check_number, drawn, seed_of
from qsmstats.parallel import Progress, run_tasks

__all__ = ["BootstrapTest", "bootstrap_test"]

# A design, and theta to start its refits from.
Model = tuple[OutcomeDesign, Floats | None]

# Criteria are found to about 1e-8; a difference below that is none.
_NOISE = 1e-7
# Coverage of the interval for the Monte-Carlo error.
_COVERAGE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapTest(Displayed):
    """A bootstrap likelihood-ratio test.

    Attributes
    ----------
    table
        As `MixedFit.likelihood_ratio`, and in the second row p_bootstrap, with p_low and p_high
        (its Monte-Carlo interval, 95 %) and n_refits.
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

    @classmethod
    def of(cls, table: pd.DataFrame, refits: pd.DataFrame, *, seed: int, n: int) -> BootstrapTest:
        """Put the result together.

        Parameters
        ----------
        table
            The likelihood-ratio test of the two fits.
        refits
            One row for each outcome: statistic, failed, converged, singular, problem.
        seed, n
            As the attributes.
        """
        used, counts = endings(refits)
        statistics = refits.loc[used, "statistic"].to_numpy()
        left = len(statistics)
        above = int((statistics >= float(table["statistic"].iloc[1]) - _NOISE).sum())
        tail = (1.0 - _COVERAGE) / 2.0
        low = float(stats.beta.ppf(tail, above, left - above + 1)) if above else 0.0
        high = float(stats.beta.ppf(1.0 - tail, above + 1, left - above)) if above < left else 1.0
        table = table.assign(
            p_bootstrap=[np.nan, (1.0 + above) / (left + 1.0)],
            p_low=[np.nan, low],
            p_high=[np.nan, high],
            n_refits=[np.nan, left],
        )
        return cls(table=table, statistics=statistics, seed=seed, n=n, **counts)


def _refit_both(shared: tuple[Drawn, Sequence[Model]], task: tuple[int, int]) -> pd.DataFrame:
    """Refit both models to some outcomes: the statistic of each, and how the fits ended."""
    source, models = shared
    outcomes = source(task)
    small, large = (fit_task((design, None, start), outcomes) for design, start in models)
    fall = small.criterion - large.criterion
    problems = zip(small.problems, large.problems, strict=True)
    return pd.DataFrame(
        {
            "statistic": np.where(fall > _NOISE, fall, 0.0),
            "failed": small.failed | large.failed,
            "converged": small.converged & large.converged,
            "singular": large.singular,
            "problem": [first or second for first, second in problems],
        }
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
        As `MixedFit.likelihood_ratio`, or if `n` is less than 1.
    """
    check_number(n)
    small, large = nested_pair(fit, other)
    source = drawn(small, seed_of(seed))
    models = [(design_of_fit(one), start_of(one)) for one in (small, large)]
    # Chunks of the two designs may differ in size; a task holds whole chunks of both.
    both = math.lcm(*(design.chunk for design, _ in models))
    step = both * max(1, batch // both)
    tasks = [(at, min(at + step, n)) for at in range(0, n, step)]
    refits = pd.concat(
        run_tasks(_refit_both, (source, models), tasks, jobs=jobs, progress=progress),
        ignore_index=True,
    )
    return BootstrapTest.of(likelihood_ratio(small, large), refits, seed=source.seed, n=n)
