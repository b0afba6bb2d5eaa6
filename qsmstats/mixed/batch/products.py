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
    "GroupProducts",
    "OutcomeProducts",
    "group_products",
    "no_outcome",
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
class OutcomeProducts:
    """Cross-products of m outcomes and their design; k = p + 1 columns, the outcome last.

    Attributes
    ----------
    top
        Z2'[Z2 | X | y] of each group, shape (m, G, strata, q2, q2 + k).
    cells
        The sides' products within its cells, shape (m, G, K * h, q2, q2 + k).
    cell_shape
        Shape of each cell, shape (m, G, K).
    total
        U'U, shape (m, strata, k, k).
    shape_totals
        The same within the cells of each shape, shape (m, S * h, k, k).
    shape_counts
        Subgroups of each shape, shape (m, S).
    shapes, shape_strata
        Distinct Z'Z of a stratum, shape (S, q1, q1), and these strata, shape (S,); shared by all
        outcomes.
    rows
        Rows of each outcome, shape (m, strata).
    log_weight
        Sum of the logarithms of their prior weights, shape (m,).
    scale, projection
        Unit of each outcome, shape (m,), and its regression on the basis, shape (m, p).
    """

    top: Floats
    cells: Floats
    cell_shape: Places
    total: Floats
    shape_totals: Floats
    shape_counts: Floats
    shapes: Floats
    shape_strata: Places
    rows: Floats
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


def no_outcome(stack: BlockArrays, m: int, size: int) -> GroupProducts:
    """Products of m outcomes of zeros, where only the design of G groups matters."""
    widest, pairs, r = stack.cells.shape[1:4]
    strata = stack.rows.shape[1]
    return GroupProducts(
        outer=np.zeros((m, size, strata, r)),
        square=np.zeros((m, size, strata)),
        cells=np.zeros((m, size, widest, pairs, r)),
        cell_squares=np.zeros((m, size, widest, pairs)),
        scale=np.ones(m),
        projection=np.zeros((m, r - stack.width)),
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


def outcome_products(stack: BlockArrays, index: Places, parts: GroupProducts) -> OutcomeProducts:
    """Join the blocks of each outcome's list, shape (m, G), to the outcome's own products."""
    (m, size), q2 = index.shape, stack.width
    same = m > 1 and bool(np.all(index == index[:1]))
    used = index[:1] if same else index
    top = _with_outcome(stack.whole[..., :q2, :][used], parts.outer[..., :q2, None], m)
    widest, pairs = stack.cells.shape[1:3]
    strata, r = stack.whole.shape[1:3]
    cells = _with_outcome(stack.cells[..., :q2, :][used], parts.cells[..., :q2, None], m)
    fixed = stack.whole[..., q2:, q2:]
    # How often each block is in each list.
    counts = np.zeros((len(used), len(fixed)))
    np.add.at(counts, (np.arange(len(used))[:, None], used), 1.0)
    total = np.empty((m, strata, r - q2 + 1, r - q2 + 1))
    total[..., :-1, :-1] = (counts @ fixed.reshape(len(fixed), -1)).reshape(-1, *fixed.shape[1:])
    total[..., :-1, -1] = total[..., -1, :-1] = parts.outer[..., q2:].sum(axis=1)
    total[..., -1, -1] = parts.square.sum(axis=1)
    shape_totals, shape_counts = _by_shape(stack, used, parts, m)
    return OutcomeProducts(
        top=top,
        cells=cells.reshape(m, size, widest * pairs, q2, r + 1),
        cell_shape=np.broadcast_to(stack.cell_shape[used], (m, size, widest)),
        total=total,
        shape_totals=shape_totals,
        shape_counts=shape_counts,
        shapes=stack.shapes,
        shape_strata=stack.shape_strata,
        rows=np.broadcast_to(stack.rows[used].sum(axis=1), (m, strata)),
        log_weight=np.broadcast_to(stack.log_weight[used].sum(axis=1), (m,)),
        scale=parts.scale,
        projection=parts.projection,
    )


def _with_outcome(design: Floats, outcome: Floats, m: int) -> Floats:
    """Columns of the design and the outcome's behind them; the design may be the same for all."""
    made = np.empty((m, *design.shape[1:-1], design.shape[-1] + 1))
    made[..., :-1] = design
    made[..., -1:] = outcome
    return made


def _by_shape(
    stack: BlockArrays, index: Places, parts: GroupProducts, m: int
) -> tuple[Floats, Floats]:
    """Add up the cells of each shape, shapes (m, S * h, k, k) and (m, S)."""
    q2, shapes = stack.width, len(stack.shapes)
    widest, pairs, r = stack.cells.shape[1:4]
    k = r - q2 + 1
    made = np.zeros((m, shapes, pairs, k, k))
    if not shapes:
        return made.reshape(m, 0, k, k), np.zeros((m, 0))
    design = np.ascontiguousarray(stack.cells[..., q2:, q2:]).reshape(-1, pairs * (k - 1) ** 2)
    flat = (index[:, :, None] * widest + np.arange(widest)).reshape(len(index), -1)
    summing = _summing(stack.cell_shape[index], flat, stack.cells.shape[0] * widest, shapes)
    summed = (summing @ design).reshape(len(index), shapes, pairs, k - 1, k - 1)
    made[..., :-1, :-1] = summed
    counts = (summing @ stack.cell_count.reshape(-1)).reshape(len(index), shapes)
    own = np.arange(m * flat.shape[1]).reshape(m, -1)
    shape = np.broadcast_to(stack.cell_shape[index], (m, *stack.cell_shape[index].shape[1:]))
    each = _summing(shape, own, own.size, shapes)
    right = (each @ parts.cells[..., q2:].reshape(own.size, -1)).reshape(m, shapes, pairs, k - 1)
    made[..., :-1, -1] = made[..., -1, :-1] = right
    made[..., -1, -1] = (each @ parts.cell_squares.reshape(own.size, -1)).reshape(m, shapes, pairs)
    return made.reshape(m, shapes * pairs, k, k), np.broadcast_to(counts, (m, shapes))


def _summing(shape: Places, columns: Places, width: int, shapes: int) -> csr_array:
    """Matrix that adds up cells by list and shape, shape (lists * shapes, width)."""
    rows = (np.arange(len(shape))[:, None] * shapes + shape.reshape(len(shape), -1)).ravel()
    ones = np.ones(rows.size)
    return csr_array((ones, (rows, columns.ravel())), shape=(len(shape) * shapes, width))
