"""The cross-products of many outcomes side by side, ready for one evaluation of all criteria.

An outcome is a list of blocks (`blocks`), one for each group of the coarsest factor, and its own
products with their columns. What belongs to the design is computed once a block and gathered;
what belongs to an outcome is linear or quadratic in it and costs one pass over its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.sparse import csr_array

from qsmstats.arrays import Flags, Floats, Places
from qsmstats.mixed.batch.blocks import GroupBlock, GroupedRows
from qsmstats.mixed.criterion.covariance import lower_triangle

__all__ = [
    "BlockArrays",
    "ColumnProducts",
    "GroupProducts",
    "OutcomeProducts",
    "column_products",
    "group_products",
    "outcome_products",
    "stack_blocks",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockArrays:
    """Blocks of groups side by side: B blocks, at most K cells each, r = q2 + p columns.

    Attributes
    ----------
    blocks
        The blocks one by one.
    whole
        Products of the outer columns, shape (B, strata, r, r).
    cells
        Products of each cell, shape (B, K, h, r, r); zero beyond a block's own cells.
    cell_shape
        Position of each cell's stratum and Z'Z in `shapes`, shape (B, K).
    cell_count
        Subgroups of each cell, shape (B, K).
    shapes, shape_strata
        Distinct Z'Z of a stratum, shape (S, q1, q1), and these strata, shape (S,).
    rows
        Rows of each block, shape (B, strata).
    subgroups, log_weight
        Of each block, shapes (B,).
    width
        q2.
    """

    blocks: tuple[GroupBlock, ...]
    whole: Floats
    cells: Floats
    cell_shape: Places
    cell_count: Floats
    shapes: Floats
    shape_strata: Places
    rows: Floats
    subgroups: Floats
    log_weight: Floats
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupProducts:
    """Products of m outcomes with the columns of their G groups.

    Attributes
    ----------
    outer
        Products of the outer columns with the outcome, shape (m, G, strata, r).
    square
        Sum of squares of the outcome, shape (m, G, strata).
    cells, cell_squares
        The same within cells, shapes (m, G, K, h, r) and (m, G, K, h).
    scale, projection
        Unit of each outcome, shape (m,), and its regression on the basis, shape (m, p).
    """

    outer: Floats
    square: Floats
    cells: Floats
    cell_squares: Floats
    scale: Floats
    projection: Floats

    def take(self, index: Places) -> GroupProducts:
        """Return the groups `index`, shape (m', G'), of a single outcome."""
        return GroupProducts(
            outer=self.outer[0][index],
            square=self.square[0][index],
            cells=self.cells[0][index],
            cell_squares=self.cell_squares[0][index],
            scale=np.tile(self.scale, len(index)),
            projection=np.tile(self.projection, (len(index), 1)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProducts:
    """Cross-products of the columns of m lists of G blocks.

    The first axis has length one where all lists are the same. There are C = strata + K * h
    products that E of a group is a linear combination of: those of each stratum, and those within
    each of its cells.

    Attributes
    ----------
    edges
        Z2'[Z2 | U] of each group, stratum by stratum and then cell by cell, shape
        (m, G, C, q2, q2 + k).
    cell_shape
        Shape of each cell, shape (m, G, K).
    total
        U'U, shape (m, strata, k, k).
    shape_totals
        The same within the cells of each shape, shape (m, S * h, k, k).
    shape_counts
        Subgroups of each shape, shape (m, S).
    shapes, shape_strata
        Distinct Z'Z of a stratum, shape (S, q1, q1), and these strata, shape (S,).
    rows
        Rows of each list, shape (m, strata).
    """

    edges: Floats
    cell_shape: Places
    total: Floats
    shape_totals: Floats
    shape_counts: Floats
    shapes: Floats
    shape_strata: Places
    rows: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeProducts(ColumnProducts):
    """The same of m outcomes and their design: U = [X | y], k = p + 1.

    Attributes
    ----------
    log_weight
        Sum of the logarithms of their prior weights, shape (m,).
    scale, projection
        Unit of each outcome, shape (m,), and its regression on the basis, shape (m, p).
    """

    log_weight: Floats
    scale: Floats
    projection: Floats

    def take(self, which: Places | Flags) -> OutcomeProducts:
        """Return some of the outcomes."""
        parts = {
            field.name: getattr(self, field.name)[which]
            for field in fields(self)
            if field.name not in ("shapes", "shape_strata")
        }
        return OutcomeProducts(**parts, shapes=self.shapes, shape_strata=self.shape_strata)


def stack_blocks(design: GroupedRows, blocks: Sequence[GroupBlock]) -> BlockArrays:
    """Put blocks side by side."""
    q, r = design.inner.shape[1], design.outer.shape[1]
    widest = max(len(block.counts) for block in blocks)
    sizes = [len(block.counts) for block in blocks]
    keys = np.concatenate([block.keys for block in blocks])
    shapes, cell_shape = np.empty((0, q, q)), np.zeros((len(blocks), widest), dtype=np.intp)
    shape_strata = np.zeros(0, dtype=np.intp)
    cells = np.zeros((len(blocks), widest, q * (q + 1) // 2, r, r))
    count = np.zeros((len(blocks), widest))
    if widest:
        distinct, first, number = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        shape_strata = distinct[:, 0].astype(np.intp)
        shapes = np.concatenate([block.shapes for block in blocks])[first].reshape(-1, q, q)
        filled = np.arange(widest) < np.array(sizes)[:, None]
        cell_shape[filled] = number.ravel()
        cells[filled] = np.concatenate([block.cells for block in blocks])
        count[filled] = np.concatenate([block.counts for block in blocks])
    return BlockArrays(
        blocks=tuple(blocks),
        whole=np.stack([block.whole for block in blocks]),
        cells=cells,
        cell_shape=cell_shape,
        cell_count=count,
        shapes=shapes,
        shape_strata=shape_strata,
        rows=np.array([[float(part.stop - part.start) for part in b.parts] for b in blocks]),
        subgroups=np.array([float(block.subgroups) for block in blocks]),
        log_weight=np.array([block.log_weight for block in blocks]),
        width=design.width,
    )


def group_products(
    stack: BlockArrays, index: Places, values: Floats, scale: Floats, projection: Floats
) -> GroupProducts:
    """Products of outcomes with the blocks of their lists.

    Parameters
    ----------
    stack
        All blocks.
    index
        Block of each outcome and group, shape (m, G).
    values
        The outcomes by sorted row, multiplied by the root of the weights, shape (m, n).
    scale, projection
        See `GroupProducts`.
    """
    m, size = index.shape
    widest, pairs, r = stack.cells.shape[1:4]
    strata = stack.rows.shape[1]
    outer, square = np.zeros((m, size, strata, r)), np.zeros((m, size, strata))
    cells, squares = np.zeros((m, size, widest, pairs, r)), np.zeros((m, size, widest, pairs))
    for group in range(size):
        for number in np.unique(index[:, group]):
            block = stack.blocks[number]
            which = np.flatnonzero(index[:, group] == number)
            if not len(block.rows):
                continue
            y = values[which[:, None], block.rows]
            for stratum, part in enumerate(block.parts):
                outer[which, group, stratum] = y[:, part] @ block.outer[part]
                square[which, group, stratum] = np.square(y[:, part]).sum(axis=1)
            if own := len(block.counts):
                found = _cell_parts(block, y, pairs)
                cells[which, group, :own], squares[which, group, :own] = found
    return GroupProducts(
        outer=outer,
        square=square,
        cells=cells,
        cell_squares=squares,
        scale=scale,
        projection=projection,
    )


def _cell_parts(block: GroupBlock, y: Floats, pairs: int) -> tuple[Floats, Floats]:
    """Products with the sides and squares of each cell, shapes (m, K, h, r) and (m, K, h)."""
    q = block.inner.shape[1]
    sums = [np.add.reduceat(y * block.inner[:, a], block.subgroup_starts, axis=1) for a in range(q)]
    ends = np.append(block.cell_starts, block.subgroups)
    made = np.empty((len(y), len(block.counts), pairs, block.outer.shape[1]))
    squares = np.empty(made.shape[:3])
    for h, (a, b) in enumerate(zip(*lower_triangle(q), strict=True)):
        twice = 1.0 if a == b else 2.0
        squares[:, :, h] = twice * np.add.reduceat(sums[a] * sums[b], block.cell_starts, axis=1)
        for cell, inside in enumerate(map(slice, ends[:-1], ends[1:])):
            made[:, cell, h] = sums[a][:, inside] @ block.sides[inside, b]
            if a != b:
                made[:, cell, h] += sums[b][:, inside] @ block.sides[inside, a]
    return made, squares


def column_products(stack: BlockArrays, index: Places) -> ColumnProducts:
    """Join the blocks of lists, shape (m, G); U = X, k = p."""
    same = bool(np.all(index == index[:1]))
    used = index[:1] if same else index
    (blocks, widest, pairs), q2 = stack.cells.shape[:3], stack.width
    r, shapes = stack.whole.shape[-1], len(stack.shapes)
    cells = stack.cells[..., :q2, :].reshape(blocks, widest * pairs, q2, r)
    edges = np.concatenate([stack.whole[..., :q2, :], cells], axis=1)
    # How often each block is in each list.
    counts = np.zeros((len(used), blocks))
    np.add.at(counts, (np.arange(len(used))[:, None], used), 1.0)
    total = np.tensordot(counts, stack.whole[..., q2:, q2:], axes=1)
    within = stack.cells[..., q2:, q2:].reshape(blocks * widest, pairs * (r - q2) ** 2)
    cell_shape = stack.cell_shape[used]
    flat = (used[:, :, None] * widest + np.arange(widest)).reshape(len(used), -1)
    summing = _summing(cell_shape, flat, blocks * widest, shapes)
    return ColumnProducts(
        edges=edges[used],
        cell_shape=cell_shape,
        total=total,
        shape_totals=(summing @ within).reshape(len(used), shapes * pairs, r - q2, r - q2),
        shape_counts=(summing @ stack.cell_count.reshape(-1)).reshape(len(used), shapes),
        shapes=stack.shapes,
        shape_strata=stack.shape_strata,
        rows=stack.rows[used].sum(axis=1),
    )


def outcome_products(stack: BlockArrays, index: Places, parts: GroupProducts) -> OutcomeProducts:
    """Join the blocks of each outcome's list, shape (m, G), to the outcome's own products."""
    made, q2 = column_products(stack, index), stack.width
    m, size, widest, pairs, r = parts.cells.shape
    shapes = len(stack.shapes)
    cells = parts.cells[..., :q2].reshape(m, size, widest * pairs, q2)
    edges = np.empty((m, *made.edges.shape[1:-1], made.edges.shape[-1] + 1))
    edges[..., :-1] = made.edges
    edges[..., -1] = np.concatenate([parts.outer[..., :q2], cells], axis=2)
    each = np.arange(m * size * widest).reshape(m, -1)
    cell_shape = np.broadcast_to(made.cell_shape, (m, size, widest))
    summing = _summing(cell_shape, each, each.size, shapes)
    sides = summing @ parts.cells[..., q2:].reshape(each.size, pairs * (r - q2))
    squares = summing @ parts.cell_squares.reshape(each.size, pairs)
    return OutcomeProducts(
        edges=edges,
        cell_shape=cell_shape,
        total=_bordered(made.total, parts.outer[..., q2:].sum(axis=1), parts.square.sum(axis=1)),
        shape_totals=_bordered(
            made.shape_totals,
            sides.reshape(m, shapes * pairs, r - q2),
            squares.reshape(m, shapes * pairs),
        ),
        shape_counts=np.broadcast_to(made.shape_counts, (m, shapes)),
        shapes=stack.shapes,
        shape_strata=stack.shape_strata,
        rows=np.broadcast_to(made.rows, (m, made.rows.shape[1])),
        log_weight=stack.log_weight[index].sum(axis=1),
        scale=parts.scale,
        projection=parts.projection,
    )


def _bordered(design: Floats, sides: Floats, squares: Floats) -> Floats:
    """U'U of the design and the outcome: (m or 1, c, p, p), (m, c, p), (m, c) -> (m, c, k, k)."""
    made = np.empty((*squares.shape, sides.shape[-1] + 1, sides.shape[-1] + 1))
    made[..., :-1, :-1] = design
    made[..., :-1, -1] = made[..., -1, :-1] = sides
    made[..., -1, -1] = squares
    return made


def _summing(shape: Places, columns: Places, width: int, shapes: int) -> csr_array:
    """Matrix that adds up cells by list and shape, shape (lists * shapes, width)."""
    rows = (np.arange(len(shape))[:, None] * shapes + shape.reshape(len(shape), -1)).ravel()
    ones = np.ones(rows.size)
    return csr_array((ones, (rows, columns.ravel())), shape=(len(shape) * shapes, width))
