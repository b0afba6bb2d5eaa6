r"""New outcomes from a fitted model, and what refitting them says of its estimates.

A simulated outcome is

.. math:: y^* = X\hat\beta + \sum_k Z_k u_k^* + e^*, \quad u_k^* \sim N(0, \hat\sigma^2 \hat T_k),
   \quad e_i^* \sim N(0, \hat\sigma^2 / w_i),

with new random effects for every level, on the scale of the left side of the formula (a model of
``log(y)`` simulates ``log(y)``). The parametric bootstrap refits the model to each; its intervals
are the percentiles of the refitted estimates (Davison & Hinkley 1997, Bootstrap Methods and their
Application, sections 2.3 and 5.3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qsmstats.errors import ModelError, UsageError

if TYPE_CHECKING:
    from qsmstats.mixed.fit import MixedFit
    from qsmstats.mixed.model import MixedModel

__all__ = ["Bootstrap", "bootstrap", "simulate"]

OUTCOME = "simulated_outcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """A parametric bootstrap of the fixed effects.

    Attributes
    ----------
    intervals
        term, estimate, std_error (standard deviation of the refitted estimates), conf_low,
        conf_high, method.
    estimates
        Refitted fixed effects, one row per refit that converged.
    n_failed, n_unconverged, n_singular
        Refits that raised, that did not converge (both are left out of the intervals), and that
        were singular (they are kept: a variance of zero is an outcome of the model).
    """

    intervals: pd.DataFrame
    estimates: pd.DataFrame
    n_failed: int
    n_unconverged: int
    n_singular: int


def simulate(fit: MixedFit, n: int = 1, *, seed: int | None = None) -> pd.DataFrame:
    """Draw outcomes from a fitted model, with new random effects.

    Parameters
    ----------
    fit
        A fitted mixed model.
    n
        Number of outcomes.
    seed
        Seed of the generator; the same seed gives the same outcomes.

    Returns
    -------
    DataFrame
        Shape (rows of the fit, n), in the units of the formula's left side, indexed by the
        position of the row in the data given to the fit.

    Raises
    ------
    UsageError
        If `n` is less than 1.
    """
    if n < 1:
        msg = f"n={n} outcomes; ask for at least one"
        raise UsageError(msg)
    random = np.random.default_rng(seed)
    frame = fit.frame.data
    rows = len(frame)
    values = np.repeat((fit.fixed.matrix(frame) @ fit.estimates)[:, None], n, axis=1)
    for term in fit.random:
        codes = term.design.grouping.codes(frame)
        values += _term(term.design.matrix(frame), term.covariance, codes, n, random)
    spread = fit.sigma / np.sqrt(np.ones(rows) if fit.weights is None else fit.weights)
    values += spread[:, None] * random.standard_normal((rows, n))
    return pd.DataFrame(values, index=pd.Index(fit.frame.kept, name="row"))


def bootstrap(
    fit: MixedFit, n: int = 1000, *, seed: int | None = None, level: float = 0.95
) -> Bootstrap:
    """Refit a model to outcomes simulated from it.

    Parameters
    ----------
    fit
        A fitted mixed model.
    n
        Number of refits.
    seed
        Seed of the generator.
    level
        Confidence level of the percentile intervals.

    Returns
    -------
    Bootstrap

    Raises
    ------
    UsageError
        If `n` is less than 1 or the level lies outside 0 to 1.
    """
    if not 0 < level < 1:
        msg = f"level={level} lies outside 0 to 1"
        raise UsageError(msg)
    outcomes = simulate(fit, n, seed=seed).to_numpy()
    model = replace(fit.model, formula=f"{OUTCOME} ~ {fit.model.formula.split('~', 1)[1]}")
    refits = [_refit(fit, model, outcomes[:, draw]) for draw in range(n)]
    found = [refit for refit in refits if refit is not None]
    usable = [refit.estimates for refit in found if refit.info.converged]
    estimates = pd.DataFrame(np.reshape(usable, (-1, len(fit.estimates))), columns=fit.fixed.names)
    return Bootstrap(
        intervals=_intervals(fit, estimates, level),
        estimates=estimates,
        n_failed=n - len(found),
        n_unconverged=len(found) - len(usable),
        n_singular=sum(refit.info.singular for refit in found),
    )


def _term(
    columns: NDArray[np.float64],
    covariance: NDArray[np.float64],
    codes: NDArray[np.int64],
    n: int,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw one random term for every row and outcome, shape (rows, n)."""
    # The symmetric root exists for a singular covariance too.
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    effects = random.standard_normal((codes.max() + 1, n, len(covariance))) @ root.T
    drawn: NDArray[np.float64] = np.einsum("rq,rnq->rn", columns, effects[codes])
    return drawn


def _refit(fit: MixedFit, model: MixedModel, outcome: NDArray[np.float64]) -> MixedFit | None:
    data = fit.frame.data.assign(**{OUTCOME: outcome})
    try:
        return model.fit(data, method=fit.method, weights=fit.residual.columns)
    except ModelError:
        return None


def _intervals(fit: MixedFit, estimates: pd.DataFrame, level: float) -> pd.DataFrame:
    tails = [(1 - level) / 2, (1 + level) / 2]
    missing = np.full((2, len(fit.estimates)), np.nan)
    low, high = np.quantile(estimates, tails, axis=0) if len(estimates) else missing
    return pd.DataFrame(
        {
            "term": fit.fixed.names,
            "estimate": fit.estimates,
            "std_error": estimates.std(ddof=1).to_numpy(),
            "conf_low": low,
            "conf_high": high,
            "method": "parametric bootstrap, percentile",
        }
    )
