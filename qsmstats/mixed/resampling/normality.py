r"""Whether residuals and random effects look normal, judged by outcomes simulated from the fit.

With the variances held at their estimates, conditional residuals and modes of the random effects
are linear in the outcome,

.. math:: \hat u(y) = K^{-1} (Z\Lambda)' W \{y - X\hat\beta(y)\}, \qquad
   \hat e(y) = y - X\hat\beta(y) - Z\Lambda\hat u(y),

:math:`\hat\beta(y)` by generalised least squares and :math:`K` as in `conditional_modes`. They are
shrunken and dependent, so that tables of the normal distribution do not apply. The same functions
of outcomes :math:`y^*` simulated from the fit have their distribution if the model holds, and need
one system of equations for all of them. Each value is divided by its standard deviation over all
outcomes, and all values of one outcome by their root mean square, as the variance was
estimated (Lilliefors 1967, J Am Stat Assoc 62:399-402); `SimulatedResiduals` ranks and tests them.
Its test of dispersion is left out: a linear mixed model estimates its dispersion, so that the test
cannot fail. Its number of outliers is the same for a value just beyond the simulated ones and for
one far beyond; the largest absolute value is tested instead, by the same Monte Carlo p-value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.mixed.fitted import Fitted
from qsmstats.mixed.prediction.conditional_modes import conditional_system, spherical_rows
from qsmstats.mixed.prediction.simulated_residuals import ranked
from qsmstats.mixed.resampling.simulate import drawn, seed_of

__all__ = ["normality_tests"]

# Below this share of sigma a value does not vary: a residual of a row that has a coefficient of its
# own, a random effect whose variance is estimated as zero.
_CONSTANT = 1e-6
_COLUMNS = 25
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
        Seed of the simulated outcomes and of the random numbers that break ties.

    Returns
    -------
    DataFrame
        Columns part ("residual", or the grouping of a random term), columns (names of the columns
        of the term), check, n (rows or groups), statistic, expected (its mean over the simulated
        outcomes), p_value. "uniformity" is that of `SimulatedResiduals`, for the residuals and for
        each random term, all its columns together; "largest" is the largest absolute residual in
        standard deviations. NaN where the variances of a term are estimated as zero.

    Raises
    ------
    UsageError
        If `n` is less than 19 or the seed negative.

    Examples
    --------
    >>> normality_tests(fit, seed=1)  # doctest: +SKIP
    """
    values, modes = _parts(fit, _outcomes(fit, n, seed_of(seed)))
    labels: dict[str, Any] = {"part": "residual", "columns": "", "n": len(values)}
    found = [_tests(values, fit.sigma, seed, largest=True).assign(**labels)]
    start = 0
    for term in fit.random:
        grouping, names = term.design.grouping, term.design.names
        values = modes[start : start + grouping.size * len(names)]
        start += len(values)
        labels = {"part": grouping.label, "columns": ", ".join(names), "n": grouping.size}
        found.append(_tests(values, fit.sigma, seed).assign(**labels))
    return pd.concat(found, ignore_index=True)


def _outcomes(fit: Fitted, n: int, seed: int) -> Floats:
    """Observed outcome and simulated ones without the offset, shape (rows, n + 1)."""
    draw = drawn(fit, seed)
    outcomes = np.empty((len(fit.response), n + 1))
    outcomes[:, 0] = fit.response
    for first in range(0, n, _COLUMNS):
        last = min(n, first + _COLUMNS)
        outcomes[:, first + 1 : last + 1] = draw((first, last)).T
    outcomes -= fit.offset[:, None]
    return outcomes


def _parts(fit: Fitted, outcomes: Floats) -> tuple[Floats, Floats]:
    """Conditional residuals, in place of the outcomes, and spherical modes of each outcome."""
    rows, _, _ = spherical_rows(fit, fit.frame.data)
    system = conditional_system(fit, rows, fit.weights)
    weights = np.ones((len(outcomes), 1)) if fit.weights is None else fit.weights[:, None]

    def swept(columns: Floats) -> Floats:
        return np.asarray(weights * (columns - rows @ system.solve(rows.T @ (columns * weights))))

    fixed = fit.fixed.matrix(fit.frame.data)
    cross = fixed.T @ swept(fixed)
    modes = np.empty((rows.shape[1], outcomes.shape[1]))
    # By blocks of columns: with copies of all, a large study would not fit into the memory.
    for start in range(0, outcomes.shape[1], _COLUMNS):
        block = slice(start, start + _COLUMNS)
        beta = np.linalg.lstsq(cross, fixed.T @ swept(outcomes[:, block]))[0]
        outcomes[:, block] -= fixed @ beta
        modes[:, block] = system.solve(rows.T @ (outcomes[:, block] * weights))
        outcomes[:, block] -= rows @ modes[:, block]
    return outcomes, modes


def _tests(values: Floats, sigma: float, seed: int, *, largest: bool = False) -> pd.DataFrame:
    """Test the first column of values, shape (values, 1 + simulated outcomes), among the others.

    The values are overwritten.
    """
    # Of all columns alike, as the p-value rests on their being exchangeable.
    blocks = np.array_split(values, 1 + len(values) // 1000)
    spread = np.concatenate([block.std(axis=1) for block in blocks])
    varying = spread > _CONSTANT * sigma
    if not varying.any():
        missing = dict.fromkeys(("statistic", "expected", "p_value"), np.nan)
        return pd.DataFrame([{"check": "uniformity", **missing}])
    scaled = values if varying.all() else values[varying]
    scaled /= spread[varying, None]
    scaled /= np.sqrt(np.einsum("ij,ij->j", scaled, scaled) / len(scaled))
    height = np.maximum(scaled.max(axis=0), -scaled.min(axis=0))
    tests = ranked(scaled, seed=seed)
    tests = tests[tests["check"] == "uniformity"]
    if not largest:
        return tests
    row = {
        "check": "largest",
        "statistic": height[0],
        "expected": height[1:].mean(),
        "p_value": float((height >= height[0]).mean()),
    }
    return pd.concat([tests, pd.DataFrame([row])])
