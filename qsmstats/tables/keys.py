"""Keys: no row twice, and no row that refers to nothing.

The keys are those of the descriptors in data_schemas/. A key with a missing or broken part is
not reported as a key: that part is a problem of its own. A row that another table lacks is reported
at the first column of the key from which it is lacking, so that all rows of a missing participant
share one problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import compress
from operator import not_
from typing import TypeAlias

import pandas as pd

from qsmstats.errors import Problem, did_you_mean
from qsmstats.tables.identifiers import Sought
from qsmstats.tables.raw_table import RawTable, place_problem
from qsmstats.tables.typed import parse_integer

__all__ = ["CellProblems", "key_problems", "reference_problems"]

CellProblems: TypeAlias = Mapping[tuple[int, str], str]
"""(position of the row, column) -> problem of that cell."""


def key_problems(raw: RawTable, cells: CellProblems) -> Iterator[Problem]:
    """Yield the rows whose primary or unique key an earlier row has.

    Parameters
    ----------
    raw
        Prepared table.
    cells
        Problems of its single cells.
    """
    schema = raw.schema
    for key in (schema.primary_key, *schema.unique_keys):
        if not set(key) <= set(raw.cells.columns):
            continue
        words = rows = raw.cells[list(key)]
        # 3 and 03 are one label.
        numbers = [name for name in key if schema.column(name).type == "integer"]
        for name in numbers:
            read = {word: parse_integer(word) for word in rows[name].unique()}
            rows = rows.assign(**{name: rows[name].map(read)})
        if not rows.duplicated().any():
            continue
        faulty = {*raw.broken, *(position for position, name in cells if name in key)}
        rows = rows[~words.isin(schema.missing_values).any(axis=1)].drop(
            index=list(faulty), errors="ignore"
        )
        rows = rows[rows.duplicated(keep=False)]
        first: dict[tuple[object, ...], int] = {}
        for position, *values in rows.itertuples(name=None):
            before = first.setdefault(tuple(values), position)
            if before == position:
                continue
            files = raw.places["file"]
            where = f"row {raw.places['row'].iloc[before]}"
            where += (
                "" if files.iloc[before] == files.iloc[position] else f" of {files.iloc[before]}"
            )
            twice = [raw.cells[name].iloc[position] for name in key]
            named = _named(map(raw.file_column, key), twice)
            text = f"{named} is already in {where}; correct or remove one of the two"
            yield place_problem(raw, position, key[-1], text)


def reference_problems(
    raw: RawTable,
    cells: Mapping[str, CellProblems],
    tables: Mapping[str, RawTable],
) -> Iterator[Problem]:
    """Yield the rows whose foreign key the other table lacks.

    Parameters
    ----------
    raw
        Prepared table.
    cells
        Problems of single cells, by table.
    tables
        Every prepared table.
    """
    for reference in raw.schema.descriptor.get("foreignKeys", ()):
        key, name = reference["fields"], reference["reference"]["resource"]
        other, broken = tables.get(name), cells[raw.name]
        their_key = reference["reference"]["fields"]
        if other is None or not set(key) <= {*raw.cells} or not set(their_key) <= {*other.cells}:
            continue  # a column or table that is missing is reported already
        own = pd.MultiIndex.from_frame(raw.cells[key])
        lacking = (~own.isin(pd.MultiIndex.from_frame(other.cells[their_key]))).nonzero()[0]
        if not len(lacking):
            continue
        target = _Target(other, their_key, cells[name])
        may_mean = cache(target.may_mean)  # many rows may lack the same
        for position, words in zip(map(int, lacking), own[lacking], strict=True):
            missing = set(words) & set(raw.schema.missing_values)
            if missing or position in raw.broken or any((position, part) in broken for part in key):
                continue  # a problem of its own
            if may_mean(words):
                continue
            size = target.known_parts(words) + 1
            text = f"{other.file} has no row with {_named(key[:size], words[:size])}"
            alike = did_you_mean(target.alike(words[:size]))
            text += alike or "; add the row there, or correct this one"
            yield place_problem(raw, position, key[size - 1], text)


class _Target:
    """The keys of a table that another one points at."""

    def __init__(self, raw: RawTable, key: Sequence[str], cells: CellProblems) -> None:
        rows = list(raw.cells[list(key)].itertuples(index=False, name=None))
        self.following: dict[tuple[str, ...], set[str]] = {}
        for row in rows:
            for size, word in enumerate(row):
                self.following.setdefault(row[:size], set()).add(word)
        self.sought = cache(lambda before: Sought(self.following.get(before, ())))
        # Which parts are broken -> the other parts of such rows; of one part, the word itself.
        self.broken: dict[tuple[bool, ...], set[tuple[str, ...]]] = {}
        for position in {position for position, name in cells if name in key}:
            bad = tuple((position, name) in cells for name in key)
            words = rows[position]
            good = words if len(key) == 1 else tuple(compress(words, map(not_, bad)))
            self.broken.setdefault(bad, set()).add(good)

    def known_parts(self, words: tuple[str, ...]) -> int:
        """Return how many leading parts of a key the table has together."""
        return sum(words[:size] in self.following for size in range(1, len(words)))

    def alike(self, words: tuple[str, ...]) -> list[str]:
        """Return up to two last parts that differ only in case, prefix and leading zeros."""
        return self.sought(words[:-1]).meant(words[-1])[:2]

    def may_mean(self, words: tuple[str, ...]) -> bool:
        """Tell whether a row with a broken key, reported for itself, may be the one sought.

        It may if the other parts of its key agree; where the key has one part only, if what it
        holds lies within the word (``001`` for ``sub-001``).
        """
        if len(words) == 1:
            (word,) = words
            within = {word[a:b] for a in range(len(word) + 1) for b in range(a, len(word) + 1)}
            return any((part,) in found for found in self.broken.values() for part in within)
        return any(
            tuple(compress(words, map(not_, bad))) in found for bad, found in self.broken.items()
        )


def _named(columns: Iterable[str], words: Iterable[str]) -> str:
    return ", ".join(f"{name} '{word}'" for name, word in zip(columns, words, strict=True))
