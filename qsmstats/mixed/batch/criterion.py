"""The criteria of many outcomes at parameters of their own, with gradients and Hessians.

The likelihood is that of `criterion.nested` and `criterion.profiled`; only the order of the work
differs. With one factor nested in another (trees g, cells c of their leaves with common
Z'Z = A_c),

  m_c = M(T_1, A_c),   [D_g E_g] = [D_g E_g]_0 - sum_c m_c [..]_gc,   M_g = M(T_2, D_g),
  F = F_0 - sum_c m_c F_c - sum_g E_g' M_g E_g,

M(T, A) = T (I + A T)^-1. Where residual variances differ between strata, a cell of stratum s has
Z'WZ = w_s A_c and m_c = w_s^2 M(T_1, w_s A_c), and what has the index 0 is a sum over strata times
their precisions, which are the first parameters. The Hessian needs the second derivatives of F only through their inner
product with one matrix,

  W = nu / r2 v v' + [REML] F_XX^-1,      v = (-b, 1),

so that no second derivative of F is ever formed: with G_ab = E_a W E_b' (a, b: derivatives of E in
the precisions and parameters of the finer factor; <A, B> = tr A'B)

  <d2_ij E'ME, W> = <M_ij, G_00> + 2 <M_i, G_j0> + 2 <M_j, G_i0> + 2 <M, G_ij> + 2 <M, G_(ij)0>.

Arrays have the outcome first. An outcome whose F_XX is not positive, or for which no residual
variance is left, gets an infinite criterion; no other outcome is touched by that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Flags, Floats
from qsmstats.mixed.batch.design import IndependentGroups
from qsmstats.mixed.batch.products import OutcomeProducts
from qsmstats.mixed.criterion.covariance import lower_triangle
from qsmstats.mixed.criterion.derivatives import Jet, constant, pair_index, product
from qsmstats.mixed.criterion.nested import invert
from qsmstats.mixed.criterion.profiled import LEAST_RESIDUAL

__all__ = ["Evaluations", "evaluate_together"]


# Cells up to which a loop over them beats many small matrix products.
_FEW = 8


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
    slopes
        Derivatives of F_XX in theta, shape (m, k, p, p).
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
    slopes: Floats


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
    strata = grouped.parametrisation.strata
    x = grouped.parametrisation.values(theta)
    chain, curvature = grouped.parametrisation.derivatives(theta)
    precision = np.concatenate([np.ones((len(x), 1)), x[:, :strata]], axis=1)
    inner, edges, outer, logdet = _sweep(products, precision, x[:, strata:], grouped.rows.bases)
    total, first = _totals(products, precision, inner, edges, outer)
    p = total.shape[1] - 1
    inverse, logdet_xx, good = _factor(total[:, :p, :p])
    estimates = np.einsum("nij,nj->ni", inverse, total[:, :p, p])
    v = np.concatenate([-estimates, np.ones((len(total), 1))], axis=1)
    rss = np.einsum("ni,nij,nj->n", v, total, v)
    rows = products.rows.sum(axis=1)
    degrees = rows - p if grouped.reml else rows
    good &= rss > LEAST_RESIDUAL * degrees
    rss = np.where(good, rss, 1.0)
    weight = (degrees / rss)[:, None, None] * v[:, :, None] * v[:, None]
    if grouped.reml:
        weight[:, :p, :p] += inverse
    moved = np.einsum("anij,nj->nai", first, v)
    rss_first = np.einsum("nai,ni->na", moved, v)
    gradient = logdet.first.T + np.einsum("anij,nij->na", first, weight)
    curve = _second(products, inner, edges, outer, logdet, weight)
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
    # log det V holds -sum_s n_s log w_s, which is 2 lambda_s n_s: linear in theta.
    sizes = 2.0 * products.rows[:, 1:]
    value = logdet.value + degrees * (1.0 + np.log(2.0 * np.pi * rss / degrees))
    value += np.einsum("ns,ns->n", sizes, theta[:, :strata])
    bend = np.einsum("nt,ntab->nab", gradient, curvature)
    curve_hessian = chain.swapaxes(1, 2) @ curve @ chain + bend
    rss_slope = np.einsum("nta,nt->na", chain, rss_first)
    return Evaluations(
        value=np.where(good, value + logdet_xx if grouped.reml else value, np.inf),
        gradient=np.einsum("nta,nt->na", chain, gradient)
        + np.pad(sizes, ((0, 0), (0, theta.shape[1] - strata))),
        hessian=curve_hessian
        - (degrees / rss**2)[:, None, None] * rss_slope[:, :, None] * rss_slope[:, None],
        rss=rss,
        degrees=degrees,
        rss_slope=rss_slope,
        curve_hessian=curve_hessian,
        estimates=estimates,
        inverse=inverse,
        slopes=np.einsum("nta,tnij->naij", chain, first[:, :, :p, :p]),
    )


def _sweep(
    products: OutcomeProducts, precision: Floats, t: Floats, bases: tuple[Floats, Floats]
) -> tuple[Jet, Floats, Jet, Jet]:
    """Sweep both factors at the strata's precisions, shape (m, strata), and the elements t of T.

    Returns
    -------
    inner
        m of every shape, shape (.., m, S * h), in the precisions and the parameters of the finer
        factor.
    edges
        [E_g] and derivatives, shape (1 + first + second, m, G, q2, k).
    outer
        M of every group, shape (.., q2, q2, m, G), in all parameters.
    logdet
        l, shape (.., m).
    """
    m, finer = len(t), len(bases[0])
    size, q2 = products.top.shape[1], products.top.shape[3]
    inner, logdet = _sweep_finer(products, precision, t[:, :finer], bases[0])
    edges = _edges(products, precision, inner)
    own = len(inner.first)
    relative = np.repeat(t[:, finer:].T, size, axis=1)
    square = np.moveaxis(edges[..., :q2], (-2, -1), (1, 2)).reshape(-1, q2, q2, m * size)
    d = Jet(value=square[0], first=square[1 : own + 1], second=square[own + 1 :])
    outer, each = invert(d, relative, bases[1])
    added = each.map(lambda a: a.reshape(*a.shape[:-1], m, size).sum(axis=-1))
    by_group = outer.map(lambda a: a.reshape(*a.shape[:-1], m, size))
    return inner, np.ascontiguousarray(edges[..., q2:]), by_group, logdet.plus(added)


def _sweep_finer(
    products: OutcomeProducts, precision: Floats, t: Floats, basis: Floats
) -> tuple[Jet, Jet]:
    """Sweep the finer factor: m of every shape, shape (.., m, S * h), and l, shape (.., m)."""
    m, shapes = len(t), len(products.shapes)
    others = np.arange(1, precision.shape[1])[:, None]
    if not shapes:
        return constant(np.zeros((m, 0)), len(others)), constant(np.zeros(m), len(others))
    stratum = np.tile(products.shape_strata, m)
    weight = Jet(
        value=precision[:, products.shape_strata].ravel(),
        first=(stratum == others).astype(np.float64),
        second=np.zeros((len(others) * (len(others) + 1) // 2, len(stratum))),
    )
    shape = np.tile(np.moveaxis(products.shapes, 0, -1), m)
    found, each = invert(
        weight.map(lambda w: w[..., None, None, :] * shape),
        np.repeat(t.T, shapes, axis=1),
        basis,
    )
    square = product(weight, weight, np.multiply)
    found = product(square, found, lambda w, inverse: w[..., None, None, :] * inverse)
    rows, columns = lower_triangle(basis.shape[1])

    def arrange(values: Floats) -> Floats:
        pairs = values[..., rows, columns, :].reshape(*values.shape[:-3], len(rows), m, shapes)
        return np.moveaxis(pairs, -3, -1).reshape(*values.shape[:-3], m, shapes * len(rows))

    def count(values: Floats) -> Floats:
        split = values.reshape(*values.shape[:-1], m, shapes)
        return np.asarray((split * products.shape_counts).sum(axis=-1))

    return found.map(arrange), each.map(count)


def _edges(products: OutcomeProducts, precision: Floats, inner: Jet) -> Floats:
    """[D_g E_g] with derivatives in the parameters of `inner`, one after the other."""
    made = _swept_cells(products, np.concatenate([inner.value[None], inner.first, inner.second]))
    made[0] += np.einsum("ns,ngsqk->ngqk", precision, products.top)
    made[1 : precision.shape[1]] += np.moveaxis(products.top[:, :, 1:], 2, 0)
    return made


def _swept_cells(products: OutcomeProducts, jets: Floats) -> Floats:
    """What the finer factor takes from [D_g E_g], negative; shape (jets, m, G, q2, q2 + k)."""
    m, size, cells, q2, k = products.cells.shape
    if not cells:
        return np.zeros((len(jets), m, size, q2, k))
    shapes, widest = len(products.shapes), products.cell_shape.shape[2]
    by_shape = jets.reshape(len(jets), m, shapes, -1)
    weight = by_shape[:, np.arange(m)[:, None, None], products.cell_shape]
    weight = weight.reshape(len(jets), m, size, widest * by_shape.shape[3])
    if cells <= _FEW:
        made = -weight[..., 0, None, None] * products.cells[:, :, 0]
        for cell in range(1, cells):
            made -= weight[..., cell, None, None] * products.cells[:, :, cell]
    else:
        flat = products.cells.reshape(m, size, cells, -1)
        swept = np.moveaxis(weight, 0, 2) @ flat
        made = -np.moveaxis(swept, 2, 0).reshape(len(jets), m, size, q2, k)
    return np.asarray(made)


def _apply(matrix: Floats, edges: Floats) -> Floats:
    """M E group by group: (q2, q2, m, G), (m, G, q2, k) -> (m, G, q2, k)."""
    q2 = len(matrix)
    made = matrix[:, 0, :, :, None] * edges[:, :, 0]
    for s in range(1, q2):
        made += matrix[:, s, :, :, None] * edges[:, :, s]
    return np.moveaxis(made, 0, 2)


def _flat(edges: Floats) -> Floats:
    """Put groups and columns in one axis: (m, G, q2, k) -> (m, G * q2, k)."""
    m, size, q2, k = edges.shape
    return edges.reshape(m, size * q2, k)


def _totals(
    products: OutcomeProducts, precision: Floats, inner: Jet, edges: Floats, outer: Jet
) -> tuple[Floats, Floats]:
    """F, shape (m, k, k), and its derivatives in t, shape (params, m, k, k)."""
    own = len(inner.first)
    left = _flat(edges[0]).swapaxes(1, 2)
    pushed = _flat(_apply(outer.value, edges[0]))
    total = np.einsum("ns,nsij->nij", precision, products.total) - left @ pushed
    first = np.stack([-(left @ _flat(_apply(moved, edges[0]))) for moved in outer.first])
    for i in range(own):
        half = _flat(edges[1 + i]).swapaxes(1, 2) @ pushed
        first[i] -= half + half.swapaxes(1, 2)
    first[: precision.shape[1] - 1] += np.moveaxis(products.total[:, 1:], 1, 0)
    if own:
        m, cells, k = products.shape_totals.shape[:3]
        flat = products.shape_totals.reshape(m, cells, k * k)
        jets = np.stack([inner.value, *inner.first], axis=1)
        summed = (jets @ flat).reshape(m, own + 1, k, k)
        total = total - summed[:, 0]
        first[:own] -= np.moveaxis(summed[:, 1:], 1, 0)
    return total, first


def _factor(matrix: Floats) -> tuple[Floats, Floats, Flags]:
    """Inverse and log determinant of positive matrices, shape (m, p, p), and which they are."""
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
    inverse = np.linalg.inv(factor)
    logdet = 2.0 * np.log(np.einsum("npp->np", factor)).sum(axis=1)
    return inverse.swapaxes(1, 2) @ inverse, logdet, good


def _second(
    products: OutcomeProducts, inner: Jet, edges: Floats, outer: Jet, logdet: Jet, weight: Floats
) -> Floats:
    """Second derivatives of l + <F, W> in t with W held, shape (m, params, params)."""
    own, params = len(inner.first), len(outer.first)
    spread = edges[: own + 1] @ weight[:, None]
    pairs = logdet.second - np.einsum("pqsng,qsng->pn", outer.second, _gram(spread[0], edges[0]))
    index = pair_index(params)
    for i in range(own):
        cross = 2.0 * np.einsum("jqsng,qsng->jn", outer.first, _gram(spread[0], edges[1 + i]))
        for j in range(params):
            # The pair (i, i) holds both of its halves.
            pairs[index[i, j]] -= cross[j] * (2.0 if i == j else 1.0)
        for j in range(i, own):
            bent = _gram(spread[1 + i], edges[1 + j]) + _gram(
                spread[0], edges[1 + own + pair_index(own)[i, j]]
            )
            pairs[index[i, j]] -= 2.0 * np.einsum("qsng,qsng->n", outer.value, bent)
    if own:
        m, cells, k = products.shape_totals.shape[:3]
        sides = products.shape_totals.reshape(m, cells, k * k) @ weight.reshape(m, k * k, 1)
        pairs[: len(inner.second)] -= np.einsum("pnc,nc->pn", inner.second, sides[:, :, 0])
    return np.moveaxis(pairs[index], -1, 0)


def _gram(left: Floats, right: Floats) -> Floats:
    """Products over the columns, group by group: twice (m, G, q2, k) -> (q2, q2, m, G)."""
    made: Floats = np.einsum("ngqk,ngsk->qsng", left, right)
    return made
