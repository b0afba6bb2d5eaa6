"""Kenward and Roger's variances and degrees of freedom of many outcomes at once.

The formulas are those of `inference.degrees_of_freedom`. They need second derivatives of
K = X'V^-1 X only in its inner products with Phi = K^-1 and, for each function L of the fixed
effects, with s's, s = L Phi:

  tr(Phi d2K)   and   L Phi d2K Phi L' = s d2K s'.

So no second derivative of K is formed. All of it depends on the design, on the rows that an outcome
has and on its variances alone.
"""

from __future__ import annotations

import numpy as np

from qsmstats.arrays import Flags, Floats
from qsmstats.mixed.batch.criterion import evaluate_precision
from qsmstats.mixed.batch.design import IndependentGroups, blocks_seen
from qsmstats.mixed.batch.products import column_products
from qsmstats.mixed.inference.degrees_of_freedom import (
    covariance_of_variances,
    expected_df,
    kenward_roger_covariance,
    logdet_curves,
    precision_curves,
    precision_slopes,
    quadratic_forms,
)

__all__ = ["kenward_roger_rows"]


def kenward_roger_rows(
    grouped: IndependentGroups, seen: Flags, theta: Floats, rows: Floats
) -> tuple[Floats, Floats]:
    """Return adjusted variances, at a residual variance of one, and df, shapes (m, k).

    Parameters
    ----------
    grouped
        The design.
    seen
        Which rows each outcome has, in the order of the layout, shape (m, n_obs).
    theta
        Free parameters of each outcome, shape (m, parameters).
    rows
        L in the basis of the design, shape (k, p).
    """
    stack, index = blocks_seen(grouped, seen)
    products = column_products(stack, index)
    x, strata = grouped.parametrisation.values(theta), grouped.parametrisation.strata
    made = evaluate_precision(grouped, products, x, rows)
    (m, parameters), p = x.shape, rows.shape[1]
    phi, sides = made.inverse, rows @ made.inverse
    plain = quadratic_forms(rows, phi)
    # Elements of K before the parameters, and its inner products with Phi and each s's.
    first = np.moveaxis(made.first, 1, -1).reshape(m, p * p, parameters)
    matrices = np.concatenate([phi[:, None], sides[..., :, None] * sides[..., None, :]], axis=1)
    inner = matrices.reshape(m, -1, p * p) @ first
    value = np.concatenate([np.full((m, 1), float(p)), plain], axis=1)
    # The second derivatives of tr(Phi F_XX) are among those of log det V: `Precision.bend`.
    second = np.concatenate([np.zeros_like(made.bend)[:, None], made.second], axis=1)
    curves = precision_curves(x, strata, value, inner, second)
    bend = logdet_curves(x, products.rows, made.logdet_first, made.bend) + curves[:, 0]
    slopes = precision_slopes(x, strata, made.value.reshape(m, p * p), first)
    slopes = np.moveaxis(slopes, -1, 1).reshape(m, parameters + 1, p, p)
    weights = covariance_of_variances(phi, slopes, bend)
    # Each function is a set of its own.
    adjusted = kenward_roger_covariance(
        sides[:, :, None],
        plain[..., None, None],
        phi[:, None],
        slopes[:, None],
        weights[:, None],
        curves[:, 1:, :, :, None, None],
    )
    return adjusted[..., 0, 0], expected_df(rows, phi, slopes, weights)
