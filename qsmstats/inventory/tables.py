"""Which files are tables of a study, and what their columns mean.

A table is recognised by its columns: by their names in data_schemas/ or what else such a column is
called there (`names`), and by its own name where several tables have such columns. A table of
ratings may be wide: columns of lesion types, one per rater.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qsmstats.errors import InvalidDataError
from qsmstats.inventory.column_meaning import (
    name_columns,
    rater_columns,
    type_columns,
    unknown_types,
)
from qsmstats.inventory.patterns import Identifiers
from qsmstats.schemas import TABLES, TableSchema, load_schema
from qsmstats.tables.files import read_file
from qsmstats.tables.raw_table import RawTable
from qsmstats.tables.spelling import word_key
from qsmstats.tables.workbook import sheet_names

__all__ = ["FoundTable", "TableFiles", "find_tables"]

# A column that no other table has; ratings may have raters as columns instead.
TELLING = {
    "participants": "group",
    "sessions": "years",
    "lesions": "label",
    "ratings": "rater_id",
    "histology": "reference_standard",
}
FILES_READ = 3
LARGEST = 50_000_000  # bytes: larger files, as of voxel values, are no tables of a study


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTable:
    """A file that seems to be one of the tables of a study.

    Attributes
    ----------
    name
        Name of the table's schema.
    file
        Path below the study folder, with ``{participant}`` where each participant has a file.
    files, rows
        Files of that pattern, and rows of those that were read.
    columns
        Column of the schema -> its name in the file.
    lacking
        Columns of the schema that must be there and are not.
    wide
        Columns of lesion types, one per rater.
    unknown_types
        Word in a column of lesion types that is no known spelling -> number of rows.
    identifiers
        Column -> its words: the participants and sessions of the table.
    score
        How sure: telling columns and own name; share of the columns found.
    """

    name: str
    file: str
    files: int
    rows: int
    columns: Mapping[str, str]
    lacking: tuple[str, ...]
    wide: tuple[str, ...] = ()
    unknown_types: Mapping[str, int] = field(default_factory=dict)
    identifiers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    score: tuple[float, ...] = ()

    @property
    def renamed(self) -> dict[str, str]:
        """The columns that the file calls otherwise than the schema."""
        return {ours: theirs for ours, theirs in self.columns.items() if ours != theirs}


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
        """Return the words of `participant_id` or `session_id` that the chosen tables list."""
        names = ("participants",) if column == "participant_id" else ("sessions", "lesions")
        for table in filter(None, map(self.chosen, names)):
            if table.identifiers.get(column):
                return table.identifiers[column]
        return frozenset()


def find_tables(folder: Path, paths: Sequence[str]) -> TableFiles:
    """Recognise the tables among files.

    Parameters
    ----------
    folder
        The study folder.
    paths
        Files below it that tables can be read from.
    """
    # Who the participants are tells which files are one participant's.
    near = [path for path in paths if path.count("/") < 2]
    people = _find(folder, near, Identifiers()).identifiers("participant_id")
    return _find(folder, paths, Identifiers(participants=people))


def _find(folder: Path, paths: Iterable[str], identifiers: Identifiers) -> TableFiles:
    patterns: dict[str, list[str]] = {}
    for path in paths:
        patterns.setdefault(identifiers.name(path).pattern, []).append(path)
    tables: dict[str, list[FoundTable]] = {}
    unknown: dict[str, tuple[str, ...]] = {}
    unreadable = {}
    for pattern, files in patterns.items():
        if "{session}" in pattern:
            unknown[pattern] = ()  # a table has one file, or one per participant
            continue
        size = (folder / files[0]).stat().st_size
        if size > LARGEST:
            unreadable[pattern] = f"{size / 1e6:.0f} MB; too large for a table of a study"
            continue
        try:
            found = list(_recognise(folder, pattern, files))
        except InvalidDataError as error:
            unreadable[pattern] = "; ".join(item.problem for item in error.problems)
            continue
        for table in found:
            tables.setdefault(table.name, []).append(table)
        if not found:
            unknown[pattern] = _header(folder / files[0])
    ordered = {name: sorted(tables[name], key=_best_first) for name in TABLES if name in tables}
    return TableFiles(tables=ordered, unknown=unknown, unreadable=unreadable)


def _best_first(table: FoundTable) -> tuple[tuple[float, ...], int]:
    return tuple(-part for part in table.score), -table.files


def _recognise(folder: Path, pattern: str, files: Sequence[str]) -> Iterator[FoundTable]:
    """Yield what a pattern of files holds: one table, or one per sheet of a workbook."""
    is_workbook = files[0].lower().endswith(".xlsx")
    sheets = sheet_names(folder / files[0]) if is_workbook else []
    found = []
    for name in TABLES:
        own = [sheet for sheet in sheets if word_key(sheet) == word_key(name)]
        if len(sheets) > 1 and not own:
            continue  # the sheet of a table has the table's name
        raws = [read_file(folder / path, name=name, file=path) for path in files[:FILES_READ]]
        found.append(_judge(pattern, len(files), raws, named=bool(own and len(sheets) > 1)))
    sure = [table for table in found if table is not None]
    if len(sheets) > 1:
        yield from sure
    elif sure:
        yield min(sure, key=_best_first)


def _header(path: Path) -> tuple[str, ...]:
    try:
        return tuple(read_file(path, name="", file=path.name).cells.columns)
    except InvalidDataError:
        return ()  # a workbook whose sheets have the names of no table


def _judge(pattern: str, files: int, raws: Sequence[RawTable], *, named: bool) -> FoundTable | None:
    """Return a file as the table that it was read for, or None where it is not that table."""
    raw, schema = raws[0], load_schema(raws[0].name)
    columns = name_columns(schema, raw.cells.columns)
    named = named or _has_name(pattern, schema)
    implied = {"participant_id"} if "{participant}" in pattern else set()
    wide = (
        rater_columns(raw, columns) if raw.name == "ratings" and "rater_id" not in columns else ()
    )
    if wide:
        columns = {ours: theirs for ours, theirs in columns.items() if theirs not in wide}
        implied |= {"rater_id", "lesion_type"}
    telling = TELLING[raw.name] in columns or bool(wide)
    keyed = schema.primary_key[0] in {*columns, *implied}
    if telling + named + keyed < 2:
        return None
    needed = [item.name for item in schema.fields if not item.optional]
    return FoundTable(
        name=raw.name,
        file=pattern,
        files=files,
        rows=sum(len(other.cells) for other in raws),
        columns=columns,
        lacking=tuple(name for name in needed if name not in columns and name not in implied),
        wide=wide,
        unknown_types=unknown_types(raw, wide or type_columns(schema, columns)),
        identifiers=_identifiers(raws, columns),
        score=(
            float(telling) + float(named),
            len(set(needed) & {*columns, *implied}) / len(needed),
        ),
    )


def _has_name(pattern: str, schema: TableSchema) -> bool:
    words = {word_key(schema.name), *map(word_key, schema.names)}
    stem = Path(pattern).name.split(".", 1)[0].replace("-", "_")
    return any(word_key(word) in words for word in (stem, *stem.split("_")))


def _identifiers(raws: Sequence[RawTable], columns: Mapping[str, str]) -> dict[str, frozenset[str]]:
    found = {}
    for name in ("participant_id", "session_id"):
        there = [raw for raw in raws if columns.get(name) in raw.cells.columns]
        if there:
            words = {word for raw in there for word in raw.cells[columns[name]]}
            found[name] = frozenset(words - {"", "n/a"})
    return found
