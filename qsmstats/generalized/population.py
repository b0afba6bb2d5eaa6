r"""Means over a population of groups, in place of those of a typical group.

The mean of a row over all groups is

.. math:: \bar\mu_i = \int g^{-1}(x_i'\beta + o_i + \sigma_i a)\, \varphi(a)\, da, \qquad
   \sigma_i^2 = \sum_k z_{ik}' \Sigma_k z_{ik},

by Gauss-Hermite quadrature. A population mean is its mean over the rows of the data with the
predictors in question set to one combination for all of them (standardisation; Lane & Nelder 1982,
Biometrics 38:613-621), so that different combinations are compared in the same rows. Standard
errors are by the delta method from the joint covariance of fixed effects and variances; limits are
taken on the scale of the link.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.arrays import Floats
from qsmstats.generalized.family import inverse_link, link_function
from qsmstats.generalized.fitted import GeneralizedFitted, joint_covariance
from qsmstats.generalized.prediction import predictor_variance
from qsmstats.generalized.quadrature import hermite_nodes
from qsmstats.mixed.inference.alternative import check_level
from qsmstats.mixed.inference.components import gradient
from qsmstats.mixed.inference.reference_grid import ReferenceGrid

__all__ = ["population_means"]

_NODES = 32


def population_means(
    fit: GeneralizedFitted, factors: str | Sequence[str], *, level: float = 0.95
) -> pd.DataFrame:
    """Estimate the mean outcome of each level over the rows and over all groups.

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    factors
        The predictor or predictors whose combinations get a mean each; a number is taken at its
        mean, or at both values if it has two.
    level
        Coverage of the interval.

    Returns
    -------
    DataFrame
        Columns of `factors`, then estimate (a probability of one trial, or a mean count),
        std_error, conf_low, conf_high.

    Raises
    ------
    UsageError
        If a name is not a predictor of the fixed part.
    """
    check_level(level)
    names = [factors] if isinstance(factors, str) else list(factors)
    grid = ReferenceGrid.of(fit.fixed, fit.frame.data)
    grid.check_names(names)
    uncertainty, phi = joint_covariance(fit.optimum), fit.optimum.phi
    forward, (back, slope_of) = (
        link_function(fit.model.link_name),
        inverse_link(fit.model.link_name),
    )
    half = float(stats.norm.isf((1.0 - level) / 2.0))
    rows = []
    for values in product(*(grid.predictors[name].values for name in names)):
        frame = fit.frame.data.copy()
        for name, value in zip(names, values, strict=True):
            frame[name] = fit.fixed.variables[name].coerce(pd.Series([value] * len(frame)))
        mean = _mean_of(fit, frame)
        estimate, slope = mean(phi), gradient(mean, phi)
        error = float(np.sqrt(slope @ uncertainty @ slope))
        centre = float(forward(np.array(estimate)))
        width = half * error / float(slope_of(np.array(centre)))
        rows.append((*values, estimate, error, *back(np.array([centre - width, centre + width]))))
    return pd.DataFrame(rows, columns=[*names, "estimate", "std_error", "conf_low", "conf_high"])


def _mean_of(fit: GeneralizedFitted, frame: pd.DataFrame) -> Callable[[Floats], float]:
    """Return the mean over the rows of a frame and all groups as a function of the parameters."""
    rows, inverse = fit.fixed.matrix(frame), inverse_link(fit.model.link_name)[0]
    nodes, log_weights = hermite_nodes(_NODES, 1)
    weights = np.exp(log_weights)

    def mean(phi: Floats) -> float:
        eta = rows @ fit.estimates_at(phi) + fit.offset
        spread = np.sqrt(predictor_variance(fit, frame, fit.covariances_at(phi)))
        return float((inverse(eta[:, None] + spread[:, None] * nodes[:, 0]) @ weights).mean())

    return mean
