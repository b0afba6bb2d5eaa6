"""The rows of a nested design, cut into blocks of whole top groups that are integrated one by one.

Groups of one parent are numbered consecutively and rows are sorted by their finest group, so that a
range of top groups is a range of rows and of the groups of every level. Sums over groups are
products with a sparse matrix of ones: several times as fast as ``numpy.add.reduceat`` over rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from qsmstats.arrays import Floats, Integers, Places
from qsmstats.generalized.family import Outcome
from qsmstats.mixed.criterion.elimination_order import Level

__all__ = ["Block", "BlockLevel", "Chain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockLevel:
    """One level of a block.

    Attributes
    ----------
    columns
        Columns of its terms, whitened, shape (n, d).
    codes
        Group of each row, shape (n,), from 0 within the block.
    parents
        Group of the next level that each group lies in, shape (groups,).
    sums
        Sums the groups of the level below (rows, for the finest) by group.
    """

    columns: Floats
    codes: Integers
    parents: Integers
    sums: sparse.csr_array


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Some top groups with all their rows.

    Attributes
    ----------
    outcome
        Outcomes of the rows.
    fixed, offset
        Fixed columns, shape (n, p), and offset, shape (n,).
    levels
        Finest first.
    base
        Fixed columns, then those of the levels, shape (n, C).
    products
        Sums the rows times each of these columns by the finest groups, shape (C * groups, n).
    """

    outcome: Outcome
    fixed: Floats
    offset: Floats
    levels: tuple[BlockLevel, ...]
    base: Floats
    products: sparse.csr_array


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """All rows of a nested design, sorted.

    Attributes
    ----------
    outcome, fixed, offset
        As in `Block`.
    columns, codes
        Of each level, finest first: shapes (n, d) and (n,).
    """

    outcome: Outcome
    fixed: Floats
    offset: Floats
    columns: tuple[Floats, ...]
    codes: tuple[Integers, ...]

    @classmethod
    def of(
        cls,
        levels: Sequence[Level],
        random: Sequence[Floats],
        fixed: Floats,
        offset: Floats,
        outcome: Outcome,
    ) -> Chain:
        """Sort the rows of a design whose elimination is a chain.

        Parameters
        ----------
        levels
            The elimination, finest level first.
        random
            Whitened columns of each term, in the order of the formula.
        fixed, offset, outcome
            The rows.
        """
        order = np.argsort(levels[0].codes, kind="stable")
        terms = [[random[member.term] for member in level.members] for level in levels]
        return cls(
            outcome=outcome.take(order),
            fixed=fixed[order],
            offset=offset[order],
            columns=tuple(np.column_stack(parts)[order] for parts in terms),
            codes=tuple(level.codes[order] for level in levels),
        )

    def blocks(self, rows: int) -> Iterator[Block]:
        """Yield blocks of about so many rows."""
        top = self.codes[-1]
        starts = np.r_[0, np.flatnonzero(np.diff(top)) + 1, len(top)]
        first = 0
        while first < len(starts) - 1:
            reach = int(np.searchsorted(starts, starts[first] + rows, side="right")) - 1
            last = max(first + 1, reach)
            yield self._block(slice(starts[first], starts[last]))
            first = last

    def _block(self, rows: slice) -> Block:
        codes = [code[rows] - code[rows.start] for code in self.codes]
        columns = [part[rows] for part in self.columns]
        levels = []
        below = np.arange(len(codes[0]))  # the first row of each unit below
        for position, code in enumerate(codes):
            first = _starts(code)
            top = position + 1 == len(codes)
            levels.append(
                BlockLevel(
                    columns=columns[position],
                    codes=code,
                    parents=np.zeros(len(first), int) if top else codes[position + 1][first],
                    sums=_sums(np.ones((1, len(below))), _starts(code[below])),
                )
            )
            below = first
        fixed = self.fixed[rows]
        base = np.column_stack([fixed, *columns])
        return Block(
            outcome=self.outcome.take(rows),
            fixed=fixed,
            offset=self.offset[rows],
            levels=tuple(levels),
            base=base,
            products=_sums(base.T, _starts(codes[0])),
        )


def _starts(codes: Integers) -> Places:
    """Return where each group of sorted codes starts."""
    return np.flatnonzero(np.diff(codes, prepend=-1))


def _sums(weights: Floats, starts: Places) -> sparse.csr_array:
    """Weight n units in C ways, shape (C, n), and sum groups of them that start here."""
    ways, units = weights.shape
    ends = np.r_[(np.arange(ways)[:, None] * units + starts).ravel(), ways * units]
    place = np.tile(np.arange(units), ways)
    return sparse.csr_array((weights.ravel(), place, ends), shape=(ways * len(starts), units))
