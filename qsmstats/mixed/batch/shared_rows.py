"""What outcomes without holes share under one grouping factor, and their own cross-products.

Groups with the same Z'Z = A_s (patients with the same visits, say) make one shape s. Of the sums

  C_s = sum of Z'U (x) Z'U over the groups of shape s,        U = [X | y],

the part of the fixed columns is the same for all outcomes and is kept once. Arrays of outcomes have
the outcome last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Floats, Places
from qsmstats.mixed.batch.blocks import GroupedRows
from qsmstats.mixed.criterion.covariance import lower_triangle
from qsmstats.mixed.criterion.crossproducts import rounded

__all__ = ["SharedProducts", "SharedRows", "shared_products", "shared_rows"]


# Random columns up to which pairs of their pairs are few.
_MOST_COLUMNS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedRows:
    """What outcomes without holes share: c = h S pairs of random columns and shapes.

    Attributes
    ----------
    rows
        The rows by group.
    groups
        Groups by shape, shape (G,).
    first
        First of these of each shape, shape (S,).
    shapes, counts
        Z'Z of each shape, shape (q, q, S), and its groups, shape (S,).
    own
        Z'X of the groups by shape, shape (q, G, p).
    sides, total
        C of the fixed columns, shape (c, p * p), and X'X, shape (p, p).
    elements, pairs
        <dT_i, A> and tr(dT_i A dT_j B) for all parameters i, j as linear functions of the lower
        triangles of symmetric A and B, shapes (k, h) and (k * k, h * h).
    """

    rows: GroupedRows
    groups: Places
    first: Places
    shapes: Floats
    counts: Floats
    own: Floats
    sides: Floats
    total: Floats
    elements: Floats
    pairs: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedProducts:
    """Cross-products of m outcomes with rows that they share.

    Attributes
    ----------
    shared
        The rows.
    sides, squares
        C of the outcome with the fixed columns and itself, shapes (c, p, m) and (c, m).
    cross, square
        X'y and y'y, shapes (p, m) and (m,).
    scale, projection
        Unit of each outcome, shape (m,), and its regression on the basis, shape (m, p).
    """

    shared: SharedRows
    sides: Floats
    squares: Floats
    cross: Floats
    square: Floats
    scale: Floats
    projection: Floats

    @property
    def rows(self) -> Floats:
        """Rows of each outcome, shape (m, 1)."""
        return np.full((len(self.scale), 1), float(len(self.shared.rows.order)))

    @property
    def log_weight(self) -> float:
        """Sum of the logarithms of the rows' prior weights."""
        scale = self.shared.rows.row_scale
        return 0.0 if scale is None else 2.0 * float(np.log(scale).sum())

    def take(self, which: Places) -> SharedProducts:
        """Return some of the outcomes."""
        # Unlike an index, np.take leaves the outcomes side by side in memory.
        return SharedProducts(
            shared=self.shared,
            sides=np.take(self.sides, which, axis=-1),
            squares=np.take(self.squares, which, axis=-1),
            cross=np.take(self.cross, which, axis=-1),
            square=self.square[which],
            scale=self.scale[which],
            projection=self.projection[which],
        )


def shared_rows(rows: GroupedRows) -> SharedRows | None:
    """Return what all outcomes without holes share; None where it is not one factor's."""
    if rows.subgroups is not None or rows.strata > 1 or rows.width > _MOST_COLUMNS:
        return None
    q2, r = rows.outer.shape[1] - rows.rank, rows.outer.shape[1]
    random, starts = rows.outer[:, :q2], rows.starts[:-1]
    products = (random[:, :, None] * rows.outer[:, None]).reshape(len(random), -1)
    each = np.add.reduceat(products, starts).reshape(-1, q2, r)
    own = each[..., :q2].reshape(len(each), -1)
    keys = rounded(own, float(np.abs(own).max()) or 1.0)
    _, representative, number, counts = np.unique(
        keys, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    groups, first = np.argsort(number.ravel(), kind="stable"), np.cumsum(counts) - counts
    fixed, x = rows.outer[:, q2:], each[groups, :, q2:]
    pairs = lower_triangle(q2)
    sides = [
        np.add.reduceat(
            x[:, a, :, None] * x[:, b, None] + (a != b) * x[:, b, :, None] * x[:, a, None], first
        )
        for a, b in zip(*pairs, strict=True)
    ]
    basis, unit = rows.bases[1], np.zeros((len(pairs[0]), q2, q2))
    unit[np.arange(len(unit)), pairs[0], pairs[1]] = unit[
        np.arange(len(unit)), pairs[1], pairs[0]
    ] = 1.0
    return SharedRows(
        rows=rows,
        groups=groups,
        first=first,
        shapes=np.ascontiguousarray(np.moveaxis(each[representative, :, :q2], 0, -1)),
        counts=counts.astype(np.float64),
        own=np.ascontiguousarray(x.swapaxes(0, 1)),
        sides=np.concatenate(sides).reshape(-1, rows.rank**2),
        total=fixed.T @ fixed,
        elements=np.einsum("iab,hab->ih", basis, unit),
        pairs=np.einsum("iab,hbc,jcd,gda->ijhg", basis, unit, basis, unit, optimize=True).reshape(
            len(basis) ** 2, -1
        ),
    )


def shared_products(
    shared: SharedRows, y: Floats, scale: Floats, projection: Floats
) -> tuple[SharedProducts, Floats]:
    """Multiply outcomes with the rows.

    Parameters
    ----------
    shared
        The rows.
    y
        The outcomes by sorted row, multiplied by the root of the weights, shape (n, m).
    scale, projection
        See `SharedProducts`.

    Returns
    -------
    SharedProducts, squares
        The products; sums of squares of Z'y over the groups, shape (m, q).
    """
    rows, x, first = shared.rows, shared.own, shared.first
    q, p = rows.width, rows.rank
    own = np.stack(
        [np.add.reduceat(y * rows.outer[:, a, None], rows.starts[:-1]) for a in range(q)]
    )
    own = own[:, shared.groups]
    pairs = list(zip(*lower_triangle(q), strict=True))
    sides = np.empty((len(pairs), len(first), p, y.shape[1]))
    squares = np.empty((len(pairs), len(first), y.shape[1]))
    for h, (a, b) in enumerate(pairs):
        product = x[a, :, :, None] * own[b, :, None]
        if a != b:
            product += x[b, :, :, None] * own[a, :, None]
        sides[h] = np.add.reduceat(product, first)
        squares[h] = (1.0 + (a != b)) * np.add.reduceat(own[a] * own[b], first)
    return SharedProducts(
        shared=shared,
        sides=sides.reshape(-1, p, y.shape[1]),
        squares=squares.reshape(-1, y.shape[1]),
        cross=rows.outer[:, q:].T @ y,
        square=np.einsum("nm,nm->m", y, y),
        scale=scale,
        projection=projection,
    ), np.einsum("qgm,qgm->mq", own, own)
