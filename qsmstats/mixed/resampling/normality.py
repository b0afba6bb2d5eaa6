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
from qsmstats.mixed.prediction.simulated_residuals import SimulatedResiduals
from qsmstats.mixed.resampling.simulate import simulate

__all__ = ["normality_tests"]

# Below this share of sigma a value does not vary: a residual of a row that has a coefficient of its
# own, a random effect whose variance is estimated as zero.
_CONSTANT = 1e-6


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
    simulated = simulate(fit, n, seed=seed).to_numpy()
    residuals, modes = _parts(fit, np.column_stack([fit.response, simulated]) - fit.offset[:, None])
    labels: dict[str, Any] = {"part": "residual", "columns": "", "n": len(residuals)}
    found = [_tests(residuals, fit.sigma, seed, largest=True).assign(**labels)]
    start = 0
    for term in fit.random:
        grouping, names = term.design.grouping, term.design.names
        values = modes[start : start + grouping.size * len(names)]
        start += len(values)
        labels = {"part": grouping.label, "columns": ", ".join(names), "n": grouping.size}
        found.append(_tests(values, fit.sigma, seed).assign(**labels))
    return pd.concat(found, ignore_index=True)


def _parts(fit: Fitted, outcomes: Floats) -> tuple[Floats, Floats]:
    """Conditional residuals and spherical modes of each outcome, from which the offset is gone."""
    rows, _, _ = spherical_rows(fit, fit.frame.data)
    system = conditional_system(fit, rows, fit.weights)
    weights = np.ones((len(outcomes), 1)) if fit.weights is None else fit.weights[:, None]
    fixed = fit.fixed.matrix(fit.frame.data)
    both = np.column_stack([fixed, outcomes])
    swept = weights * (both - rows @ system.solve(rows.T @ (both * weights)))
    p = fixed.shape[1]
    beta = np.linalg.lstsq(fixed.T @ swept[:, :p], fixed.T @ swept[:, p:])[0]
    away = outcomes - fixed @ beta
    modes = system.solve(rows.T @ (away * weights))
    return away - rows @ modes, modes


def _tests(values: Floats, sigma: float, seed: int, *, largest: bool = False) -> pd.DataFrame:
    """Test the first column of values, shape (values, 1 + simulated outcomes), among the others."""
    # Of all columns alike, as the p-value rests on their being exchangeable.
    spread = values.std(axis=1)
    varying = spread > _CONSTANT * sigma
    if not varying.any():
        missing = dict.fromkeys(("statistic", "expected", "p_value"), np.nan)
        return pd.DataFrame([{"check": "uniformity", **missing}])
    scaled = values[varying] / spread[varying, None]
    scaled /= np.sqrt(np.square(scaled).mean(axis=0))
    index = pd.RangeIndex(len(scaled))
    tests = SimulatedResiduals.of(scaled[:, 0], scaled[:, 1:], index, seed=seed).tests
    tests = tests[tests["check"] == "uniformity"]
    if not largest:
        return tests
    height = np.abs(scaled).max(axis=0)
    row = {
        "check": "largest",
        "statistic": height[0],
        "expected": height[1:].mean(),
        "p_value": float((height >= height[0]).mean()),
    }
    return pd.concat([tests, pd.DataFrame([row])])
