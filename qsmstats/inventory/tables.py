"""Which files are tables of a study, and what their columns mean.

A table is recognised by its columns, whatever the file or the sheet is called: by their names in
data_schemas/ or what else such a column is called there (`names`). Its own name counts where
several tables have such columns. One sheet may hold two tables: participants and sessions with a
row per visit, or lesions and ratings with a column per rater.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from qsmstats.errors import InvalidDataError
from qsmstats.inventory.column_meaning import (
    conversions,
    filled,
    name_columns,
    rater_columns,
    time_columns,
)
from qsmstats.inventory.patterns import Identifiers
from qsmstats.schemas import TABLES, TYPES, load_schema, word_key
from qsmstats.study import TableSpec
from qsmstats.tables.files import read_file
from qsmstats.tables.typed import parse_integer
from qsmstats.tables.workbook import sheet_names

__all__ = ["FoundTable", "TableFiles", "find_tables"]

# Columns that tell a table from the others; ratings may have raters as columns instead.
TELLING = {
    "participants": ("group", "age", "sex", "birth_date"),
    "sessions": ("years", "date"),
    "lesions": ("label", "lesion_type"),
    "ratings": ("rater_id",),
    "histology": ("reference_standard",),
}
WIDE = {"names_to": "rater_id", "values_to": "lesion_type"}
FILES_READ = 3
LARGEST = 50_000_000  # bytes: larger files, as of voxel values, are no tables of a study


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundTable:
    """A file or sheet that seems to be one of the tables of a study.

    Attributes
    ----------
    name
        Name of the table's schema.
    files
        Paths below the study folder, with ``{participant}`` where each participant has a file.
    entry
        What study.toml says of it beside `file`, with the keys that it has there.
    columns
        Column of the schema -> its name in the file.
    lacking
        Columns of the schema that must be there and are not.
    cells
        The rows that were read.
    count
        Files of the pattern.
    open_dates
        Columns of dates whose words leave open which number is the day.
    types
        Word in a column of lesion types -> number of rows.
    score
        How sure: telling columns and own name; share of the columns found.
    """

    name: str
    files: tuple[str, ...]
    entry: Mapping[str, Any]
    columns: Mapping[str, str]
    lacking: tuple[str, ...]
    cells: pd.DataFrame
    count: int = 1
    open_dates: tuple[str, ...] = ()
    types: Mapping[str, int] = field(default_factory=dict)
    score: tuple[float, ...] = ()

    @property
    def place(self) -> str:
        """What messages call it: its file and sheet."""
        sheet = f", sheet {self.entry['sheet']}" if "sheet" in self.entry else ""
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"{self.files[0]}{more}{sheet}"

    def words(self, column: str) -> list[str]:
        """Return the words of a column of the schema, each once; none where it is not there."""
        own = self.columns.get(column)
        return list(dict.fromkeys(filled(self.cells[own]))) if own is not None else []


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFiles:
    """The tables of a folder.

    Attributes
    ----------
    tables
        Name of a schema -> files that seem to hold it, best first.
    unknown
        Files that hold a table of something else -> their columns.
    unreadable
        File -> why it cannot be read.
    """

    tables: Mapping[str, Sequence[FoundTable]]
    unknown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def chosen(self, name: str) -> FoundTable | None:
        """Return the table called `name`, where one file is a better candidate than all others."""
        found = self.tables.get(name, ())
        if not found or (len(found) > 1 and _best_first(found[0]) == _best_first(found[1])):
            return None
        return found[0]

    def identifiers(self, column: str) -> frozenset[str]:
        """Return the words of `participant_id` or `session_id` in the first table that has any."""
        for table in filter(None, map(self.chosen, TABLES[:4])):
            if words := table.words(column):
                return frozenset(words)
        return frozenset()


def find_tables(folder: Path, paths: Sequence[str], images: Sequence[str]) -> TableFiles:
    """Recognise the tables among files.

    Parameters
    ----------
    folder
        The study folder.
    paths
        Files below it that tables can be read from.
    images
        The image files: the identifiers of participants are looked for in their paths.
    """
    in_paths = {part for path in images for part in (*path.split("/"), *_stem(path).split("_"))}
    # Who the participants are tells which files are one participant's.
    near, plain = [path for path in paths if path.count("/") < 2], Identifiers()
    found = _find(folder, near, plain, in_paths)
    known = Identifiers(participants=found.identifiers("participant_id"))
    if near == [*paths] and all(
        known.name(one).pattern == plain.name(one).pattern for one in paths
    ):
        return found
    return _find(folder, paths, known, in_paths)


def _stem(path: str) -> str:
    return Path(path).name.split(".", 1)[0]


def _find(
    folder: Path, paths: Sequence[str], identifiers: Identifiers, in_paths: Collection[str]
) -> TableFiles:
    patterns: dict[str, list[str]] = {}
    for path in paths:
        patterns.setdefault(identifiers.name(path).pattern, []).append(path)
    tables: dict[str, list[FoundTable]] = {}
    unknown: dict[str, tuple[str, ...]] = {}
    unreadable = {}
    for pattern, files in patterns.items():
        # A table has one file, or one per participant; the scans.tsv of BIDS have dates.
        if "{session}" in pattern and not pattern.endswith("_scans.tsv"):
            unknown[pattern] = ()
            continue
        names = ("sessions",) if "{session}" in pattern else TABLES
        try:
            sheets = list(_sheets(folder, files))
        except InvalidDataError as error:
            texts = [item.problem for item in error.problems] or [str(error)]
            unreadable[pattern] = "; ".join(texts)
            continue
        found = []
        for entry, cells in sheets:
            own = [_judge(name, pattern, len(files), entry, cells, in_paths) for name in names]
            found += _tables_of_sheet([*filter(None, own)])
        for table in found:
            tables.setdefault(table.name, []).append(table)
        if not found:
            unknown[pattern] = tuple(str(name) for _, cells in sheets for name in cells.columns)
    ordered = {
        name: _over_several_files(sorted(tables[name], key=_best_first))
        for name in TABLES
        if name in tables
    }
    return TableFiles(tables=ordered, unknown=unknown, unreadable=unreadable)


def _best_first(table: FoundTable) -> tuple[tuple[float, ...], int]:
    return tuple(-part for part in table.score), -table.count


def _sheets(folder: Path, files: Sequence[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yield the sheets of a workbook, or a text file as it can be read, with its entries."""
    size = (folder / files[0]).stat().st_size
    if size > LARGEST:
        raise InvalidDataError(f"{size / 1e6:.0f} MB; too large for a table of a study")
    if files[0].lower().endswith(".xlsx"):
        names = sheet_names(folder / files[0])
        entries: list[dict[str, Any]] = [{"sheet": name} for name in names]
        entries = entries if len(names) > 1 else [{}]
    else:
        signs = [{"separator": sign} for sign in (";", ",", "\t", "|")]
        codes = [{"encoding": name} for name in ("utf-16", "cp1252")]
        entries = [{}, *signs, *codes, *(code | sign for code in codes for sign in signs)]
    first: InvalidDataError | None = None
    read = 0
    for entry in entries:
        spec = TableSpec(**entry)
        try:
            raws = [
                read_file(folder / path, name="", file=path, spec=spec).cells
                for path in files[:FILES_READ]
            ]
        except InvalidDataError as error:
            first = first or error
            continue
        # With a wrong separator, a table has one column.
        if entry and "sheet" not in entry and len(raws[0].columns) < 2:
            continue
        read += 1
        yield entry, pd.concat(raws, ignore_index=True).fillna("")
        if "sheet" not in entry:
            return
    if not read and first is not None:
        raise first


def _judge(
    name: str,
    pattern: str,
    count: int,
    entry: Mapping[str, Any],
    cells: pd.DataFrame,
    in_paths: Collection[str],
) -> FoundTable | None:
    """Return a sheet as the table called `name`, or None where it is not that table."""
    schema = load_schema(name)
    columns = name_columns(schema, cells, in_paths)
    # What the path supplies.
    supplied = {"{participant}": "participant_id", "{session}": "session_id"}
    implied = {key for brace, key in supplied.items() if brace in pattern}
    columns = {ours: theirs for ours, theirs in columns.items() if ours not in implied}
    more: dict[str, Any] = {}
    open_dates: list[str] = []
    if name in ("participants", "sessions") and not {"years", "age"} & columns.keys():
        more, open_dates = time_columns(cells, name)
    wide: tuple[str, ...] = ()
    if name == "ratings" and "rater_id" not in columns:
        keys = ("participant_id", "session_id", "lesion_id")
        wide = rater_columns(cells, map(columns.get, keys))
        columns = {ours: theirs for ours, theirs in columns.items() if theirs not in wide}
        more |= {"wide": list(wide), **WIDE} if wide else {}
        implied |= {*WIDE.values()} if wide else set()
    if name in ("lesions", "ratings"):
        more |= _lesion_numbers(name, columns, cells)
    implied |= {"session_id"} if more.get("each_session") else set()
    implied |= {"years"} if {"date", "years"} & more.keys() else set()
    implied |= {"age"} if "birth_date" in more else set()
    there = {*columns, *implied, *more}
    own_name = {word_key(name), *map(word_key, schema.names)}
    stem = word_key(str(entry.get("sheet", ""))), *_stem(pattern).replace("-", "_").split("_")
    named = any(word_key(word) in own_name for word in (*stem, _stem(pattern)) if word)
    telling = any(column in there for column in TELLING[name]) or bool(wide)
    keyed = {"histology": "brain_id", "sessions": "session_id"}.get(name, "participant_id") in there
    if telling + named + keyed < 2:
        return None
    needed = [item.name for item in schema.fields if not item.optional]
    of_types = list(wide) or [columns[item] for item in {TYPES.get(name, "")} & columns.keys()]
    return FoundTable(
        name=name,
        files=(pattern,),
        entry={**entry, **conversions(schema, cells, columns), **more},
        columns=columns,
        lacking=tuple(item for item in needed if item not in there),
        cells=cells,
        count=count,
        open_dates=tuple(open_dates),
        types=Counter(word for name in of_types for word in filled(cells[name])),
        score=(float(telling) + float(named), len({*needed} & there) / len(needed)),
    )


def _lesion_numbers(name: str, columns: dict[str, str], cells: pd.DataFrame) -> dict[str, Any]:
    """Let one column be number and name of a lesion, and a row stand for every session."""
    if name == "lesions" and "label" not in columns and "lesion_id" in columns:
        words = filled(cells[columns["lesion_id"]])
        if words and all((parse_integer(word) or 0) > 0 for word in words):
            columns["label"] = columns["lesion_id"]
    elif "lesion_id" not in columns and "label" in columns:
        columns["lesion_id"] = columns["label"]
    if "session_id" in columns or not {"participant_id", "lesion_id"} <= columns.keys():
        return {}
    repeated = cells[[columns["participant_id"], columns["lesion_id"]]].duplicated().any()
    return {} if repeated else {"each_session": True}


def _tables_of_sheet(found: Sequence[FoundTable]) -> list[FoundTable]:
    """Return the tables that one sheet holds: the best, and those that go with it."""
    if not found:
        return []
    best = min(found, key=_best_first)
    together = {best.name}
    for pair in ({"participants", "sessions"}, {"lesions", "ratings"}):
        # A row per visit has both; of lesions that were rated, columns of raters tell.
        others = [table for table in found if table.name in pair and table is not best]
        if best.name in pair and others and _shares(best, others[0]):
            together |= pair
    chosen = {table.name: table for table in found if table.name in together}
    if {"participants", "sessions"} <= chosen.keys():
        people = chosen["participants"]
        who = people.cells[people.columns["participant_id"]]
        values = people.cells.groupby(who).nunique()
        changing = [
            ours
            for ours, own in people.columns.items()
            if own in values and (values[own] > 1).any()
        ]
        more = {"baseline": changing} if changing else {}
        chosen["participants"] = replace(people, entry={**people.entry, **more})
    return list(chosen.values())


def _shares(one: FoundTable, other: FoundTable) -> bool:
    tables = {one.name: one, other.name: other}
    if "ratings" in tables:
        return bool(tables["ratings"].entry.get("wide")) and "label" in tables["lesions"].columns
    people, visits = tables["participants"], tables["sessions"]
    telling = [name for name in TELLING["participants"] if name in {*people.columns, *people.entry}]
    return bool(telling) and "session_id" in visits.columns and not visits.lacking


def _over_several_files(found: Sequence[FoundTable]) -> list[FoundTable]:
    """Put files that hold parts of one table together: equal columns, and no participant twice."""
    first = found[0]
    parts = [
        table
        for table in found
        if table.columns == first.columns
        and table.entry == first.entry
        and list(table.cells.columns) == list(first.cells.columns)
        and table.count == first.count == 1
    ]
    people = [table.words("participant_id") for table in parts]
    every = [word for words in people for word in words]
    if len(parts) < 2 or not all(people) or len({*every}) < len(every):
        return list(found)
    whole = replace(
        first,
        files=tuple(file for table in parts for file in table.files),
        cells=pd.concat([table.cells for table in parts], ignore_index=True),
        types=sum((Counter(table.types) for table in parts), Counter()),
    )
    return [whole, *(table for table in found if table not in parts)]
