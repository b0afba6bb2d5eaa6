"""The sweep of many outcomes: one factor nested in another, at parameters of each outcome's own.

The likelihood is that of `criterion.nested`; only the order of the work differs. With trees g, and
cells c of their leaves with common Z'Z = A_c,

  m_c = M(T_1, A_c),   [D_g E_g] = [D_g E_g]_0 - sum_c m_c [..]_gc,   M_g = M(T_2, D_g),
  F = F_0 - sum_c m_c F_c - sum_g E_g' M_g E_g,

M(T, A) = T (I + A T)^-1. Where residual variances differ between strata, a cell of stratum s has
Z'WZ = w_s A_c and m_c = w_s^2 M(T_1, w_s A_c), and what has the index 0 is a sum over strata times
their precisions, which are the first parameters.

Second derivatives of F are needed only through their inner products with matrices W = R R', so that
none of them is ever formed: with G_ab = E_a W E_b' (a, b: derivatives of E in the precisions and
parameters of the finer factor; <A, B> = tr A'B)

  <d2_ij E'ME, W> = <M_ij, G_00> + 2 <M_i, G_j0> + 2 <M_j, G_i0> + 2 <M, G_ij> + 2 <M, G_(ij)0>,

nor one of M: with G = G_00 and the notation of `nested`, log det(I + D T) - <M, G> has the second
derivatives (i <= j)

  tr(dT_i Q_j) + tr(dD_i P_j) + tr(d2D_ij (M + M G M)),
  P_j = dM_j + 2 dM_j G M,     Q_j = dN_j - 2 dH_j' G H.

So all but E_a R is work on matrices as wide as the coarsest factor. Those of single groups have
outcomes and groups in the last axis, other arrays have the outcome first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Floats
from qsmstats.mixed.batch.design import IndependentGroups
from qsmstats.mixed.batch.products import ColumnProducts
from qsmstats.mixed.criterion.covariance import lower_triangle
from qsmstats.mixed.criterion.derivatives import Jet, constant, pair_index, product
from qsmstats.mixed.criterion.nested import (
    Inverses,
    inverses,
    invert,
    multiply,
    transpose,
)

__all__ = ["SweptGroups", "second_derivatives", "sweep_groups"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptGroups:
    """Both levels swept out of the cross-products; derivatives are in x.

    Attributes
    ----------
    inner, inner_logdet, edges
        See `_sweep_finer` and `_edges`.
    d
        D alone, shape (jets, q2, q2, m * G).
    outer, basis
        M of the coarsest factor, with its derivatives in all parameters, and T in its own.
    total, total_first
        See `_totals`.
    logdet, logdet_first
        l, shape (m,), and its derivatives, shape (m, k).
    """

    inner: Jet
    inner_logdet: Jet
    edges: Floats
    d: Floats
    outer: Inverses
    basis: Floats
    total: Floats
    total_first: Floats
    logdet: Floats
    logdet_first: Floats


def sweep_groups(grouped: IndependentGroups, products: ColumnProducts, x: Floats) -> SweptGroups:
    """Sweep both levels at model parameters x, shape (m, k)."""
    strata = grouped.parametrisation.strata
    precision = np.concatenate([np.ones((len(x), 1)), x[:, :strata]], axis=1)
    finer, basis = grouped.rows.bases
    t = np.split(x[:, strata:], [len(finer)], axis=1)
    inner, logdet = _sweep_finer(products, precision, t[0], finer)
    edges = _edges(products, precision, inner)
    m, size, jets, q2, _ = edges.shape
    d = _groups_last(edges[..., :q2]).reshape(jets, q2, q2, m * size)
    own = 1 + len(inner.first)
    outer = inverses(d[0], d[1:own], np.repeat(t[1].T, size, axis=1), basis)
    total, first = _totals(products, precision, inner, edges, outer)
    slope = outer.logdet_first.reshape(-1, m, size).sum(axis=2).T
    slope[:, : len(logdet.first)] += logdet.first.T
    return SweptGroups(
        inner=inner,
        inner_logdet=logdet,
        edges=edges,
        d=d,
        outer=outer,
        basis=basis,
        total=total,
        total_first=first,
        logdet=logdet.value + outer.logdet.reshape(m, size).sum(axis=1),
        logdet_first=slope,
    )


def _sweep_finer(
    products: ColumnProducts, precision: Floats, t: Floats, basis: Floats
) -> tuple[Jet, Jet]:
    """Sweep the finer factor: m of every shape, shape (.., m, S, h), and l, shape (.., m)."""
    m, shapes = len(t), len(products.shapes)
    others = np.arange(1, precision.shape[1])[:, None]
    if not shapes:
        return constant(np.zeros((m, 0, 0)), len(others)), constant(np.zeros(m), len(others))
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
        return np.moveaxis(pairs, -3, -1)

    def count(values: Floats) -> Floats:
        split = values.reshape(*values.shape[:-1], m, shapes)
        return np.asarray((split * products.shape_counts).sum(axis=-1))

    return found.map(arrange), each.map(count)


def _edges(products: ColumnProducts, precision: Floats, inner: Jet) -> Floats:
    """[D_g E_g] with derivatives in the parameters of `inner`, shape (m, G, jets, q2, q2 + k)."""
    (m, strata), size = precision.shape, products.cell_shape.shape[1]
    jets = np.concatenate([inner.value[None], inner.first, inner.second])
    fixed = np.zeros((m, len(jets), strata))
    fixed[:, 0] = precision
    fixed[:, range(1, strata), range(1, strata)] = 1.0
    # What the finer factor takes is that of each cell's shape.
    _, _, parts, q2, r = products.edges.shape
    taken = jets.transpose(1, 2, 0, 3)[np.arange(m)[:, None, None], products.cell_shape]
    taken = taken.swapaxes(2, 3).reshape(m, size, len(jets), parts - strata)
    weights = np.concatenate([np.repeat(fixed[:, None], size, axis=1), -taken], axis=3)
    made = weights @ products.edges.reshape(-1, size, parts, q2 * r)
    return np.asarray(made.reshape(m, size, len(jets), q2, r))


def _groups_last(matrices: Floats) -> Floats:
    """Small matrices of groups: (m, G, jets, q, s) -> (jets, q, s, m, G)."""
    return np.ascontiguousarray(np.moveaxis(matrices, (0, 1), (3, 4)))


def _totals(
    products: ColumnProducts, precision: Floats, inner: Jet, edges: Floats, outer: Inverses
) -> tuple[Floats, Floats]:
    """F, shape (m, k, k), and its derivatives in x, shape (params, m, k, k)."""
    m, size, _, q2, r = edges.shape
    own, k, jets = len(inner.first), r - q2, 1 + len(outer.first)
    # M and its derivatives, one below the other, times E in one product a group.
    stacked = np.concatenate([outer.m[None], outer.first]).reshape(jets, q2, q2, m, size)
    stacked = np.ascontiguousarray(stacked.transpose(3, 4, 1, 0, 2)).reshape(m, size, -1, q2)
    swept = (stacked @ edges[:, :, 0, :, q2:]).reshape(m, size, q2, jets * k).swapaxes(1, 2)
    sides = edges[..., q2:].transpose(2, 0, 3, 4, 1)
    gone = (sides[0] @ swept).sum(axis=1).reshape(m, k, jets, k)
    half = (sides[1 : 1 + own] @ swept[..., :k]).sum(axis=2)
    made = -np.moveaxis(gone, 2, 0)
    made[1 : 1 + own] -= half + half.swapaxes(-1, -2)
    made[0] += np.einsum("ns,nsij->nij", precision, products.total)
    made[1 : precision.shape[1]] += np.moveaxis(products.total[:, 1:], 1, 0)
    if own:
        lists, cells = products.shape_totals.shape[:2]
        taken = np.stack([inner.value, *inner.first], axis=1).reshape(m, 1 + own, cells)
        summed = taken @ products.shape_totals.reshape(lists, cells, k * k)
        made[: 1 + own] -= np.moveaxis(summed.reshape(m, 1 + own, k, k), 1, 0)
    return made[0], made[1:]


def second_derivatives(
    products: ColumnProducts, swept: SweptGroups, root: Floats, *, logdet: float
) -> Floats:
    """Second derivatives in x of logdet l + <F, R R'>, shape (m, params, params).

    Parameters
    ----------
    products, swept
        The cross-products, and what became of them.
    root
        R, shape (m, k, any), held.
    logdet
        Weight of l.
    """
    inner, outer, basis = swept.inner, swept.outer, swept.basis
    own, m = len(inner.first), len(root)
    grams = _grams(swept, root)
    # M alone, as in the module's docstring.
    bent = 2.0 * multiply(multiply(transpose(outer.h), grams[0, 0]), outer.h) - logdet * outer.n
    bent = multiply(multiply(outer.n, basis[..., None]), bent)
    bent = bent.reshape(*bent.shape[:-1], m, -1).sum(axis=-1)
    made = np.zeros((m, len(outer.first), len(outer.first)))
    made[:, own:, own:] = np.einsum("iqs,jqsn->nij", basis, bent)
    if not own:
        return made
    # M and D, M and E: what is paired with dM_j.
    finer, d, sides = slice(own), swept.d[1 : 1 + own], grams[0, 1 : 1 + own]
    gram_m = multiply(grams[0, 0], outer.m)
    made[:, finer] = _paired(logdet * d + 2.0 * (multiply(gram_m, d) - sides), outer.first, m)
    made[:, finer, finer] -= 2.0 * _paired(outer.first[:own], sides, m)
    made[:, own:, finer] = made[:, finer, own:].swapaxes(1, 2)
    # D and E alone, and the cells that the finer factor takes from F.
    both = grams[1:, 1 : 1 + own].reshape(own * own, *outer.m.shape)
    made[:, finer, finer] -= 2.0 * _paired(both, outer.m[None], m).reshape(m, own, own)
    around = logdet * outer.m + multiply(outer.m, gram_m)
    pairs = _paired(swept.d[1 + own :], around[None], m)[:, :, 0]
    pairs -= 2.0 * _paired(grams[0, 1 + own :], outer.m[None], m)[:, :, 0]
    lists, cells, k, _ = products.shape_totals.shape
    weight = (root @ root.swapaxes(1, 2)).reshape(m, k * k, 1)
    totals = products.shape_totals.reshape(lists, cells, k * k) @ weight
    curved = inner.second.reshape(len(inner.second), m, cells)
    pairs -= np.einsum("pnc,nc->np", curved, totals[:, :, 0])
    made[:, finer, finer] += pairs[:, pair_index(own)]
    made[:, finer, finer] += logdet * np.moveaxis(swept.inner_logdet.second_matrix(), -1, 0)
    return made


def _grams(swept: SweptGroups, root: Floats) -> Floats:
    """G_ba = E_b R (E_a R)' of every group, shape (a, b, q2, q2, m * G).

    a runs over E and its first derivatives, b over the second ones as well.
    """
    m, size, jets, q2, r = swept.edges.shape
    some = 1 + len(swept.inner.first)
    # One product for all groups of an outcome.
    sides = swept.edges.reshape(m, size * jets * q2, r)[..., q2:] @ root
    sides = sides.reshape(m, size, jets * q2, root.shape[2])
    made = sides @ sides[:, :, : some * q2].swapaxes(2, 3)
    made = made.reshape(m, size, jets, q2, some, q2).transpose(4, 2, 3, 5, 0, 1)
    return np.ascontiguousarray(made).reshape(some, jets, q2, q2, m * size)


def _paired(left: Floats, right: Floats, m: int) -> Floats:
    """Return sums of <A, B> over groups: (i, q, q, m * G), (j, q, q, m * G) -> (m, i, j)."""
    left, right = (a.reshape(*a.shape[:3], m, -1) for a in (left, right))
    made: Floats = np.einsum("iqsng,jqsng->nij", left, right)
    return made
