r"""Variances of a fit, their intervals, and the shares of variance built from them.

Intervals of a standard deviation or correlation come in two kinds:

``delta``
    From the curvature of the (RE)ML deviance at the optimum, on a scale where the likelihood is
    near normal and the interval cannot leave the parameter's range: the logarithm of a standard
    deviation, Fisher's z of a correlation (Pinheiro & Bates 2000, section 2.4.3). Not defined where
    a variance is estimated as zero. nlme's ``intervals`` does the same with a coarse numerical
    Hessian.
``profile``
    From the profile of the ML deviance (`profile_likelihood`), as lme4's ``confint``; valid at
    zero.

Shares of variance follow Nakagawa, Johnson & Schielzeth (2017, J R Soc Interface 14:20170213) with
Johnson's (2014, Methods Ecol Evol 5:944-946) mean random-slope variance: a term contributes
:math:`\mathrm{mean}_i\, z_i' \Sigma z_i`, the fixed part the variance of :math:`X\hat\beta` over
the rows (divisor :math:`n - 1`), the residual the mean of its variances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.arrays import Floats
from qsmstats.display import Displayed
from qsmstats.errors import check_option
from qsmstats.mixed.fitted import Fitted, engine_of_fit
from qsmstats.mixed.inference.components import Component, components, gradient
from qsmstats.mixed.inference.degrees_of_freedom import Satterthwaite
from qsmstats.mixed.inference.profile_likelihood import Deviance, profile_interval

__all__ = ["Interval", "RSquared", "icc", "r_squared", "variance_table"]

Interval = Literal["delta", "profile"]

Link = Callable[[float], float]
# Is it a correlation? -> the scale of its interval, and the way back.
_LINKS: dict[bool, tuple[Link, Link]] = {False: (np.log, np.exp), True: (np.arctanh, np.tanh)}

_ANY_CORRELATION = "one of the two standard deviations may be zero, so any correlation is possible"
_NO_DELTA = "the fit is singular: no delta interval; use interval='profile'"


@dataclass(frozen=True, slots=True, kw_only=True)
class RSquared(Displayed):
    """Nakagawa's R squared and the variances it is made of.

    Attributes
    ----------
    marginal
        Share of the fixed effects in the total variance.
    conditional
        Share of fixed and random effects together.
    fixed, random, residual
        Variances, in squared units of the outcome.
    """

    marginal: float
    conditional: float
    fixed: float
    random: float
    residual: float

    @classmethod
    def of(cls, fixed: float, random: float, residual: float) -> RSquared:
        """Return the shares of these variances in their sum."""
        total = fixed + random + residual
        return cls(
            marginal=fixed / total,
            conditional=(fixed + random) / total,
            fixed=fixed,
            random=random,
            residual=residual,
        )


def variance_table(
    fit: Fitted, *, interval: Interval | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Variances, standard deviations and correlations of all random terms and the residual.

    Parameters
    ----------
    fit
        A fitted mixed model.
    interval
        'delta', 'profile' or None for no interval.
    level
        Coverage of the interval.

    Returns
    -------
    DataFrame
        group, term, other_term, variance, std_dev, correlation and, with `interval`, conf_low,
        conf_high (of the standard deviation or correlation) and note. A row with `other_term` is
        a covariance (in `variance`) with its correlation. Residual rows come last, one for each
        stratum of a model with unequal residual variances (its level in `term`).

    Raises
    ------
    UsageError
        If `interval` is unknown.
    """
    check_option("interval", interval, ("delta", "profile", None))
    found = components(fit)
    rows = [_row(fit, component) for component in found]
    table = pd.DataFrame(rows)
    if interval == "delta":
        limits = _delta(fit, found, level)
    elif interval == "profile":
        limits = _profiles(fit, found, level)
    else:
        return table
    table["conf_low"], table["conf_high"], table["note"] = zip(*limits, strict=True)
    return table


def r_squared(fit: Fitted) -> RSquared:
    """Marginal and conditional R squared of Nakagawa, Johnson & Schielzeth (2017)."""
    fixed = float(np.var(fit.fixed.matrix(fit.frame.data) @ fit.estimates, ddof=1))
    return RSquared.of(fixed, float(sum(_mean_variances(fit).values())), _mean_residual(fit))


def icc(fit: Fitted) -> pd.DataFrame:
    """Share of the variance around the fixed part that lies between the groups of each factor.

    Returns
    -------
    DataFrame
        group, variance (its mean over the rows where a slope varies), icc; the residual last. The
        shares add up to one; two rows of the same class of a school correlate by the sum of the
        shares of class and school.
    """
    parts = {**_mean_variances(fit), "Residual": _mean_residual(fit)}
    table = pd.DataFrame({"group": list(parts), "variance": list(parts.values())})
    return table.assign(icc=table["variance"] / table["variance"].sum())


def _row(fit: Fitted, component: Component) -> dict[str, object]:
    value = component.value(fit)
    row: dict[str, object] = {
        "group": component.group,
        "term": component.term,
        "other_term": component.other_term,
        "variance": value**2,
        "std_dev": value,
        "correlation": np.nan,
    }
    if component.other_term:
        i, j = component.place
        covariance = fit.random[component.index].covariance[i, j]
        row |= {"variance": covariance, "std_dev": np.nan, "correlation": value}
    return row


def _profiles(fit: Fitted, found: list[Component], level: float) -> list[tuple[float, float, str]]:
    deviance = Deviance.of(fit)
    limits: dict[Component, tuple[float, float, str]] = {}
    # Deviations stand before the correlations of their term.
    for component in found:
        constant = component.is_correlation and any(
            limits[one][0] == 0.0
            for one in limits
            if (one.group, one.index, one.is_correlation)
            == (component.group, component.index, False)
            and one.place[0] in component.place
        )
        limits[component] = (
            (-1.0, 1.0, _ANY_CORRELATION)
            if constant
            else profile_interval(deviance, component, level)
        )
    return list(limits.values())


def _delta(fit: Fitted, found: list[Component], level: float) -> list[tuple[float, float, str]]:
    engine, moments = engine_of_fit(fit), fit.moments
    best = np.append(moments.theta, 0.5 * np.log(moments.variance))
    uncertainty = Satterthwaite(moments).uncertainty
    quantile = float(stats.norm.isf((1 - level) / 2))
    limits = []
    for component in found:
        forward, back = _LINKS[component.is_correlation]
        if fit.info.singular and component.group != "Residual":
            limits.append((np.nan, np.nan, _NO_DELTA))
            continue

        def transformed(
            z: Floats, component: Component = component, forward: Link = forward
        ) -> float:
            return float(forward(component.at(engine, z, moments.scale)))

        slope, centre = gradient(transformed, best), transformed(best)
        half = quantile * float(np.sqrt(slope @ uncertainty @ slope))
        limits.append((float(back(centre - half)), float(back(centre + half)), ""))
    return limits


def _mean_variances(fit: Fitted) -> dict[str, float]:
    """Mean over the rows of z'Sigma z, summed over the terms of each grouping."""
    found: dict[str, float] = {}
    for term in fit.random:
        z = term.design.matrix(fit.frame.data)
        share = float(np.einsum("ij,jk,ik->i", z, term.covariance, z).mean())
        label = term.design.grouping.label
        found[label] = found.get(label, 0.0) + share
    return found


def _mean_residual(fit: Fitted) -> float:
    return fit.sigma**2 * (1.0 if fit.weights is None else float(np.mean(1.0 / fit.weights)))
