"""The criteria of outcomes that share all rows, under one grouping factor.

Where all random terms lie in one factor and no outcome has a hole, groups with the same Z'Z = A_s
(patients with the same visits, say) share M_s = T (I + A_s T)^-1 at any T. With the groups' sums of
products added up by such shapes s, and K the vector of their lower triangles,

  F(T) = U'U - sum_s <M_s, C_s>,      C_s = sum of Z'U (x) Z'U over the groups of shape s,
  l(T) = sum_s n_s log det(I + A_s T),

so that an evaluation costs nothing that grows with the rows, and nothing that grows with the groups
but for their shapes. Of C_s the part of the fixed columns is the same for all outcomes: each step
is a product of one shared matrix with the M of all outcomes. With W as in `batch.criterion`,
G_s = <C_s, W>, N_s = A_s (I + T A_s)^-1, H_s = (I + T A_s)^-1 and B_s = H_s' G_s H_s,

  d f / dt_i = <dT_i, sum_s n_s N_s - B_s>,
  d2 (l + <F, W>) / dt_i dt_j = sum_s tr(dT_i N_s dT_j (2 B_s - n_s N_s))       (W held).

F_XX^-1, b and r2 come from sweeping the fixed columns out of F (Goodnight 1979, Am Stat 33,
149-158). Arrays have the outcome last here, so that all of it is arithmetic on long vectors.
"""

from __future__ import annotations

import numpy as np

from qsmstats.arrays import Flags, Floats
from qsmstats.mixed.batch.criterion import Evaluations, in_free_parameters
from qsmstats.mixed.batch.shared_rows import SharedProducts, SharedRows
from qsmstats.mixed.criterion.covariance import Parametrisation, lower_triangle
from qsmstats.mixed.criterion.nested import inverse_and_logdet, multiply, transpose
from qsmstats.mixed.criterion.profiled import LEAST_RESIDUAL

__all__ = ["evaluate_shared"]


def evaluate_shared(
    parametrisation: Parametrisation, products: SharedProducts, theta: Floats, *, reml: bool
) -> Evaluations:
    """Evaluate the criteria of all outcomes.

    Parameters
    ----------
    parametrisation
        Their parameters.
    products
        Cross-products of m outcomes.
    theta
        Their free parameters, shape (m, k).
    reml
        REML or ML.
    """
    shared, x = products.shared, parametrisation.values(theta)
    p, m, shapes = shared.rows.rank, len(x), len(shared.counts)
    basis = shared.rows.bases[1]
    t, a = np.tile(np.tensordot(basis, x.T, axes=(0, 0)), shapes), np.repeat(shared.shapes, m, -1)
    h, logdet = inverse_and_logdet(np.eye(len(a))[..., None] + multiply(t, a))
    jets = _inner(h, multiply(h, t), basis).reshape(1 + len(basis), -1, m)
    fixed = (shared.sides.T @ jets).reshape(-1, p, p, m)
    cross = np.einsum("cpm,acm->apm", products.sides, jets)
    square = np.einsum("cm,acm->am", products.squares, jets)
    inverse, estimates, rss, logdet_xx, good = _swept(
        shared.total[..., None] - fixed[0], products.cross - cross[0], products.square - square[0]
    )
    degrees = float(len(shared.rows.order) - (p if reml else 0))
    good &= rss > LEAST_RESIDUAL * degrees
    rss = np.where(good, rss, 1.0)
    first, weight = -fixed[1:], degrees / rss
    moved = -cross[1:] - np.einsum("aijm,jm->aim", first, estimates)
    rss_first = -square[1:] + np.einsum("aim,im->am", cross[1:] - moved, estimates)
    held = weight * estimates[:, None] * estimates
    curve = -2.0 * weight * _products(moved, np.einsum("ijm,ajm->aim", inverse, moved))
    if reml:
        held = held + inverse
        pushed = np.einsum("ijm,ajkm->aikm", inverse, first)
        curve -= _products(pushed, pushed.swapaxes(1, 2))
    inner = shared.sides @ held.reshape(p * p, m) + weight * (
        products.squares - 2.0 * np.einsum("cpm,pm->cm", products.sides, estimates)
    )
    slope, bent = _with_weight_held(shared, a, h, inner)
    curve += bent
    value = shared.counts @ logdet.reshape(shapes, m)
    value += degrees * (1.0 + np.log(2.0 * np.pi * rss / degrees))
    if reml:
        value += logdet_xx
    return in_free_parameters(
        parametrisation,
        theta,
        products.rows,
        value=np.where(good, value, np.inf),
        gradient=slope.T,
        curve=np.moveaxis(curve, -1, 0),
        rss=rss,
        degrees=np.full(m, degrees),
        rss_first=rss_first.T,
        estimates=estimates.T,
        inverse=np.moveaxis(inverse, -1, 0),
        first=np.moveaxis(first, -1, 1),
    )


def _with_weight_held(
    shared: SharedRows, a: Floats, h: Floats, inner: Floats
) -> tuple[Floats, Floats]:
    """First and second derivatives in t of l + <F, W>, W held, shapes (k, m) and (k, k, m).

    Parameters
    ----------
    shared
        The rows.
    a, h
        A and H of each shape and outcome, shape (q, q, S * m).
    inner
        <C, W>, shape (c, m).
    """
    m, shapes, k = inner.shape[1], len(shared.counts), len(shared.elements)
    places = rows, columns = lower_triangle(len(a))
    gram = np.empty_like(h)
    gram[places] = gram[columns, rows] = inner.reshape(len(rows), -1) * np.where(
        rows == columns, 1.0, 0.5
    ).reshape(-1, 1)
    # B and n N, in the order of the lower triangle.
    turned = multiply(multiply(transpose(h), gram), h)[places].reshape(-1, shapes, m)
    n = multiply(a, h)[places].reshape(-1, shapes, m)
    weighed = shared.counts[:, None] * n
    bent = np.einsum("hsm,gsm->hgm", n, 2.0 * turned - weighed).reshape(-1, m)
    slope = shared.elements @ (weighed - turned).sum(axis=1)
    return slope, (shared.pairs @ bent).reshape(k, k, m)


def _inner(h: Floats, m: Floats, basis: Floats) -> Floats:
    """Lower triangles of M and of its derivatives H dT_i H', shape (1 + k, h, groups)."""
    rows, columns = lower_triangle(len(h))
    made = np.zeros((1 + len(basis), len(rows), h.shape[-1]))
    made[0] = m[rows, columns]
    for one, step in zip(made[1:], basis, strict=True):
        for a, b in np.argwhere(step):
            one += step[a, b] * h[rows, a] * h[columns, b]
    return made


def _products(left: Floats, right: Floats) -> Floats:
    """Return sums of products: (i, ..., m) and (j, ..., m) -> (i, j, m)."""
    shape = (len(left), -1, left.shape[-1])
    made: Floats = np.einsum("icm,jcm->ijm", left.reshape(shape), right.reshape(shape))
    return made


def _swept(
    fixed: Floats, cross: Floats, square: Floats
) -> tuple[Floats, Floats, Floats, Floats, Flags]:
    """Sweep the fixed columns out of F: F_XX^-1, b, r2, log det F_XX; where F_XX is positive."""
    p, m = cross.shape
    f = np.empty((p + 1, p + 1, m))
    f[:p, :p], f[:p, p], f[p, :p], f[p, p] = fixed, cross, cross, square
    good, pivots = np.ones(m, dtype=bool), np.empty((p, m))
    for column in range(p):
        good &= f[column, column] > 0.0
        pivots[column] = np.where(good, f[column, column], 1.0)
        row = f[column] / pivots[column]
        f -= f[column][:, None] * row
        f[column] = f[:, column] = row
        f[column, column] = -1.0 / pivots[column]
    return -f[:p, :p], f[:p, p], f[p, p], np.log(pivots).sum(axis=0), good
