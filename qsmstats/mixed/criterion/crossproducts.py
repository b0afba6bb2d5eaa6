"""One pass over the rows; nothing after it grows with their number.

For level l of the elimination, with columns Z_l within its groups, and U = [X | y], every group
keeps the block

  B_l = Z_l' W [Z_l | Z_l+1 | .. | U]

of weighted cross-products (W diagonal: prior weights), and the whole data keep F0 = U'W U. Where
residual variances differ between strata, blocks and F0 are kept per stratum, because the
likelihood is linear in the strata's precisions before the first sweep. The finest level, whose
groups are many and mostly lie in one stratum each, then keeps one block a group and its stratum.

Groups of the finest level that share the same Z'Z (leaves measured on two days, trees with 31
leaves) and lie in the same residual stratum enter the likelihood only through the sum of their C'C,
so they are summed into bins, one per parent and shape. With a random intercept alone an evaluation
then costs as much as there are distinct group sizes, whatever the number of rows or groups.

What depends on the design alone (`DesignProducts`) is kept apart from what depends on the outcome
(`attach`), so that many outcomes can share one design.

Arrays over groups keep the group as their last axis: arithmetic on small matrices then runs along
contiguous memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.sparse import csc_array

from qsmstats.arrays import Floats, Integers, Places
from qsmstats.mixed.criterion.covariance import lower_triangle
from qsmstats.mixed.criterion.elimination_order import Level
from qsmstats.mixed.design.grouping import run_starts

__all__ = [
    "Bins",
    "CrossProducts",
    "DesignProducts",
    "LevelProducts",
    "attach",
    "design_products",
    "level_basis",
    "level_columns",
    "rounded",
]


# Groups per bin from which binning pays.
_GROUPS_PER_BIN = 2
# Digits to which cross-products count as equal.
_DIGITS = 1e11


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelProducts:
    """Cross-products of one level.

    Attributes
    ----------
    columns, size
        Columns of Z within a group (q), and number of groups (G).
    basis
        T = sum_k t_k basis[k] over the level's own parameters, shape (own, q, q).
    starts
        Per coarser level: first group of each parent, for sums over the groups of a parent.
    blocks
        Z' W [Z | coarser Z | U], shape (strata, q, r, G), or (1, q, r, G) beside `stratum`.
    stratum
        Residual stratum of each group where each lies in one, shape (G,); otherwise None.
    """

    columns: int
    size: int
    basis: Floats
    starts: tuple[Places, ...]
    blocks: Floats
    stratum: Places | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """The finest level, summed over groups of one stratum with the same Z'Z.

    Products run over the lower triangle of Z's columns (h pairs), off-diagonal pairs counted twice.

    Attributes
    ----------
    shapes, strata
        Distinct Z'Z of a stratum, shape (q, q, shapes), and these strata, shape (shapes,).
    counts
        Groups of each shape, shape (shapes,).
    total
        Sum of products of U with itself, shape (h, shapes, k, k).
    cell_shapes
        Shape of each cell (a cell is one shape within one parent), shape (cells,).
    cell_starts
        Per coarser level: first cell of each parent.
    cells
        Per coarser level: sum of products of its Z with [its Z | coarser Z | U],
        shape (h, q_up, r_up, cells).
    """

    shapes: Floats
    strata: Places
    counts: Floats
    total: Floats
    cell_shapes: Places
    cell_starts: tuple[Places, ...]
    cells: tuple[Floats, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossProducts:
    """All that the likelihood needs of the data.

    Attributes
    ----------
    levels
        The levels, finest first.
    bins
        The finest level in bins, or None where binning does not pay.
    total
        U'W U, shape (strata, k, k).
    """

    levels: tuple[LevelProducts, ...]
    bins: Bins | None
    total: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignProducts:
    """The part that depends on the design alone.

    Attributes
    ----------
    levels
        The levels with U = X.
    incidence
        Per level and column of Z: the sparse matrix that sums rows into (stratum, group), shape
        (strata * G, n), or into groups where each lies in one stratum, shape (G, n).
    columns
        X with rows multiplied by the root of their prior weight, shape (n, p).
    row_scale
        That root, shape (n,), or None.
    strata
        Residual stratum of each row and number of strata, or None.
    """

    levels: tuple[LevelProducts, ...]
    incidence: tuple[tuple[csc_array, ...], ...]
    columns: Floats
    row_scale: Floats | None
    strata: tuple[Integers, int] | None


def design_products(
    levels: Sequence[Level],
    terms: Sequence[Floats],
    fixed: Floats,
    *,
    row_scale: Floats | None = None,
    strata: tuple[Integers, int] | None = None,
) -> DesignProducts:
    """Cross-products of random and fixed columns.

    Parameters
    ----------
    levels
        The elimination, finest first.
    terms
        Columns of each random term, shape (n, q) each.
    fixed
        X, shape (n, p).
    row_scale
        Root of the prior weights, shape (n,).
    strata
        Residual stratum of each row, and the number of strata.
    """
    columns = [level_columns(level, terms, row_scale) for level in levels]
    fixed = fixed if row_scale is None else fixed * row_scale[:, None]
    made, incidence = [], []
    for index, level in enumerate(levels):
        own = None if strata is None or index > 0 else _stratum_of_groups(level, strata[0])
        split = strata if own is None else None
        incidence.append(
            tuple(_incidence(level, columns[index][:, j], split) for j in range(level.columns))
        )
        right = np.concatenate([*columns[index:], fixed], axis=1)
        made.append(
            LevelProducts(
                columns=level.columns,
                size=level.size,
                basis=level_basis(level),
                starts=tuple(run_starts(parent) for parent in level.parents),
                blocks=_sums(incidence[-1], right, level.size),
                stratum=own,
            )
        )
    return DesignProducts(
        levels=tuple(made),
        incidence=tuple(incidence),
        columns=fixed,
        row_scale=row_scale,
        strata=strata,
    )


def attach(design: DesignProducts, outcome: Floats) -> CrossProducts:
    """Join an outcome, shape (n,), to the design."""
    y = outcome[:, None] if design.row_scale is None else (outcome * design.row_scale)[:, None]
    levels = [
        replace(
            level,
            blocks=np.concatenate([level.blocks, _sums(incidence, y, level.size)], axis=2),
        )
        for level, incidence in zip(design.levels, design.incidence, strict=True)
    ]
    both = np.concatenate([design.columns, y], axis=1)
    parts = (
        [both]
        if design.strata is None
        else [both[design.strata[0] == stratum] for stratum in range(design.strata[1])]
    )
    bins = _bin(levels)
    if bins is None and (stratum := levels[0].stratum) is not None:
        blocks = np.zeros((len(parts), *levels[0].blocks.shape[1:]))
        blocks[stratum, :, :, np.arange(len(stratum))] = levels[0].blocks[0].transpose(2, 0, 1)
        levels[0] = replace(levels[0], blocks=blocks, stratum=None)
    return CrossProducts(
        levels=tuple(levels), bins=bins, total=np.stack([part.T @ part for part in parts])
    )


def _stratum_of_groups(level: Level, strata: Integers) -> Places | None:
    """Return the stratum of each group, or None where a group has rows of several."""
    stratum = np.empty(level.size, dtype=np.intp)
    stratum[level.codes] = strata
    return stratum if np.array_equal(stratum[level.codes], strata) else None


def level_columns(level: Level, terms: Sequence[Floats], row_scale: Floats | None) -> Floats:
    """Return the level's Z, shape (n, q): each term's columns in the place of the row's copy."""
    z = np.zeros((len(level.codes), level.columns))
    for member in level.members:
        values = terms[member.term]
        if member.local is None:
            z[:, member.place[0]] = values
            continue
        rows = np.arange(len(z))
        for j in range(values.shape[1]):
            z[rows, member.place[member.local, j]] = values[:, j]
    return z if row_scale is None else z * row_scale[:, None]


def _incidence(level: Level, column: Floats, strata: tuple[Integers, int] | None) -> csc_array:
    codes, count = level.codes, 1
    if strata is not None:
        codes, count = strata[0] * level.size + codes, strata[1]
    n = len(codes)
    shape = (count * level.size, n)
    return csc_array((column, codes, np.arange(n + 1)), shape=shape)


def _sums(incidence: Sequence[csc_array], right: Floats, size: int) -> Floats:
    """Weighted sums of rows by stratum and group, shape (strata, q, r, size)."""
    made = [matrix @ right for matrix in incidence]
    shape = (-1, size, right.shape[1])
    return np.stack([sums.reshape(shape).transpose(0, 2, 1) for sums in made], axis=1)


def level_basis(level: Level) -> Floats:
    """Return the basis of a level's T in its own parameters, shape (own, q, q)."""
    made = []
    for member in level.members:
        for r, c in zip(*lower_triangle(member.place.shape[1]), strict=True):
            unit = np.zeros((level.columns, level.columns))
            unit[member.place[:, r], member.place[:, c]] = 1.0
            unit[member.place[:, c], member.place[:, r]] = 1.0
            made.append(unit)
    return np.array(made)


def _bin(levels: Sequence[LevelProducts]) -> Bins | None:
    """Sum the finest level over groups of one shape, where that makes it smaller."""
    finest = levels[0]
    q = finest.columns
    stratum = finest.stratum
    if stratum is None:
        if len(finest.blocks) > 1:
            return None
        stratum = np.zeros(finest.size, dtype=np.intp)
    blocks = finest.blocks[0]
    shape, shapes = _shapes(blocks[:, :q], stratum)
    if finest.size < _GROUPS_PER_BIN * len(shapes):
        return None
    parent = (
        np.repeat(np.arange(len(finest.starts[0])), np.diff(np.r_[finest.starts[0], finest.size]))
        if finest.starts
        else np.zeros(finest.size, dtype=np.int64)
    )
    order = np.lexsort((shape, parent))
    cell = run_starts(parent[order] * len(shapes) + shape[order])
    if finest.size < _GROUPS_PER_BIN * len(cell):
        return None
    sides = blocks[:, q:, order]
    # Where each coarser level's columns start behind the finest level's own, and columns of U.
    widths = [level.columns for level in levels[1:]]
    places = np.cumsum([0, *widths])[:-1]
    outer = int(levels[-1].blocks.shape[2] - levels[-1].columns)
    return Bins(
        shapes=blocks[:, :q, shapes],
        strata=stratum[shapes],
        counts=np.bincount(shape, minlength=len(shapes)).astype(np.float64),
        total=_products_by_shape(blocks[:, -outer:], shape, len(shapes)),
        cell_shapes=shape[order][cell],
        cell_starts=tuple(np.searchsorted(cell, starts) for starts in finest.starts),
        cells=tuple(
            _products_by_cell(sides[:, start:], width, cell)
            for start, width in zip(places, widths, strict=True)
        ),
    )


def rounded(values: Floats, unit: float) -> Integers:
    """Cross-products as integers that agree where the products do to eleven digits of the unit.

    Sums of equal numbers in another order differ in the last digits.
    """
    return np.round(values / unit * _DIGITS).astype(np.int64)


def _shapes(own: Floats, stratum: Places) -> tuple[Places, Places]:
    """Shape number of each group, and a representative group of each shape.

    Shapes are the same where the stratum and eleven digits agree (`rounded`).
    """
    q, _, size = own.shape
    flat = own.reshape(q * q, size)
    top = np.abs(flat).max() or 1.0
    keys = np.vstack([stratum, rounded(flat, top)])
    order = np.lexsort(keys)
    new = np.ones(size, dtype=bool)
    new[1:] = (keys[:, order[1:]] != keys[:, order[:-1]]).any(axis=0)
    number = np.empty(size, dtype=np.intp)
    number[order] = np.cumsum(new) - 1
    return number, order[new]


def _pairs(q: int) -> list[tuple[int, int]]:
    rows, columns = lower_triangle(q)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _products_by_shape(sides: Floats, shape: Places, count: int) -> Floats:
    """Sum of C_a'C_b over the groups of each shape, shape (h, shapes, k, k)."""
    q, k, _ = sides.shape
    order = np.argsort(shape, kind="stable")
    ends = [*run_starts(shape[order]).tolist(), len(order)]
    ordered = sides[:, :, order]
    made = np.empty((q * (q + 1) // 2, count, k, k))
    for h, (a, b) in enumerate(_pairs(q)):
        left, right = ordered[a], ordered[b].T
        for number, (start, end) in enumerate(pairwise(ends)):
            np.dot(left[:, start:end], right[start:end], out=made[h, number])
        if a != b:
            made[h] += made[h].swapaxes(-1, -2)
    return made


def _products_by_cell(sides: Floats, width: int, cell: Places) -> Floats:
    """Sum of C_a[rows]'C_b over the groups of each cell, shape (h, width, r, cells)."""
    q, r, _ = sides.shape
    made = np.empty((q * (q + 1) // 2, width, r, len(cell)))
    for h, (a, b) in enumerate(_pairs(q)):
        for row in range(width):
            product = sides[a, row] * sides[b]
            if a != b:
                product = product + sides[b, row] * sides[a]
            made[h, row] = np.add.reduceat(product, cell, axis=1)
    return made
