"""The order in which random effects are eliminated: a chain of nested levels.

Every grouping factor splits the rows. Effects of a factor can be swept out of the cross-products
group by group as long as no earlier elimination has linked its groups, that is, as long as every
level swept before is nested in it. So the factors are taken from the finest to the coarsest; each
one in which the current level is nested becomes the next level of the chain. What is left is
crossed with the chain; it becomes one last level whose groups are the connected parts of the
design, and whose columns are the levels of the crossed factors within a part, numbered from 0.

(Bates et al. 2015, section 3, order the same elimination by a sparse Cholesky factor.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from qsmstats.arrays import Floats, Integers, Places
from qsmstats.mixed.design.grouping import compress, run_starts

__all__ = [
    "Factor",
    "Level",
    "Member",
    "eliminate",
    "joined_level",
    "merge_factors",
    "own_level",
    "split_crossed",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A grouping factor with all terms on it.

    Attributes
    ----------
    codes
        Group of each row, shape (n,).
    size
        Number of groups.
    terms
        Positions of its terms in the formula.
    widths
        Number of columns of each of these terms.
    """

    codes: Integers
    size: int
    terms: tuple[int, ...]
    widths: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A random term as part of a level.

    Attributes
    ----------
    term
        Position in the formula.
    place
        Where copy c of column j of the term stands among the level's columns, shape (copies, q).
    local
        Which copy each row belongs to, shape (n,), or None where there is one copy.
    """

    term: int
    place: Places
    local: Integers | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One step of the elimination.

    Attributes
    ----------
    codes
        Group of each row, shape (n,); groups of one parent are numbered consecutively.
    size
        Number of groups.
    columns
        Number of columns of Z within a group.
    members
        The terms of this level.
    parents
        Per coarser level, from the next one up: parent of each group, shape (size,), ascending.
    """

    codes: Integers
    size: int
    columns: int
    members: tuple[Member, ...]
    parents: tuple[Integers, ...]

    def column_places(self) -> Floats:
        """Return ones where a column of Z is a copy of a term's column, shape (columns, q)."""
        copies = [place for member in self.members for place in member.place.T]
        made = np.zeros((len(copies), self.columns))
        for row, place in enumerate(copies):
            made[row, place] = 1.0
        return made


def eliminate(factors: Sequence[Factor]) -> tuple[Level, ...]:
    """Order grouping factors into a chain of levels, finest first."""
    chain, crossed = _chain(factors)
    levels = [own_level(factor) for factor in chain]
    if crossed:
        # One level over the connected parts of the design.
        levels.append(joined_level(crossed, *_connected_parts([chain[-1], *crossed])))
    # From the coarsest down: groups of one parent follow one another.
    ordered = levels[-1:]
    for level in reversed(levels[:-1]):
        rows = _first_rows(level.codes, level.size)
        above = [coarser.codes[rows] for coarser in ordered]
        order = np.argsort(above[0], kind="stable")
        rank = np.empty(level.size, dtype=np.int64)
        rank[order] = np.arange(level.size)
        parents = tuple(parent[order] for parent in above)
        ordered.insert(0, replace(level, codes=rank[level.codes], parents=parents))
    return tuple(ordered)


def split_crossed(factors: Sequence[Factor], most: int) -> tuple[Factor, list[Factor]] | None:
    """Return the factor to sweep and the others, if the last level would be wider than `most`."""
    chain, crossed = _chain(factors)
    if not crossed:
        return None
    parts, _ = _connected_parts([chain[-1], *crossed])
    width = sum(_number_within(factor, parts)[1] * sum(factor.widths) for factor in crossed)
    if width <= most:
        return None
    swept = max(factors, key=lambda factor: factor.size * sum(factor.widths))
    return swept, [factor for factor in factors if factor is not swept]


def _chain(factors: Sequence[Factor]) -> tuple[list[Factor], list[Factor]]:
    order = sorted(factors, key=lambda f: (-f.size, f.terms))
    chain: list[Factor] = [order[0]]
    crossed: list[Factor] = []
    for factor in order[1:]:
        fine = chain[-1]
        parent = factor.codes[_first_rows(fine.codes, fine.size)]
        nested = np.array_equal(parent[fine.codes], factor.codes)
        (chain if nested else crossed).append(factor)
    return chain, crossed


def _first_rows(codes: Integers, size: int) -> Integers:
    """One row of each group."""
    rows = np.empty(size, dtype=np.int64)
    rows[codes] = np.arange(len(codes))
    return rows


def own_level(factor: Factor) -> Level:
    """Return a factor as a level of its own, without parents."""
    members, start = [], 0
    for term, width in zip(factor.terms, factor.widths, strict=True):
        place = np.arange(start, start + width, dtype=np.intp)[None]
        members.append(Member(term=term, place=place, local=None))
        start += width
    return Level(
        codes=factor.codes, size=factor.size, columns=start, members=tuple(members), parents=()
    )


def joined_level(factors: Sequence[Factor], codes: Integers, size: int) -> Level:
    """Return one level of several factors, with a copy of a term's columns for each of its groups.

    Parameters
    ----------
    factors
        The factors; each of their groups lies within one group of the level.
    codes, size
        Group of the level of each row, and number of groups.
    """
    members, start = [], 0
    for factor in factors:
        local, copies = _number_within(factor, codes)
        for term, width in zip(factor.terms, factor.widths, strict=True):
            place = start + np.arange(copies * width, dtype=np.intp).reshape(copies, width)
            members.append(Member(term=term, place=place, local=local))
            start += copies * width
    return Level(codes=codes, size=size, columns=start, members=tuple(members), parents=())


def _connected_parts(factors: Sequence[Factor]) -> tuple[Integers, int]:
    """Part of each row when groups of all factors that share a row are joined."""
    first = factors[0]
    offset = np.cumsum([0, *(factor.size for factor in factors)])
    nodes = int(offset[-1])
    rows = np.concatenate([first.codes] * (len(factors) - 1))
    columns = np.concatenate(
        [factor.codes + start for factor, start in zip(factors[1:], offset[1:], strict=False)]
    )
    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(nodes, nodes))
    count, part = connected_components(graph, directed=False)
    return part[first.codes].astype(np.int64), int(count)


def _number_within(factor: Factor, codes: Integers) -> tuple[Integers, int]:
    """Give the groups of a factor numbers from 0 within each part; return the most in a part."""
    part = codes[_first_rows(factor.codes, factor.size)]
    order = np.argsort(part, kind="stable")
    starts = run_starts(part[order])
    run = np.diff(np.r_[starts, len(order)])
    number = np.empty(factor.size, dtype=np.int64)
    number[order] = np.arange(factor.size) - np.repeat(starts, run)
    return number[factor.codes], int(run.max())


def merge_factors(
    names: Sequence[frozenset[str]], codes: Sequence[Integers], widths: Sequence[int]
) -> list[Factor]:
    """Terms on the same grouping columns, in any order of the names, as one factor each."""
    found: dict[frozenset[str], list[int]] = {}
    for position, name in enumerate(names):
        found.setdefault(name, []).append(position)
    factors = []
    for positions in found.values():
        observed, dense = compress(codes[positions[0]], int(codes[positions[0]].max()) + 1)
        factors.append(
            Factor(
                codes=dense,
                size=len(observed),
                terms=tuple(positions),
                widths=tuple(widths[position] for position in positions),
            )
        )
    return factors
