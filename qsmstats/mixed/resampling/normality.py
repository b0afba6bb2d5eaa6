r"""Whether residuals and random effects look normal, judged by outcomes simulated from the fit.

With the variances held at their estimates, conditional residuals and modes of the random effects
are linear in the outcome,

.. math:: \hat u(y) = K^{-1} (Z\Lambda)' W \{y - X\hat\beta(y)\}, \qquad
   \hat e(y) = y - X\hat\beta(y) - Z\Lambda\hat u(y),

:math:`\hat\beta(y)` by generalised least squares and :math:`K` as in `conditional_modes`. They are
shrunken and dependent, so that tables of the normal distribution do not apply. The same functions
of outcomes :math:`y^*` simulated from the fit have their distribution if the model holds, and need
one system of equations for all of them. Residuals are divided by their standard deviation, as

.. math:: \mathrm{Var}\{\hat e(y)\} = \sigma^2 (W^{-1} - Z\Lambda K^{-1} (Z\Lambda)'
   - \tilde X (X'V^{-1}X)^{-1} \tilde X'), \quad \tilde X = W^{-1}V^{-1}X, \quad
   V = W^{-1} + Z\Lambda(Z\Lambda)',

random effects by theirs over all outcomes, and all values of one outcome by their root mean square,
as the variance was estimated (Lilliefors 1967, J Am Stat Assoc 62:399-402); `SimulatedResiduals`
ranks and tests them. Its test of dispersion is left out: a linear mixed model estimates its
dispersion, so that the test cannot fail. Its number of outliers is the same for a value just beyond
the simulated ones and for one far beyond; the largest absolute value of all residuals is tested
instead, by the same Monte Carlo p-value. In large studies a part of the residuals and of the groups
is ranked, chosen at random without their values: it is exchangeable with the same part of the
simulated outcomes, and what so many do not show is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from qsmstats.arrays import Floats, Integers
from qsmstats.mixed.fitted import Fitted
from qsmstats.mixed.prediction.conditional_modes import (
    ConditionalSystem,
    conditional_system,
    spherical_rows,
)
from qsmstats.mixed.prediction.simulated_residuals import ranked
from qsmstats.mixed.resampling.simulate import seed_of

__all__ = ["normality_tests"]

# Below this share of its standard deviation a value does not vary: a residual of a row that has a
# coefficient of its own, a random effect whose variance is estimated as zero.
_CONSTANT = 1e-5
_MOST = 10_000
"""Residuals, or random effects of a term, that are ranked."""
_COLUMNS = 10
"""Outcomes that are drawn and taken apart at a time."""


def normality_tests(fit: Fitted, n: int = 249, *, seed: int) -> pd.DataFrame:
    """Test residuals and random effects for normality.

    Parameters
    ----------
    fit
        A fitted mixed model.
    n
        Simulated outcomes.
    seed
        Seed of the simulated outcomes, of the choice of residuals and groups, and of the random
        numbers that break ties.

    Returns
    -------
    DataFrame
        Columns part ("residual", or the grouping of a random term), columns (names of the columns
        of the term), available (rows or groups), n (those of them that were tested), check,
        statistic, expected (its mean over the simulated outcomes), p_value. "uniformity" is that of
        `SimulatedResiduals`, for the residuals and for each random term, all its columns together;
        "largest" is the largest absolute residual in standard deviations. NaN where the variances
        of a term are estimated as zero.

    Raises
    ------
    UsageError
        If the seed is negative.

    Examples
    --------
    >>> normality_tests(fit, seed=1)  # doctest: +SKIP
    """
    random = np.random.default_rng(seed_of(seed))
    parts = _LinearParts.of(fit)
    spread = parts.residual_spread()
    varying = np.flatnonzero(spread > _CONSTANT * parts.noise[:, 0])
    places, start = [varying[_chosen(len(varying), random, most=_MOST)]], 0
    for term in fit.random:
        size, width = term.design.grouping.size, len(term.design.names)
        groups = _chosen(size, random, most=_MOST // width)
        places.append((start + groups[:, None] * width + np.arange(width)).ravel())
        start += size * width
    spread[spread <= _CONSTANT * parts.noise[:, 0]] = np.inf
    tested, squares, largest = _simulated(fit, parts, spread, places, n, random)
    root_mean = np.sqrt(squares / len(varying))
    largest /= root_mean
    residual = {"part": "residual", "columns": "", "available": len(varying)}
    found = [
        {**residual, "n": len(places[0]), **_uniformity(tested[0] / root_mean, seed)},
        {
            **residual,
            "check": "largest",
            "n": len(varying),
            "statistic": largest[0],
            "expected": largest[1:].mean(),
            "p_value": (largest >= largest[0]).mean(),
        },
    ]
    for term, values in zip(fit.random, tested[1:], strict=True):
        grouping, names = term.design.grouping, term.design.names
        # Of all outcomes alike, as the p-value rests on their being exchangeable.
        deviation = values.std(axis=1)
        vary = deviation > _CONSTANT
        values = values[vary] / deviation[vary, None]
        if len(values):
            values /= np.sqrt(np.square(values).mean(axis=0))
        found.append(
            {
                "part": grouping.label,
                "columns": ", ".join(names),
                "available": grouping.size,
                "n": len(deviation) // len(names),
                **_uniformity(values, seed),
            }
        )
    return pd.DataFrame(found)


def _simulated(
    fit: Fitted,
    parts: _LinearParts,
    spread: Floats,
    places: Sequence[Integers],
    n: int,
    random: np.random.Generator,
) -> tuple[list[Floats], Floats, Floats]:
    """Take the outcome and n simulated ones apart, by blocks: all would not fit into the memory.

    Parameters
    ----------
    fit, parts, n, random
        The fit, its parts, and what is drawn from it.
    spread
        What residuals are divided by, shape (rows,).
    places
        Of the residuals, and of the modes of each random term, that are kept.

    Returns
    -------
    kept, squares, largest
        Those at the places, shapes (places, n + 1); of all residuals the sum of squares and the
        largest absolute value, shapes (n + 1,).
    """
    kept = [np.empty((len(one), n + 1)) for one in places]
    squares, largest = np.empty(n + 1), np.empty(n + 1)
    for first in range(0, n + 1, _COLUMNS):
        block = slice(first, min(n + 1, first + _COLUMNS))
        outcomes = parts.drawn(block.stop - first, random)
        if first == 0:
            outcomes[:, 0] = (fit.response - fit.offset) / fit.sigma
        residuals, modes = parts(outcomes)
        residuals /= spread[:, None]
        squares[block] = np.einsum("ij,ij->j", residuals, residuals)
        largest[block] = np.maximum(residuals.max(axis=0), -residuals.min(axis=0))
        kept[0][:, block] = residuals[places[0]]
        for values, place in zip(kept[1:], places[1:], strict=True):
            values[:, block] = modes[place]
    return kept, squares, largest


def _chosen(size: int, random: np.random.Generator, *, most: int) -> Integers:
    """Return the places of those that are ranked."""
    return np.sort(random.choice(np.arange(size), min(size, most), replace=False))


def _uniformity(values: Floats, seed: int) -> dict[str, Any]:
    """Test the first column of values among all, which are overwritten."""
    if not len(values):
        return {"check": "uniformity", "statistic": np.nan, "expected": np.nan, "p_value": np.nan}
    tests = ranked(values, seed=seed).set_index("check")
    return {"check": "uniformity", **dict(zip(tests.columns, tests.loc["uniformity"], strict=True))}


@dataclass(frozen=True, slots=True, kw_only=True)
class _LinearParts:
    """Residuals and modes as functions of outcomes in units of sigma, without the offset.

    Attributes
    ----------
    rows
        Z Lambda, shape (n, columns).
    fixed, swept
        X and V^-1 X, shape (n, p).
    covariance
        (X'V^-1X)^-1, shape (p, p).
    noise
        Standard deviation of the errors, shape (n, 1).
    system
        K.
    """

    rows: sparse.csr_array
    fixed: Floats
    swept: Floats
    covariance: Floats
    noise: Floats
    system: ConditionalSystem

    @classmethod
    def of(cls, fit: Fitted) -> _LinearParts:
        rows, _, _ = spherical_rows(fit, fit.frame.data)
        rows.eliminate_zeros()  # of variances that are zero
        system = conditional_system(fit, rows, fit.weights)
        fixed = fit.fixed.matrix(fit.frame.data)
        weights = np.ones((len(fixed), 1)) if fit.weights is None else fit.weights[:, None]
        swept = weights * (fixed - rows @ system.solve(rows.T @ (fixed * weights)))
        return cls(
            rows=rows,
            fixed=fixed,
            swept=swept,
            covariance=np.linalg.pinv(fixed.T @ swept),
            noise=1.0 / np.sqrt(weights),
            system=system,
        )

    def drawn(self, number: int, random: np.random.Generator) -> Floats:
        """Draw outcomes from the fit but for their mean, which no residual depends on."""
        effects = random.standard_normal((self.rows.shape[1], number))
        errors = random.standard_normal((len(self.fixed), number))
        return np.asarray(self.rows @ effects + self.noise * errors)

    def __call__(self, outcomes: Floats) -> tuple[Floats, Floats]:
        """Return residuals, shape (n, k), and spherical modes, shape (columns, k).

        The residuals are written over the outcomes.
        """
        outcomes -= self.fixed @ (self.covariance @ (self.swept.T @ outcomes))
        modes = self.system.solve(self.rows.T @ (outcomes / self.noise**2))
        outcomes -= self.rows @ modes
        return outcomes, modes

    def residual_spread(self) -> Floats:
        """Return the standard deviation of the residuals, shape (n,)."""
        error = self.noise[:, 0] ** 2
        mean = self.swept * error[:, None]
        estimated = ((mean @ self.covariance) * mean).sum(axis=1)
        left = error - self.system.inverse_form(self.rows) - estimated
        return np.asarray(np.sqrt(np.maximum(left, 0.0)))
