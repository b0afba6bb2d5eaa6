r"""Residuals by simulation: where each outcome lies among outcomes simulated from the model.

With B outcomes simulated for every row, the residual of row i is

.. math:: u_i = (r_i + v_i) / (B + 1), \quad v_i \sim U(0, 1),

:math:`r_i` the number of simulated values below the observed one, ties broken at random: a
randomised quantile residual (Dunn & Smyth 1996, J Comput Graph Stat 5:236-244) with the simulated
distribution function, as in the R package DHARMa. If the model holds it is uniform on (0, 1),
whatever the family, up to the estimation of the parameters.

*Tests.* Rows that share random effects are dependent, so that tests for independent rows reject too
often. Each simulated outcome is therefore ranked among the others just as the observed one; the
p-value of a statistic T is

.. math:: p = \frac{1 + \#\{b : T_b \ge T\}}{B + 1}

(a Monte Carlo test; Besag & Diggle 1977, Appl Stat 26:327-333), doubled for the smaller side where
both sides count. It is somewhat conservative, as the parameters were estimated from the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats, Integers
from qsmstats.display import Displayed
from qsmstats.errors import UsageError

__all__ = ["SimulatedResiduals", "ranked"]

# Fewer say nothing of the tails.
_LEAST = 19
_ROWS = 500
"""Rows that are ranked at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedResiduals(Displayed):
    """Residuals by simulation, and tests of them.

    Attributes
    ----------
    residuals
        Between 0 and 1, indexed by the position of the row in the data given to the fit.
    tests
        check, statistic, expected (its mean over the simulated outcomes), p_value, where check is
        "uniformity" (Kolmogorov-Smirnov distance of the residuals from a uniform distribution;
        large ones count), "dispersion" (variance of the outcome about the simulated means, over its
        expectation; both sides count) or "outliers" (rows that are the lowest or highest among
        their simulated values, ties at random; many count).
    n, seed
        Simulated outcomes, and the seed they and the ties were drawn with.
    """

    residuals: pd.Series
    tests: pd.DataFrame
    n: int
    seed: int

    @classmethod
    def of(
        cls, observed: Floats, simulated: Floats, index: pd.Index, *, seed: int
    ) -> SimulatedResiduals:
        """Compare an outcome with simulated ones.

        Parameters
        ----------
        observed
            Outcome, shape (n,).
        simulated
            Outcomes simulated from the model, shape (n, B).
        index
            Of the residuals.
        seed
            Seed of the random numbers that break ties.

        Raises
        ------
        UsageError
            If B is less than 19.
        """
        number = simulated.shape[1]
        if number < _LEAST:
            raise UsageError(
                f"n={number} simulated outcomes are too few for residuals; use at least {_LEAST} "
                "(250 or more are usual)"
            )
        every = np.column_stack([observed, simulated]).astype(np.float64, copy=False)
        tests = ranked(every, seed=seed)
        return cls(
            residuals=pd.Series(every[:, 0], index=index, name="simulated_residual"),
            tests=tests,
            n=number,
            seed=seed,
        )


def ranked(every: Floats, *, seed: int) -> pd.DataFrame:
    """Test the first of some outcomes among all of them, and put residuals in their place.

    Parameters
    ----------
    every
        Observed outcome and simulated ones, shape (n, B + 1); overwritten by the residuals of each,
        as the outcomes of a large study fill the memory already.
    seed
        As for `SimulatedResiduals.of`.

    Returns
    -------
    DataFrame
        `tests` of `SimulatedResiduals`.
    """
    rows, number = every.shape
    # Two places of one stream: first what breaks ties, then what smooths the ranks.
    ties, smooth = np.random.PCG64(seed), np.random.PCG64(seed).advance(every.size)
    spread, outside = np.zeros(number), np.zeros(number, dtype=np.int64)
    for start in range(0, rows, _ROWS):
        block = every[start : start + _ROWS]
        # About the mean of the other outcomes of the row.
        away = (block - block.mean(axis=1, keepdims=True)) * (number / (number - 1.0))
        spread += np.square(away).sum(axis=0)
        ranks = _ranks(block, np.random.Generator(ties).random(block.shape))
        outside += ((ranks == 0) | (ranks == number - 1)).sum(axis=0)
        block[:] = (ranks + np.random.Generator(smooth).random(block.shape)) / number
    spread /= spread[1:].mean()
    steps = np.arange(rows + 1.0) / rows
    distance = np.empty(number)
    for place in range(number):
        ordered = np.sort(every[:, place])
        distance[place] = max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max())
    return pd.DataFrame(
        [
            {"check": name, "statistic": values[0], "expected": values[1:].mean(), "p_value": p}
            for name, values, p in (
                ("uniformity", distance, _upper(distance)),
                ("dispersion", spread, min(1.0, 2.0 * min(_upper(spread), _upper(-spread)))),
                ("outliers", outside, _upper(outside)),
            )
        ]
    )


def _upper(values: Floats | Integers) -> float:
    """Share of all values, the first one among them, that reach the first one."""
    return float((values >= values[0]).mean())


def _ranks(values: Floats, ties: Floats) -> Integers:
    """Rank of each value within its row, from 0; equal ones in the order of `ties`."""
    order = np.argsort(values, axis=1)
    tied = (np.diff(np.take_along_axis(values, order, axis=1), axis=1) == 0).any(axis=1)
    order[tied] = np.lexsort((ties[tied], values[tied]), axis=1)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(values.shape[1])[None], axis=1)
    return ranks
