"""Groups of rows: the observed combinations of one or more columns.

Levels of an interaction need no unique names: ``(1 | tree:leaf)`` groups by the pair. Levels
are ordered by the first column, then the second, each in its own order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qsmstats.arrays import Integers, Places
from qsmstats.errors import InvalidDataError

__all__ = [
    "Grouping",
    "check_new_columns",
    "coded_column",
    "compress",
    "grouping",
    "run_starts",
    "sorted_codes",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """A grouping factor, as fitted.

    Attributes
    ----------
    names
        The data columns that are combined.
    values
        Per data column, its distinct values in order.
    observed
        Mixed-radix code of each observed combination, ascending, shape (groups,).
    """

    names: tuple[str, ...]
    values: tuple[pd.Index, ...]
    observed: Integers

    @property
    def label(self) -> str:
        """Names joined by colons."""
        return ":".join(self.names)

    @property
    def size(self) -> int:
        """Number of groups."""
        return len(self.observed)

    @property
    def levels(self) -> pd.Index:
        """Label of each group; for a combination the labels joined by colons."""
        parts = np.unravel_index(self.observed, [max(len(v), 1) for v in self.values])
        columns = [value.take(part) for value, part in zip(self.values, parts, strict=True)]
        if len(columns) == 1:
            return columns[0].rename(self.label)
        joined = [":".join(map(str, row)) for row in zip(*columns, strict=True)]
        return pd.Index(joined, name=self.label)

    def codes(self, frame: pd.DataFrame) -> Integers:
        """Group of each row of new data, shape (m,); -1 for a group the fit has not seen."""
        check_new_columns(frame, self.names)
        mixed = np.zeros(len(frame), dtype=np.int64)
        known = np.ones(len(frame), dtype=bool)
        for name, values in zip(self.names, self.values, strict=True):
            part = values.get_indexer(pd.Index(frame[name]))
            known &= part >= 0
            mixed = mixed * len(values) + part
        place = np.searchsorted(self.observed, mixed).clip(max=len(self.observed) - 1)
        return np.where(known & (self.observed[place] == mixed), place, -1)


def check_new_columns(frame: pd.DataFrame, names: Iterable[str]) -> None:
    """Refuse new data without some of these columns."""
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise InvalidDataError(f"the new data lack the columns {', '.join(missing)}; add them")


def grouping(
    names: Sequence[str], columns: dict[str, tuple[Integers, pd.Index]]
) -> tuple[Grouping, Integers]:
    """Combine coded columns into groups.

    Parameters
    ----------
    names
        Columns to combine.
    columns
        Name -> codes, shape (n,), and distinct values (see `coded_column`).

    Returns
    -------
    grouping, codes
        The groups, and the group of each row, shape (n,).
    """
    mixed, size = np.zeros(1, dtype=np.int64), 1
    for name in names:
        codes, values = columns[name]
        size *= len(values)
        if size > 2**62:
            text = f"grouping {':'.join(names)} has too many combinations; join them to one column"
            raise InvalidDataError(text)
        mixed = mixed * len(values) + codes
    observed, dense = compress(mixed, size)
    distinct = tuple(columns[name][1] for name in names)
    return Grouping(names=tuple(names), values=distinct, observed=observed), dense


def coded_column(column: pd.Series) -> tuple[Integers, pd.Index]:
    """Codes and distinct values of a grouping column; categories keep their order.

    Values that cannot be sorted keep their order of appearance.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return np.asarray(column.cat.codes, dtype=np.int64), column.cat.categories
    try:
        return sorted_codes(column)
    except TypeError:
        return pd.factorize(column)


def sorted_codes(column: pd.Series) -> tuple[Integers, pd.Index]:
    """Return what ``pd.factorize(column, sort=True)`` does, sorting the distinct values only.

    Raises
    ------
    TypeError
        If the values cannot be sorted.
    """
    codes, values = pd.factorize(column.array)  # of the Series it takes half as long again
    try:
        order = values.argsort()
    except TypeError:  # numbers and text; pandas knows an order
        return pd.factorize(column, sort=True)
    if np.array_equal(order, np.arange(len(values))):  # as ids mostly are
        return codes, pd.Index(values, dtype=column.dtype)
    # A missing value has the code -1, which is the last place.
    rank = np.full(len(values) + 1, -1)
    rank[order] = np.arange(len(values))
    return rank[codes], pd.Index(values.take(order), dtype=column.dtype)


def compress(codes: Integers, size: int) -> tuple[Integers, Integers]:
    """Occurring codes, ascending, and each row's position among them.

    Counting beats sorting while the range of the codes is not much larger than their number.
    """
    if size <= 8 * len(codes) + 1024:
        seen = np.zeros(size, dtype=bool)
        seen[codes] = True
        observed = np.flatnonzero(seen)
        if len(observed) == size:
            return observed, codes
        place = np.zeros(size, dtype=np.int64)
        place[observed] = np.arange(len(observed))
        return observed, place[codes]
    observed, dense = np.unique(codes, return_inverse=True)
    return observed, dense.astype(np.int64, copy=False).ravel()


def run_starts(sorted_codes: Integers) -> Places:
    """First position of each run of equal codes."""
    first = np.ones(len(sorted_codes), dtype=bool)
    first[1:] = sorted_codes[1:] != sorted_codes[:-1]
    return np.flatnonzero(first)
