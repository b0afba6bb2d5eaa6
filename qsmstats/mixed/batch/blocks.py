"""Cross-products of every group of the coarsest factor, under every pattern of missing rows.

Where all grouping factors are nested in one (visits in leaves in trees), rows of different groups
of that factor are independent, and everything that the likelihood needs is a sum over its groups.
An outcome in which rows are missing uses, for every group, the cross-products of the rows that it
has. These depend on the design alone and are computed once for each group and pattern of missing
rows, however many outcomes share it; an outcome is then a list of one pattern for each group. A
cluster bootstrap is the same with a list in which groups come several times, and the jackknife one
in which a group is left out.

Within a group, subgroups of the finer factor with the same Z'Z enter only through sums of products
(see `crossproducts`); they are added up into cells. Where residual variances differ between strata,
products are kept by stratum, and a cell lies in one of them. A factor between the two (patients,
types within patients, lesions) joins the coarsest one, with columns for each of its groups there.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Floats, Integers, Places
from qsmstats.mixed.criterion.covariance import lower_triangle
from qsmstats.mixed.criterion.crossproducts import level_basis, level_columns, rounded
from qsmstats.mixed.criterion.elimination_order import (
    Level,
    eliminate,
    joined_level,
    merge_factors,
    split_crossed,
)
from qsmstats.mixed.design.grouping import run_starts
from qsmstats.mixed.design.layout import Layout

__all__ = ["GroupBlock", "GroupedRows", "blocks_of", "grouped_rows"]


# Widest levels for which small dense blocks pay; wider ones are rare and are fitted singly.
_MOST_OUTER, _MOST_INNER = 16, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedRows:
    """The rows of a design, sorted by the groups of the coarsest factor and then of the finer.

    Columns and outcomes are multiplied by the root of the rows' prior weights.

    Attributes
    ----------
    order
        Position of each sorted row in the layout, shape (n,).
    starts
        First sorted row of each group of the coarsest factor, and n, shape (G + 1,).
    subgroups
        Subgroup of each sorted row, ascending, shape (n,); None without a finer factor.
    inner
        Columns of the finer factor, shape (n, q1); q1 is 0 without one.
    outer
        Columns of the coarsest factor, then the fixed ones, shape (n, q2 + p).
    coarsest
        The coarsest factor, and what joined it, as one level; its columns are the first q2 of
        `outer`.
    bases
        T of the finer and of the coarsest factor in their parameters, shapes (k1, q1, q1) and
        (k2, q2, q2).
    row_scale
        Root of the prior weight of each sorted row, shape (n,), or None.
    unit
        Largest element of any subgroup's Z'Z, the unit of the rounding that makes cells.
    stratum, strata
        Residual stratum of each sorted row, shape (n,), and how many there are.
    """

    order: Places
    starts: Places
    subgroups: Integers | None
    inner: Floats
    outer: Floats
    coarsest: Level
    bases: tuple[Floats, Floats]
    row_scale: Floats | None
    unit: float
    stratum: Integers
    strata: int

    @property
    def size(self) -> int:
        """Groups of the coarsest factor."""
        return len(self.starts) - 1

    @property
    def width(self) -> int:
        """Columns of the coarsest factor, q2."""
        return self.coarsest.columns

    @property
    def rank(self) -> int:
        """Fixed columns."""
        return int(self.outer.shape[1] - self.width)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupBlock:
    """Cross-products of one group of the coarsest factor with some of its rows.

    Attributes
    ----------
    rows
        Its sorted rows, by stratum, cell and subgroup, shape (n_b,).
    parts
        Which of these lie in each stratum.
    outer, inner
        Columns of these rows, shapes (n_b, q2 + p) and (n_b, q1).
    whole
        Products of the outer columns with themselves, shape (strata, q2 + p, q2 + p).
    subgroup_starts, cell_starts
        First row of each subgroup (shape (J,)) and first subgroup of each cell (shape (K,)).
    sides
        Inner columns times outer ones, summed over each subgroup, shape (J, q1, q2 + p).
    keys, shapes
        Stratum and Z'Z of each cell as integers, shape (K, 1 + q1 * q1), and Z'Z as it is,
        shape (K, q1 * q1).
    counts
        Subgroups of each cell, shape (K,).
    cells
        Sum of products of the sides in each cell, shape (K, h, q2 + p, q2 + p); h runs over the
        lower triangle of the inner columns, off-diagonal pairs counted twice.
    log_weight
        Sum of the logarithms of the rows' prior weights.
    """

    rows: Places
    parts: tuple[slice, ...]
    outer: Floats
    inner: Floats
    whole: Floats
    subgroup_starts: Places
    cell_starts: Places
    sides: Floats
    keys: Integers
    shapes: Floats
    counts: Floats
    cells: Floats
    log_weight: float

    @property
    def subgroups(self) -> int:
        """Subgroups that have rows."""
        return len(self.subgroup_starts)


def grouped_rows(layout: Layout) -> GroupedRows | str:
    """Sort the rows of a layout into groups, or say in words why that cannot be done."""
    columns = [part.columns for part in layout.random]
    factors = merge_factors(
        [frozenset(part.design.grouping.names) for part in layout.random],
        [part.codes for part in layout.random],
        [matrix.shape[1] for matrix in columns],
    )
    if split_crossed(factors, 0) is not None:
        return "grouping factors are crossed"
    levels = eliminate(factors)
    top = levels[-1]
    if len(levels) > 2:
        # From the finer ones up, as in the order of the parameters.
        joined = sorted(factors, key=lambda factor: -factor.size)[1:]
        top = joined_level(joined, top.codes, top.size)
    if top.columns > _MOST_OUTER or (len(levels) > 1 and levels[0].columns > _MOST_INNER):
        return "a grouping factor has many random columns"
    scale = layout.residuals.row_scale
    fixed = layout.basis if scale is None else layout.basis * scale[:, None]
    order = np.lexsort((levels[0].codes, top.codes))
    starts = run_starts(top.codes[order])
    subgroups, unit, inner = None, 1.0, np.empty((len(order), 0))
    codes = layout.residuals.codes
    stratum = np.zeros(len(order), dtype=np.int64) if codes is None else codes[order]
    if len(levels) > 1:
        inner = level_columns(levels[0], columns, scale)[order]
        subgroups = levels[0].codes[order]
        if np.any((np.diff(subgroups) == 0) & (np.diff(stratum) != 0)):
            return "residual variances differ within groups of the finer grouping factor"
        sizes = np.add.reduceat(np.square(inner).sum(axis=1), run_starts(subgroups))
        unit = float(sizes.max()) or 1.0
    return GroupedRows(
        order=order,
        starts=np.r_[starts, len(order)],
        subgroups=subgroups,
        inner=inner,
        outer=np.hstack([level_columns(top, columns, scale), fixed])[order],
        coarsest=top,
        bases=(
            np.empty((0, 0, 0)) if subgroups is None else level_basis(levels[0]),
            level_basis(top),
        ),
        row_scale=None if scale is None else scale[order],
        unit=unit,
        stratum=stratum,
        strata=max(len(layout.residuals.levels), 1),
    )


def blocks_of(design: GroupedRows, wanted: Sequence[Places]) -> list[GroupBlock]:
    """Return the cross-products of some rows of groups, block by block.

    Parameters
    ----------
    design
        The rows.
    wanted
        Sorted rows of each block, ascending; they belong to one group of the coarsest factor.
    """
    if not wanted:
        return []
    ends = np.cumsum([0, *map(len, wanted)])
    rows, block = np.concatenate(wanted), np.repeat(np.arange(len(wanted)), np.diff(ends))
    starts, q = np.zeros(0, dtype=np.intp), design.inner.shape[1]
    keys, shapes = np.zeros((0, 2 + q * q), dtype=np.int64), np.zeros((0, q * q))
    if design.subgroups is None:
        rows = rows[np.lexsort((design.stratum[rows], block))]
    elif len(rows):
        rows, starts, keys, shapes = _by_cell(design, rows, block, design.subgroups[rows])
    cells = np.flatnonzero(np.any(np.diff(keys, axis=0, prepend=-1), axis=1))
    bounds = np.searchsorted(starts, ends)
    bounds = np.stack([ends, bounds, np.searchsorted(cells, bounds)], axis=1).tolist()
    return [
        _block(
            design,
            rows[row:end].copy(),
            starts[subgroup:last] - row,
            cells[cell:stop] - subgroup,
            keys[cells[cell:stop], 1:],
            shapes[cells[cell:stop]],
        )
        for (row, subgroup, cell), (end, last, stop) in itertools.pairwise(bounds)
    ]


def _by_cell(
    design: GroupedRows, rows: Places, block: Places, codes: Integers
) -> tuple[Places, Places, Integers, Floats]:
    """Sort rows by block, stratum, Z'Z of their subgroup, and subgroup (its code: `codes`).

    Returns
    -------
    rows, starts, keys, shapes
        The rows, the first of each subgroup, the subgroup's block, stratum and Z'Z as integers,
        and Z'Z as it is.
    """
    first = run_starts(block * len(design.order) + codes)
    inner = design.inner[rows]
    n, q = inner.shape
    shapes = np.add.reduceat((inner[:, :, None] * inner[:, None]).reshape(n, q * q), first)
    keys = np.column_stack(
        [block[first], design.stratum[rows[first]], rounded(shapes, design.unit)]
    )
    order = np.lexsort(keys.T[::-1])
    rank = np.empty(len(first), dtype=np.intp)
    rank[order] = np.arange(len(first))
    subgroup = np.repeat(rank, np.diff(np.append(first, n)))
    by_cell = np.argsort(subgroup, kind="stable")
    return rows[by_cell], run_starts(subgroup[by_cell]), keys[order], shapes[order]


def _block(
    design: GroupedRows,
    rows: Places,
    starts: Places,
    cells: Places,
    keys: Integers,
    shapes: Floats,
) -> GroupBlock:
    """Multiply the rows of one block; arguments are attributes of `GroupBlock`."""
    inner, outer = design.inner[rows], design.outer[rows]
    q, r = inner.shape[1], outer.shape[1]
    sides = np.empty((0, q, r))
    if len(starts):
        products = (inner[:, :, None] * outer[:, None]).reshape(len(rows), q * r)
        sides = np.add.reduceat(products, starts).reshape(-1, q, r)
    summed = np.empty((len(cells), q * (q + 1) // 2, r, r))
    ends = np.append(cells, len(starts))
    for h, (a, b) in enumerate(zip(*lower_triangle(q), strict=True)):
        for cell, part in enumerate(map(slice, ends[:-1], ends[1:])):
            product = sides[part, a].T @ sides[part, b]
            summed[cell, h] = product if a == b else product + product.T
    strata = np.searchsorted(design.stratum[rows], np.arange(design.strata + 1)).tolist()
    parts = tuple(map(slice, strata[:-1], strata[1:]))
    return GroupBlock(
        rows=rows,
        parts=parts,
        outer=outer,
        inner=inner,
        whole=np.array([outer[part].T @ outer[part] for part in parts]),
        subgroup_starts=starts,
        cell_starts=cells,
        sides=sides,
        keys=keys,
        shapes=shapes,
        counts=np.diff(ends).astype(np.float64),
        cells=summed,
        log_weight=0.0
        if design.row_scale is None
        else 2.0 * float(np.log(design.row_scale[rows]).sum()),
    )
