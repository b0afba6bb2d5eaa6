r"""Variances of a generalised fit, the shares built from them, and overdispersion.

Limits of standard deviations and correlations are those of the delta method on the scale of the
logarithm and of Fisher's z, from the joint information of all parameters, or, of standard
deviations, those of the profile likelihood (`profile`), which hold at zero too.

Shares of variance follow Nakagawa, Johnson & Schielzeth (2017, J R Soc Interface 14:20170213): on
the scale of the link the variance of the outcome itself is

* :math:`\pi^2 / 3` (logit), 1 (probit), :math:`\pi^2 / 6` (cloglog), that of the latent variable;
* :math:`\log(1 + 1 / \lambda)` for a Poisson count and :math:`\log(1 + 1 / \lambda + 1 / k)` for a
  negative binomial, with :math:`\lambda` the mean count over the rows and the random effects.

A random term contributes :math:`\mathrm{mean}_i\, z_i' \Sigma z_i` (Johnson 2014, Methods Ecol Evol
5:944-946), the fixed part the variance of :math:`X\hat\beta` over the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.arrays import Floats
from qsmstats.errors import UsageError, check_option
from qsmstats.generalized.fitted import GeneralizedFitted, joint_covariance
from qsmstats.generalized.prediction import predictor_variance, residuals
from qsmstats.generalized.profile import deviation_limits
from qsmstats.mixed.inference.components import (
    Component,
    component_values,
    components_of,
    gradient,
)
from qsmstats.mixed.inference.variance_components import RSquared
from qsmstats.mixed.inference.wald import check_level

__all__ = [
    "component_value",
    "icc",
    "overdispersion",
    "r_squared",
    "random_components",
    "variance_table",
]

_NO_DELTA = "the fit is singular: no delta interval; use interval='profile'"
_NO_PROFILE = "no profile of a correlation: use interval='delta' or bootstrap"
_LATENT = {"logit": np.pi**2 / 3.0, "probit": 1.0, "cloglog": np.pi**2 / 6.0}


def variance_table(
    fit: GeneralizedFitted,
    *,
    interval: Literal["delta", "profile"] | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Variances, standard deviations and correlations of all random terms.

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    interval
        'delta', 'profile', or None for no interval.
    level
        Coverage of the interval.

    Returns
    -------
    DataFrame
        group, term, other_term, variance, std_dev, correlation and, with `interval`, conf_low,
        conf_high (of the standard deviation or correlation) and note. A row with `other_term` is a
        covariance (in `variance`) with its correlation.

    Raises
    ------
    UsageError
        If `interval` is unknown or `level` does not lie between 0 and 1.
    """
    check_option("interval", interval, ("delta", "profile", None))
    check_level(level)
    found = random_components(fit)
    covariances = [term.covariance for term in fit.random]
    rows = []
    for one in found:
        value = component_value(one, covariances)
        i, j = one.place
        rows.append(
            {
                "group": one.group,
                "term": one.term,
                "other_term": one.other_term,
                "variance": covariances[one.index][i, j],
                "std_dev": np.nan if one.is_correlation else value,
                "correlation": value if one.is_correlation else np.nan,
            }
        )
    table = pd.DataFrame(rows)
    if interval is None:
        return table
    limits = [(_delta if interval == "delta" else _profile)(fit, one, level) for one in found]
    table["conf_low"], table["conf_high"], table["note"] = zip(*limits, strict=True)
    return table


def icc(fit: GeneralizedFitted) -> pd.DataFrame:
    """Share of the variance around the fixed part, on the scale of the link, between groups.

    Returns
    -------
    DataFrame
        group, variance (its mean over the rows where a slope varies), icc; the variance of the
        outcome itself last ("Residual").
    """
    parts = {**_between(fit), "Residual": _own_variance(fit)}
    table = pd.DataFrame({"group": list(parts), "variance": list(parts.values())})
    return table.assign(icc=table["variance"] / table["variance"].sum())


def r_squared(fit: GeneralizedFitted) -> RSquared:
    """Marginal and conditional R squared on the scale of the link."""
    fixed = float(np.var(fit.fixed.matrix(fit.frame.data) @ fit.estimates, ddof=1))
    return RSquared.of(fixed, sum(_between(fit).values()), _own_variance(fit))


def overdispersion(fit: GeneralizedFitted) -> pd.DataFrame:
    """Compare the squared Pearson residuals, at the random effects, with their expectation.

    A ratio well above one says that the outcome varies more than its family allows: think of a
    negative binomial, or of a random intercept for each row. The p-value, from the chi-squared
    distribution, is rough where expected counts are small.

    Returns
    -------
    DataFrame
        One row: statistic (their sum), df (rows less parameters), ratio, p_value.

    Raises
    ------
    UsageError
        If the outcome is 0 or 1, which cannot be overdispersed.
    """
    if fit.outcome.family == "binomial" and np.all(fit.outcome.trials == 1.0):
        raise UsageError(
            "an outcome of 0 and 1 cannot be overdispersed: its variance follows from its mean; "
            "use overdispersion with counts or with trials"
        )
    statistic = float(np.square(residuals(fit, "pearson")).sum())
    df = fit.info.n_obs - fit.info.n_parameters
    return pd.DataFrame(
        {
            "statistic": [statistic],
            "df": [df],
            "ratio": [statistic / df],
            "p_value": [float(stats.chi2.sf(statistic, df))],
        }
    )


def random_components(fit: GeneralizedFitted) -> list[Component]:
    """Return standard deviations and correlations in the order of the formula."""
    found = components_of([term.design for term in fit.random], ())
    return [one for one in found if one.group != "Residual"]


def component_value(component: Component, covariances: Sequence[Floats]) -> float:
    """Return a component at covariances of the terms."""
    stacked = [covariance[None] for covariance in covariances]
    return float(component_values(component, stacked, np.ones(1), np.ones((1, 1)))[0])


def _profile(
    fit: GeneralizedFitted, component: Component, level: float
) -> tuple[float, float, str]:
    if component.is_correlation:
        return np.nan, np.nan, _NO_PROFILE
    low, high = deviation_limits(fit, component, level)
    failed = [name for name, end in (("lower", low), ("upper", high)) if np.isnan(end)]
    return low, high, f"{' and '.join(failed)} limit not reached" if failed else ""


def _delta(fit: GeneralizedFitted, component: Component, level: float) -> tuple[float, float, str]:
    if fit.info.singular:
        return np.nan, np.nan, _NO_DELTA
    forward, back = (np.arctanh, np.tanh) if component.is_correlation else (np.log, np.exp)

    def transformed(phi: Floats) -> float:
        return float(forward(component_value(component, fit.covariances_at(phi))))

    slope, centre = gradient(transformed, fit.optimum.phi), transformed(fit.optimum.phi)
    error = float(np.sqrt(slope @ joint_covariance(fit.optimum) @ slope))
    half = float(stats.norm.isf((1.0 - level) / 2.0)) * error
    return float(back(centre - half)), float(back(centre + half)), ""


def _between(fit: GeneralizedFitted) -> dict[str, float]:
    """Mean over the rows of z'Sigma z, summed over the terms of each grouping."""
    found: dict[str, float] = {}
    for term in fit.random:
        label = term.design.grouping.label
        z = term.design.matrix(fit.frame.data)
        share = float(np.einsum("ij,jk,ik->i", z, term.covariance, z).mean())
        found[label] = found.get(label, 0.0) + share
    return found


def _own_variance(fit: GeneralizedFitted) -> float:
    if fit.outcome.family == "binomial":
        return float(_LATENT[fit.model.link_name])
    eta = fit.fixed.matrix(fit.frame.data) @ fit.estimates + fit.offset
    covariances = [term.covariance for term in fit.random]
    mean = float(np.exp(eta + 0.5 * predictor_variance(fit, fit.frame.data, covariances)).mean())
    extra = 0.0 if fit.shape is None else 1.0 / fit.shape
    return float(np.log1p(1.0 / mean + extra))
