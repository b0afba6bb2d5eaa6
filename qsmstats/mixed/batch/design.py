"""A model on its rows, before there is an outcome.

The rows are brought into independent groups once, where they have them. How many outcomes go
through together depends on the design alone, so that neither batches nor processes alter a number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Flags, Floats, Places
from qsmstats.display import Displayed
from qsmstats.mixed.batch.blocks import GroupBlock, GroupedRows, blocks_of, grouped_rows
from qsmstats.mixed.batch.products import BlockArrays, stack_blocks
from qsmstats.mixed.batch.shared_rows import SharedRows, shared_rows
from qsmstats.mixed.criterion.covariance import Parametrisation
from qsmstats.mixed.criterion.crossproducts import DesignProducts
from qsmstats.mixed.design.assembly import attach_outcome
from qsmstats.mixed.design.layout import Layout
from qsmstats.mixed.design.row_subset import take_rows
from qsmstats.mixed.fitted import Likelihood
from qsmstats.mixed.formula.specification import Specification
from qsmstats.mixed.optimum.estimate import Elimination, Engine, build_engine
from qsmstats.mixed.optimum.starting_values import design_moments

__all__ = [
    "BatchDesign",
    "IndependentGroups",
    "blocks_seen",
    "independent_groups",
    "outcome_engine",
]


# Bytes of the arrays of one chunk, and the outcomes between which it may lie.
_CHUNK_BYTES = 1 << 24
_CHUNK = (4, 64)
# The same for outcomes that share their rows.
_SHARED_BYTES = 1 << 25
_SHARED = (64, 2048)
# Patterns of missing rows per group whose blocks are kept for the outcomes to come.
_KEPT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class IndependentGroups:
    """The design by independent groups: what all outcomes share.

    Attributes
    ----------
    rows
        The rows by group.
    stack
        Each group with all its rows.
    kept
        Blocks made so far for groups of which rows are missing, by the group and the bytes of
        which rows are seen; a store only, on which no number depends.
    parametrisation, reml
        Free parameters, those of the finer factor first; REML or ML.
    between, trace
        The design's part of the moment equations for starting values.
    shared
        What outcomes without holes share, where there is one grouping factor.
    """

    rows: GroupedRows
    stack: BlockArrays
    kept: dict[tuple[int, bytes], GroupBlock]
    parametrisation: Parametrisation
    reml: bool
    between: Floats
    trace: Floats
    shared: SharedRows | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDesign(Displayed):
    """A model on its rows, ready for any number of outcomes.

    Attributes
    ----------
    model, method
        What is fitted, and by which likelihood.
    layout, elimination
        The rows, and the elimination that all outcomes share.
    grouped
        The same by independent groups, or None where outcomes must be fitted one by one.
    reason
        Why they must; "" where they need not.
    """

    model: Specification
    method: Likelihood
    layout: Layout
    elimination: Elimination
    grouped: IndependentGroups | None
    reason: str

    @property
    def n_obs(self) -> int:
        """Rows of the design."""
        return len(self.layout.basis)

    @property
    def chunk(self) -> int:
        """Outcomes that go through together."""
        if self.grouped is None or self.grouped.shared is None:
            return self.small_chunk
        shared = self.grouped.shared
        # M and its derivatives, and products with the outcome, by shape.
        each = len(shared.sides) * (shared.rows.rank + 10) + 12 * shared.shapes.size
        return _power_of_two(_SHARED_BYTES // (8 * each), _SHARED)

    @property
    def small_chunk(self) -> int:
        """Outcomes that go through together where some have holes."""
        if self.grouped is None:
            return _CHUNK[0]
        rows, stack = self.grouped.rows, self.grouped.stack
        k = rows.rank + 1
        cells = stack.cells.shape[1] * stack.cells.shape[2]
        each = rows.size * (9 * rows.strata + 2 * cells) * rows.width * (rows.width + k)
        each += len(stack.shapes) * stack.cells.shape[2] * k * k
        return _power_of_two(_CHUNK_BYTES // (8 * each), _CHUNK)


def _power_of_two(most: int, bounds: tuple[int, int]) -> int:
    """Return a power of two, so that the chunks of two models have a small common multiple."""
    return 1 << (int(np.clip(most, *bounds)).bit_length() - 1)


def outcome_engine(
    design: BatchDesign, outcome: Floats, rows: Places | None, copies: Places | None = None
) -> Engine:
    """Criterion of one outcome, shape (n_obs,), on some of the rows (or all).

    Raises
    ------
    NotIdentifiedError
        If the rows cannot tell the parameters apart.
    """
    layout: Layout = design.layout
    if rows is not None:
        layout = take_rows(layout, rows, copies)
        outcome = outcome[rows]
    whole = attach_outcome(layout, outcome, design.model.parsed)
    elimination = design.elimination if rows is None else None
    return build_engine(whole, reml=design.method == "reml", elimination=elimination)


def independent_groups(
    layout: Layout, elimination: Elimination, *, reml: bool
) -> IndependentGroups | str:
    """Return the independent groups of a design, or why it has none."""
    rows, products = grouped_rows(layout), elimination.parts
    if isinstance(rows, str) or not isinstance(products, DesignProducts):
        return str(rows)
    places = [level.column_places() for level in elimination.levels]
    between, trace = design_moments(products.levels, places)
    return IndependentGroups(
        rows=rows,
        stack=stack_blocks(
            rows, blocks_of(rows, np.split(np.arange(rows.starts[-1]), rows.starts[1:-1]))
        ),
        kept={},
        parametrisation=elimination.parametrisation,
        reml=reml,
        between=between,
        trace=trace,
        shared=shared_rows(rows),
    )


def blocks_seen(grouped: IndependentGroups, seen: Flags) -> tuple[BlockArrays, Places]:
    """Blocks for the patterns of missing rows, and that of each outcome and group, shape (m, G).

    Parameters
    ----------
    grouped
        The design.
    seen
        Which rows each outcome has, in the order of the layout, shape (m, n_obs).
    """
    rows = grouped.rows
    index = np.tile(np.arange(rows.size), (len(seen), 1))
    if seen.all():
        return grouped.stack, index
    ordered, starts = seen[:, rows.order], rows.starts.tolist()
    holed = ~np.logical_and.reduceat(ordered, rows.starts[:-1], axis=1)
    numbers: dict[tuple[int, bytes], int] = {}
    for one, group in np.argwhere(holed).tolist():
        pattern = group, ordered[one, starts[group] : starts[group + 1]].tobytes()
        index[one, group] = numbers.setdefault(pattern, len(starts) - 1 + len(numbers))
    new = [pattern for pattern in numbers if pattern not in grouped.kept]
    wanted = [starts[group] + np.flatnonzero(np.frombuffer(own, dtype=bool)) for group, own in new]
    made = dict(zip(new, blocks_of(rows, wanted), strict=True))
    blocks = [*grouped.stack.blocks, *(made.get(one) or grouped.kept[one] for one in numbers)]
    for pattern in new[: max(0, _KEPT * rows.size - len(grouped.kept))]:
        grouped.kept[pattern] = made[pattern]
    used, index = np.unique(index, return_inverse=True)
    stack = stack_blocks(rows, [blocks[number] for number in used])
    return stack, index.reshape(len(seen), rows.size)
