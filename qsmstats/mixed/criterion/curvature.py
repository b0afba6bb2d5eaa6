"""Second derivatives of the criterion of a nested design, without those of F.

The search needs second derivatives only of l + <F, W> with one matrix W held (<A, B> = tr A'B; see
`profiled`). They are summed from the coarsest level down. The sweep of a level (notation of
`nested`) takes away <S, C'MC>, where S holds the derivatives of l + <F, W> in what it is taken
from: W, and those in the blocks of coarser levels. With G = C S C' the derivatives in the level's
own blocks are

  A:  M + M G M,     C:  -2 M C S,

and log det(I + A T) - <S, C'MC> has, beside these times the second derivatives of A and C, which
the finer levels answer for, the second derivatives (i <= j)

  tr(dT_i (dN_j - 2 H'G dH_j)) + tr(dA_i (dM_j + 2 dM_j G M))
  - 2 <dM_j C S, dC_i> - 2 <dM_i C S, dC_j> - 2 <M dC_i S, dC_j>.

This is reverse differentiation of first derivatives (Christianson 1992, IMA J Numer Anal 12,
135-150) and costs about as many first derivatives as there are parameters, where the second
derivatives of F that `nested` gives cost as many as there are pairs of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from qsmstats.arrays import Floats, Places
from qsmstats.mixed.criterion.covariance import lower_triangle
from qsmstats.mixed.criterion.crossproducts import Bins, CrossProducts, LevelProducts
from qsmstats.mixed.criterion.derivatives import Jet, weighted
from qsmstats.mixed.criterion.nested import (
    Inverses,
    Swept,
    blocks_of_groups,
    inverses,
    multiply,
    sweep,
    transpose,
)

__all__ = ["curvature", "sweep_to_search"]


def sweep_to_search(
    products: CrossProducts, x: Floats
) -> tuple[Jet, Jet, Callable[[Floats], Floats]]:
    """F and l with first derivatives at x, and the function W -> `curvature`."""
    swept = sweep(products, x, second=False)
    return swept.total, swept.logdet, partial(curvature, products, swept)


def curvature(products: CrossProducts, swept: Swept, weight: Floats) -> Floats:
    """Second derivatives of l + <F, W> with W held, shape (m, m).

    Parameters
    ----------
    products, swept
        Cross-products of the data, and what sweeping them gave; its second derivatives are not
        looked at.
    weight
        W, symmetric, shape (k, k).
    """
    made = np.zeros((len(swept.total.first),) * 2)
    slopes: list[Floats] = []
    for index in reversed(range(len(products.levels))):
        level, block, t = products.levels[index], swept.blocks[index], swept.own[index]
        if index == 0 and products.bins is not None:
            found = _bend_bins(products.bins, level, (swept.ratios, t), slopes, weight)
        else:
            parents = [_parents(starts, level.size) for starts in level.starts]
            pieces = []
            for inside, _ in blocks_of_groups(level, block, len(t)):
                above = [slope[..., p[inside]] for slope, p in zip(slopes, parents, strict=True)]
                pieces.append(_bend_groups(level, block.stack[..., inside], t, above, weight))
            found = sum((piece[0] for piece in pieces), np.zeros(()))
            slopes.insert(0, np.concatenate([piece[1] for piece in pieces], axis=-1))
        made[: len(found), : len(found)] += found
    return made


def _parents(starts: Places, size: int) -> Places:
    return np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, size]))


def _bend_bins(
    bins: Bins,
    level: LevelProducts,
    x: tuple[Floats, Floats],
    slopes: Sequence[Floats],
    weight: Floats,
) -> Floats:
    """Second derivatives that come from the bins, C being w_s times what does not depend on x.

    Parameters
    ----------
    bins, level
        The finest level.
    x
        Precisions of all strata but the first, and elements of T.
    slopes
        Derivatives in the blocks of coarser levels, shapes (q_up, r_up, groups).
    weight
        W.
    """
    (ratios, t), (rows, columns) = x, lower_triangle(level.columns)
    share = np.tensordot(bins.total, weight, axes=2)
    for slope, cells, starts in zip(slopes, bins.cells, bins.cell_starts, strict=True):
        above = slope[..., _parents(starts, len(bins.cell_shapes))]
        for h, by_cell in enumerate((cells * above).sum(axis=(1, 2))):
            share[h] += np.bincount(bins.cell_shapes, by_cell, share.shape[1])
    # C S C' for a precision of one; off-diagonal pairs were counted twice.
    g = np.empty_like(bins.shapes)
    g[rows, columns] = g[columns, rows] = np.where(rows == columns, 1.0, 0.5)[:, None] * share
    w = weighted(np.eye(len(ratios) + 1), ratios).stack[:, bins.strata]
    a = w[:, None, None] * bins.shapes
    of = inverses(a[0], a[1:], t[:, None], level.basis)
    made, _ = _bend_inverses(of, a[1:], w[0] ** 2 * g, level.basis, bins.counts)
    low = len(ratios)
    moved = np.zeros_like(made)
    moved[:low] = 2.0 * _paired(w[1:], w[0] * np.einsum("iqsg,qsg->ig", of.first, g))
    moved[:low, :low] += _paired(w[1:], w[1:] * np.einsum("qsg,qsg->g", of.m, g))
    return made - moved - moved.T


def _bend_groups(
    level: LevelProducts, block: Floats, t: Floats, slopes: Sequence[Floats], weight: Floats
) -> tuple[Floats, Floats]:
    """Second derivatives that come from groups of a level, and the slope in their blocks.

    Parameters
    ----------
    level
        The level.
    block
        The groups' blocks and their first derivatives, shape (1 + m, q, r, G).
    t
        Elements of T.
    slopes
        Derivatives in the blocks of coarser levels, of each group's parent, shape (q_up, r_up, G).
    weight
        W.
    """
    a, c = block[:, :, : level.columns], block[:, :, level.columns :]
    low = len(block) - 1
    of = inverses(a[0], a[1:], t[:, None], level.basis)
    cs = _times_slopes(c, slopes, weight)
    g = np.einsum("qrg,srg->qsg", cs[0], c[0])
    made, own = _bend_inverses(of, a[1:], g, level.basis, np.ones(g.shape[-1]))
    moved = np.zeros_like(made)
    moved[:low] = 2.0 * _paired(c[1:], multiply(of.first, cs[0]))
    moved[:low, :low] += _paired(multiply(of.m, cs[1:]), c[1:])
    slope = np.concatenate([own, -2.0 * multiply(of.m, cs[0])], axis=1)
    return made - moved - moved.T, slope


def _bend_inverses(
    of: Inverses, a_first: Floats, g: Floats, basis: Floats, counts: Floats
) -> tuple[Floats, Floats]:
    """Second derivatives of log det(I + A T) - <M, G> with G held, and the derivative in A.

    Parameters
    ----------
    of
        Inverses of the groups.
    a_first
        First derivatives of A, shape (low, q, q, G).
    g
        C S C', shape (q, q, G).
    basis
        T = sum_k t_k basis[k], shape (own, q, q).
    counts
        How often the log determinant of each group counts, shape (G,).
    """
    low = len(a_first)
    gm = multiply(g, of.m)
    turned = 2.0 * multiply(multiply(transpose(of.h), g), of.h) - counts * of.n
    turned = multiply(multiply(of.n, basis[..., None]), turned).sum(axis=-1)
    made = np.zeros((len(of.first),) * 2)
    made[low:, low:] = np.tensordot(basis, turned, axes=([1, 2], [1, 2]))
    made[:low] = _paired(a_first, counts * of.first + 2.0 * multiply(of.first, gm))
    made[low:, :low] = made[:low, low:].T
    return made, counts * of.m + multiply(of.m, gm)


def _times_slopes(c: Floats, slopes: Sequence[Floats], weight: Floats) -> Floats:
    """C S of every group, shape (.., q, r, G); arguments as of `_bend_groups`."""
    made, start = np.zeros_like(c), 0
    for slope in slopes:
        stop = start + len(slope)
        own, right = slope[:, : len(slope)], 0.5 * slope[:, len(slope) :]
        inner, outer = c[..., start:stop, :], c[..., stop:, :]
        made[..., start:stop, :] += multiply(inner, own)
        made[..., start:stop, :] += np.einsum("...qrg,srg->...qsg", outer, right)
        made[..., stop:, :] += multiply(inner, right)
        start = stop
    made[..., start:, :] += weight @ c[..., start:, :]
    return made


def _paired(left: Floats, right: Floats) -> Floats:
    """Return sums of products: (i, ...) and (j, ...) -> (i, j)."""
    size = math.prod(left.shape[1:])
    made: Floats = left.reshape(len(left), size) @ right.reshape(len(right), size).T
    return made
