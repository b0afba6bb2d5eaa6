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

__all__ = ["SimulatedResiduals"]

# Fewer say nothing of the tails.
_LEAST = 19


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
        every = np.column_stack([observed, simulated])
        random = np.random.default_rng(seed)
        # Rank of each value within its row, from 0, ties at random.
        order = np.lexsort((random.random(every.shape), every), axis=1)
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(number + 1)[None], axis=1)
        uniform = (ranks + random.random(ranks.shape)) / (number + 1.0)
        return cls(
            residuals=pd.Series(uniform[:, 0], index=index, name="simulated_residual"),
            tests=_tests(every, ranks, uniform),
            n=number,
            seed=seed,
        )


def _tests(every: Floats, ranks: Integers, uniform: Floats) -> pd.DataFrame:
    """Test the first column, the observed outcome, against all; shapes (n, B + 1)."""
    rows, number = every.shape
    steps = np.arange(rows + 1.0)[:, None] / rows
    ordered = np.sort(uniform, axis=0)
    distance = np.maximum(steps[1:] - ordered, ordered - steps[:-1]).max(axis=0)
    # About the mean of the other outcomes of the row.
    away = (every - every.mean(axis=1, keepdims=True)) * (number / (number - 1.0))
    spread = np.square(away).mean(axis=0)
    spread /= spread[1:].mean()
    outside = ((ranks == 0) | (ranks == number - 1)).sum(axis=0)
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
