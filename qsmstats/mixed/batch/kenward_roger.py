"""Kenward and Roger's tests of many outcomes, one by one.

Everything in them but the residual variance depends on the design and on theta alone, so that the
outcome itself is not needed: the derivatives of X'V^-1 X and of log det V at the outcome's theta
come from one evaluation of the criterion with any outcome in its place.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from qsmstats.mixed.batch.single import engine_of
from qsmstats.mixed.criterion.moments import Moments
from qsmstats.mixed.inference.kenward_roger import KenwardRoger
from qsmstats.mixed.optimum.estimate import Engine

if TYPE_CHECKING:
    from qsmstats.mixed.batch.result import BatchFit

__all__ = ["kenward_roger_rows"]

Matrix = NDArray[np.float64]


def kenward_roger_rows(fit: BatchFit, rows: Matrix) -> tuple[Matrix, Matrix]:
    """Return adjusted variances and degrees of freedom, shapes (m, k).

    Parameters
    ----------
    fit
        Fits of m outcomes.
    rows
        L in the basis of the design, shape (k, p).
    """
    design = fit.design
    variance, df = np.full((2, len(fit), len(rows)), np.nan)
    anything = np.random.default_rng(0).standard_normal(design.n_obs)
    complete: Engine | None = None
    factors = fit.factors()
    for outcome in np.flatnonzero(~fit.failed):
        own = fit.rows_of(int(outcome))
        if own is None:
            complete = complete or engine_of(design, anything, None)
        engine = complete if own is None and complete else engine_of(design, anything, own)
        moments = _moments(engine, [one[outcome] for one in factors], fit, int(outcome))
        local = solve_triangular(moments.basis, (rows @ design.layout.root).T, trans=1).T
        found, df[outcome] = KenwardRoger(moments).rows(local)
        variance[outcome] = found * moments.scale**2
    return variance, df


def _moments(engine: Engine, factors: list[Matrix], fit: BatchFit, outcome: int) -> Moments:
    objective, problem = engine.objective, engine.problem
    theta = engine.from_factors(factors, fit.log_ratios[outcome])
    made = objective.at(theta).profile
    # The residual variance is the outcome's own.
    rss = float(fit.sigma2[outcome]) / problem.scale**2 * made.degrees
    return Moments(
        profile=replace(made, rss=rss),
        parametrisation=objective.parametrisation,
        theta=theta,
        basis=problem.root,
        scale=problem.scale,
        stratum_sizes=np.r_[objective.n - objective.counts.sum(), objective.counts],
    )
