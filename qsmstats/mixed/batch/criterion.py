"""The criteria of many outcomes at parameters of their own, with gradients and Hessians.

They are those of `criterion.profiled`. The Hessian needs the second derivatives of F (`sweep`) only
through their inner product with one matrix,

  W = nu / r2 v v' + [REML] F_XX^-1,      v = (-b, 1).

Kenward and Roger's test needs such inner products with two kinds of matrix: F_XX^-1, and s's for
each function L of the fixed effects, s = L F_XX^-1 (`inference.degrees_of_freedom`).

Arrays have the outcome first. An outcome whose F_XX is not positive, or for which no residual
variance is left, gets an infinite criterion; no other outcome is touched by that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Flags, Floats
from qsmstats.mixed.batch.design import IndependentGroups
from qsmstats.mixed.batch.products import ColumnProducts, OutcomeProducts
from qsmstats.mixed.batch.sweep import second_derivatives, sweep_groups
from qsmstats.mixed.criterion.covariance import Parametrisation
from qsmstats.mixed.criterion.profiled import LEAST_RESIDUAL

__all__ = [
    "Evaluations",
    "Precision",
    "evaluate_precision",
    "evaluate_together",
    "in_free_parameters",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluations:
    """Criteria of m outcomes at theta, shape (m, k).

    Attributes
    ----------
    value, gradient, hessian
        Criterion and derivatives in theta, shapes (m,), (m, k), (m, k, k).
    rss, degrees
        r2 and nu, shapes (m,).
    rss_slope
        Gradient of r2 in theta, shape (m, k).
    curve_hessian
        Hessian of l + log det F_XX + nu r2 / rss with the factor nu / rss held, shape (m, k, k):
        that of the deviance at fixed residual variance.
    estimates, inverse
        b, shape (m, p), and F_XX^-1, shape (m, p, p).
    chain, first
        dx / dtheta, shape (m, k, k), and derivatives of F_XX in x, shape (k, m, p, p).
    """

    value: Floats
    gradient: Floats
    hessian: Floats
    rss: Floats
    degrees: Floats
    rss_slope: Floats
    curve_hessian: Floats
    estimates: Floats
    inverse: Floats
    chain: Floats
    first: Floats

    @property
    def slopes(self) -> Floats:
        """Derivatives of F_XX in theta, shape (m, k, p, p)."""
        made: Floats = np.einsum("nta,tnij->naij", self.chain, self.first)
        return made


def evaluate_together(
    grouped: IndependentGroups, products: OutcomeProducts, theta: Floats
) -> Evaluations:
    """Evaluate the criteria of all outcomes.

    Parameters
    ----------
    grouped
        Their design.
    products
        Cross-products of m outcomes.
    theta
        Their free parameters, shape (m, k).
    """
    swept = sweep_groups(grouped, products, grouped.parametrisation.values(theta))
    total, first = swept.total, swept.total_first
    p = total.shape[1] - 1
    root, logdet_xx, good = _factor(total[:, :p, :p])
    inverse = root @ root.swapaxes(1, 2)
    estimates = np.einsum("nij,nj->ni", inverse, total[:, :p, p])
    v = np.concatenate([-estimates, np.ones((len(total), 1))], axis=1)
    rss = np.einsum("ni,nij,nj->n", v, total, v)
    rows = products.rows.sum(axis=1)
    degrees = rows - p if grouped.reml else rows
    good &= rss > LEAST_RESIDUAL * degrees
    rss = np.where(good, rss, 1.0)
    weigh = np.sqrt(degrees / rss)[:, None, None] * v[:, :, None]
    if grouped.reml:
        weigh = np.concatenate([weigh, np.pad(root, ((0, 0), (0, 1), (0, 0)))], axis=2)
    moved = np.einsum("anij,nj->nai", first, v)
    rss_first = np.einsum("nai,ni->na", moved, v)
    gradient = np.einsum("anij,nij->na", first, weigh @ weigh.swapaxes(1, 2)) + swept.logdet_first
    curve = second_derivatives(products, swept, weigh, logdet=1.0)
    curve -= (
        2.0
        * (degrees / rss)[:, None, None]
        * (moved[:, :, :p] @ inverse @ moved[:, :, :p].swapaxes(1, 2))
    )
    if grouped.reml:
        pushed = inverse @ first[:, :, :p, :p]
        flat = (len(first), len(v), p * p)
        curve -= np.moveaxis(pushed.reshape(flat), 0, 1) @ np.moveaxis(
            pushed.swapaxes(2, 3).reshape(flat), 0, 2
        )
    value = swept.logdet + degrees * (1.0 + np.log(2.0 * np.pi * rss / degrees))
    return in_free_parameters(
        grouped.parametrisation,
        theta,
        products.rows,
        value=np.where(good, value + logdet_xx if grouped.reml else value, np.inf),
        gradient=gradient,
        curve=curve,
        rss=rss,
        degrees=degrees,
        rss_first=rss_first,
        estimates=estimates,
        inverse=inverse,
        first=first[:, :, :p, :p],
    )


def in_free_parameters(
    parametrisation: Parametrisation,
    theta: Floats,
    rows: Floats,
    *,
    value: Floats,
    gradient: Floats,
    curve: Floats,
    rss: Floats,
    rss_first: Floats,
    degrees: Floats,
    **others: Floats,
) -> Evaluations:
    """Carry derivatives in x over to theta.

    Parameters
    ----------
    parametrisation, theta
        The parameters, shape (m, k).
    rows
        Rows of each outcome and stratum, shape (m, strata).
    value, gradient
        The criterion but for the strata's precisions, and its derivatives in x, shapes (m,) and
        (m, k).
    curve
        Second derivatives in x of l + log det F_XX + nu r2 / rss with nu / rss held, (m, k, k).
    rss, rss_first, degrees
        r2, its derivatives in x, and nu, shapes (m,), (m, k) and (m,).
    others
        Further attributes of `Evaluations`.
    """
    strata = parametrisation.strata
    chain, curvature = parametrisation.derivatives(theta)
    # log det V holds -sum_s n_s log w_s, which is 2 lambda_s n_s: linear in theta.
    sizes = 2.0 * rows[:, 1:]
    bend = np.einsum("nt,ntab->nab", gradient, curvature)
    curve_hessian = chain.swapaxes(1, 2) @ curve @ chain + bend
    rss_slope = np.einsum("nta,nt->na", chain, rss_first)
    return Evaluations(
        value=value + np.einsum("ns,ns->n", sizes, theta[:, :strata]),
        gradient=np.einsum("nta,nt->na", chain, gradient)
        + np.pad(sizes, ((0, 0), (0, theta.shape[1] - strata))),
        hessian=curve_hessian
        - (degrees / rss**2)[:, None, None] * rss_slope[:, :, None] * rss_slope[:, None],
        rss=rss,
        degrees=degrees,
        rss_slope=rss_slope,
        curve_hessian=curve_hessian,
        chain=chain,
        **others,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """X'V^-1 X and log det V of m outcomes in units of the residual variance, at parameters x.

    Attributes
    ----------
    value, inverse
        F_XX and F_XX^-1, shapes (m, p, p).
    first
        Derivatives of F_XX in x, shape (m, k, p, p).
    logdet_first
        Derivatives of l in x, shape (m, k).
    bend
        Second derivatives in x of l + <F_XX, F_XX^-1>, the inverse held, shape (m, k, k).
    second
        Those of <F_XX, s's> for each function, shape (m, functions, k, k).
    """

    value: Floats
    inverse: Floats
    first: Floats
    logdet_first: Floats
    bend: Floats
    second: Floats


def evaluate_precision(
    grouped: IndependentGroups, products: ColumnProducts, x: Floats, rows: Floats
) -> Precision:
    """Evaluate what Kenward and Roger's test of linear functions needs.

    Parameters
    ----------
    grouped, products
        The design, and the cross-products of m lists of its columns.
    x
        Their model parameters, shape (m, k).
    rows
        The functions L in the basis of the design, shape (functions, p).
    """
    swept = sweep_groups(grouped, products, x)
    root, _, _ = _factor(swept.total)
    inverse = root @ root.swapaxes(1, 2)
    sides = np.split((rows @ inverse).swapaxes(1, 2), len(rows), axis=2)
    return Precision(
        value=swept.total,
        inverse=inverse,
        first=np.moveaxis(swept.total_first, 0, 1),
        logdet_first=swept.logdet_first,
        bend=second_derivatives(products, swept, root, logdet=1.0),
        second=np.stack(
            [second_derivatives(products, swept, one, logdet=0.0) for one in sides], axis=1
        ),
    )


def _factor(matrix: Floats) -> tuple[Floats, Floats, Flags]:
    """R with A^-1 = R R' and log det A of positive matrices A, shape (m, p, p); which are."""
    p = matrix.shape[1]
    good: Flags = np.asarray(np.isfinite(matrix).all(axis=(1, 2)))
    factor = np.broadcast_to(np.eye(p), matrix.shape).copy()
    try:
        factor[good] = np.linalg.cholesky(matrix[good])
    except np.linalg.LinAlgError:
        for one in np.flatnonzero(good):
            try:
                factor[one] = np.linalg.cholesky(matrix[one])
            except np.linalg.LinAlgError:
                good[one] = False
    logdet = 2.0 * np.log(np.einsum("npp->np", factor)).sum(axis=1)
    return np.asarray(np.linalg.inv(factor).swapaxes(1, 2)), logdet, good
