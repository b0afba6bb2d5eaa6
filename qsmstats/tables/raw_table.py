"""A table as text, with the place of every cell in the file that its author wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from qsmstats.errors import Problem
from qsmstats.own_schemas import Schemas
from qsmstats.schemas import TableSchema

__all__ = [
    "RawTable",
    "broken_rows",
    "empty_table",
    "place_problem",
    "stack_raw",
    "take_rows",
    "toml_problem",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """A table as text.

    Attributes
    ----------
    name
        Name of the table's schema.
    file
        What messages about the whole table call it.
    cells
        Text of every cell, empty where the file has none.
    places
        One row per row of `cells`: `file` (relative to the study folder) and `row`; a table that
        was wide in its file also has `column`, the column of the file that held the value.
    columns
        Column of `cells` -> its name in the file, where the two differ.
    value_columns
        The columns of `cells` that `places.column` belongs to.
    sums
        File -> sha256 of the bytes that the cells were read from.
    broken
        Position of a row whose cells cannot be told apart -> what is wrong with it. Its cells
        are not checked one by one.
    faults
        (position of a row, column of `cells`) -> what was found wrong with that cell before it
        could be compared with the schema.
    texts
        Further columns that are no numbers, as study.toml says.
    schemas
        Those of the study.
    """

    name: str
    file: str
    cells: pd.DataFrame
    places: pd.DataFrame
    columns: Mapping[str, str] = field(default_factory=dict)
    value_columns: tuple[str, ...] = ()
    sums: Mapping[str, str] = field(default_factory=dict)
    broken: Mapping[int, str] = field(default_factory=dict)
    faults: Mapping[tuple[int, str], str] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    schemas: Schemas = field(default_factory=Schemas)

    @property
    def schema(self) -> TableSchema:
        """Schema of the table."""
        return self.schemas.table(self.name)

    def file_column(self, column: str) -> str:
        """Return what the file calls a column."""
        return self.columns.get(column, column)


def place_problem(raw: RawTable, position: int, column: str, problem: str) -> Problem:
    """Return the problem of one cell, with its place in the file."""
    place = raw.places.iloc[position]
    wide = column in raw.value_columns
    name = str(place["column"]) if wide else raw.file_column(column)
    return Problem(table=str(place["file"]), row=int(place["row"]), column=name, problem=problem)


def broken_rows(raw: RawTable) -> list[Problem]:
    """Return the problem of each broken row."""
    places = raw.places.iloc[list(raw.broken)]
    return [
        Problem(table=str(file), row=int(row), problem=text)
        for file, row, text in zip(places["file"], places["row"], raw.broken.values(), strict=True)
    ]


def take_rows(raw: RawTable, positions: Sequence[int]) -> RawTable:
    """Return the rows at these positions, each with its place; a position may be taken twice."""
    taken: dict[int, list[int]] = {}
    for new, old in enumerate(positions):
        taken.setdefault(old, []).append(new)
    return replace(
        raw,
        cells=raw.cells.iloc[list(positions)].reset_index(drop=True),
        places=raw.places.iloc[list(positions)].reset_index(drop=True),
        # A row that is taken twice has one problem, not two.
        broken={taken[old][0]: text for old, text in raw.broken.items() if old in taken},
        faults={
            (new, name): text
            for (old, name), text in raw.faults.items()
            for new in taken.get(old, ())
        },
    )


def toml_problem(raw: RawTable, key: str, problem: str) -> Problem:
    """Return the problem of what study.toml says of a table."""
    return Problem(table="study.toml", column=f"tables.{raw.name}.{key}", problem=problem)


def empty_table(raw: RawTable) -> Problem:
    """Return the problem of a table that has column names and no row."""
    return Problem(table=raw.file, problem="has no rows below its header; add them")


def stack_raw(parts: Sequence[RawTable]) -> RawTable:
    """Put the parts of one table, one file each, below each other."""
    broken: dict[int, str] = {}
    start = 0
    for part in parts:
        broken |= {start + position: text for position, text in part.broken.items()}
        start += len(part.cells)
    return RawTable(
        name=parts[0].name,
        file=parts[0].name,
        cells=pd.concat([part.cells for part in parts], ignore_index=True).fillna(""),
        places=pd.concat([part.places for part in parts], ignore_index=True),
        sums={file: sha for part in parts for file, sha in part.sums.items()},
        broken=broken,
    )
