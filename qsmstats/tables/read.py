"""Read the tables of a study: every problem of all of them at once, or typed tables.

The steps: text with its place in the file (`files`), the columns and words of the schema
(`to_schema`), what tables know of each other (`identifiers`, `visits`, `dates`), the checks of the
schema and plausible ranges (`validate`), the rules between tables (`between_tables`), types
(`typed`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from qsmstats.display import Displayed
from qsmstats.errors import InvalidDataError, Problem, did_you_mean, nearest
from qsmstats.own_schemas import Schemas
from qsmstats.schemas import TABLES, TYPES, word_key
from qsmstats.settings import LesionIds
from qsmstats.study import Study
from qsmstats.study_tables import have_one_table
from qsmstats.tables.between_tables import rule_problems, with_one_scanner
from qsmstats.tables.conversion import code_notes
from qsmstats.tables.dates import with_ages, with_years
from qsmstats.tables.feature_columns import tidy_columns
from qsmstats.tables.identifiers import matched
from qsmstats.tables.identities import IDENTITY_COLUMNS
from qsmstats.tables.image_lesions import ListLesions, lesions_of_images, provided_column
from qsmstats.tables.problems import summarise
from qsmstats.tables.raw_table import (
    RawTable,
    broken_rows,
    empty_table,
    place_problem,
    toml_problem,
)
from qsmstats.tables.stated_levels import with_stated_levels
from qsmstats.tables.table_files import names_in_paths, read_source
from qsmstats.tables.to_schema import prepare
from qsmstats.tables.typed import typed_frame
from qsmstats.tables.validate import implausible_values, validate_tables
from qsmstats.tables.visits import for_each_session, refuse_visits, split_visits, stated_visits

__all__ = [
    "LoadedTables",
    "StudyTables",
    "load_tables",
    "read_tables",
    "typed_tables",
]

FOLDERS = {"participants": "participant_id", "sessions": "session_id"}
"""Table -> its identifier that names folders or files of images."""
POINTED = {"participant_id": "participants", "session_id": "sessions", "lesion_id": "lesions"}
"""Identifier -> table whose rows it names."""
NEEDED = {"participants": {"participant_id"}, "sessions": {"participant_id", "session_id", "years"}}
"""Table -> its columns that others may be read by."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyTables(Displayed):
    """The tables of a study, valid and typed.

    Columns are those of data_schemas/, in their order, then any others of the file. Columns with
    levels are categorical in the order of the schema, whole numbers Int64, numbers float64 and
    the rest text; a missing value is missing in each of them.

    Attributes
    ----------
    participants, sessions, lesions
        Always there.
    ratings, histology
        None where study.toml names no such table.
    places
        Name of a table -> `file` and `row` of each of its rows.
    sums
        File below the study folder -> sha256 of the bytes that were read from it.
    lesion_ids
        Whether a lesion has one `lesion_id` at all sessions ("consistent"), or equal identifiers
        of two sessions mean nothing ("independent").
    schemas
        Those of the study.
    outcomes
        Columns of the tidy table that the study analyses.
    capped
        Column of participants -> number that stands for itself and all above it.
    """

    participants: pd.DataFrame
    sessions: pd.DataFrame
    lesions: pd.DataFrame
    ratings: pd.DataFrame | None = None
    histology: pd.DataFrame | None = None
    places: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    sums: Mapping[str, str] = field(default_factory=dict)
    lesion_ids: LesionIds = "consistent"
    schemas: Schemas = field(default_factory=Schemas)
    outcomes: tuple[str, ...] = ()
    capped: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedTables:
    """The tables of a study as far as they can be read, with what is wrong with them.

    Attributes
    ----------
    raw, frames
        Name -> table, as text and typed; a table that could not be read is missing in both. A
        cell with a problem is missing in `frames`.
    problems
        Every problem, one per row and cell.
    notes
        What is not wrong, but to be checked.
    """

    raw: Mapping[str, RawTable]
    frames: Mapping[str, pd.DataFrame]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()


def read_tables(study: Study, listing: ListLesions | None = None) -> StudyTables:
    """Read and check every table of a study.

    Parameters
    ----------
    study
        As `open_study` returns it.
    listing
        What lists the lesions of the label images (`qsmstats.tables.image_lesions`), where the
        study's images say which lesions there are.

    Returns
    -------
    StudyTables

    Raises
    ------
    InvalidDataError
        With every problem of every table, each with its file, row and column.
    """
    return typed_tables(study, load_tables(study, listing))


def typed_tables(study: Study, loaded: LoadedTables) -> StudyTables:
    """Return tables that have been loaded, if nothing is wrong with them; see `read_tables`."""
    if loaded.problems:
        raise InvalidDataError(summarise(loaded.problems))
    places = {name: table.places for name, table in loaded.raw.items()}
    sums = {file: sha for table in loaded.raw.values() for file, sha in table.sums.items()}
    return StudyTables(
        **loaded.frames,
        places=places,
        sums=sums,
        lesion_ids=study.matching.lesion_ids,
        schemas=study.schemas,
        outcomes=study.outcomes,
        capped=study.tables["participants"].capped,
    )


def load_tables(study: Study, listing: ListLesions | None = None) -> LoadedTables:
    """Read what can be read of every table, and keep every problem; see `read_tables`."""
    raw, problems, notes = _read_all(study)
    unread = "lesions" in study.tables and "lesions" not in raw
    if study.labels.lists_lesions and {"participants", "sessions"} <= raw.keys() and not unread:
        people, sessions = raw["participants"], raw["sessions"]
        lesions = lesions_of_images(study, people, sessions, raw.get("lesions"), listing)
        raw["lesions"] = lesions[0]
        problems += lesions[1]
    problems += validate_tables(raw)
    there = {str(column) for table in raw.values() for column in table.cells.columns}
    unused = study.schemas.words.keys() - there - {"lesion_type"}
    # A table that could not be read may have the column.
    for column in unused if set(raw) == set(study.tables) else ():
        hint = did_you_mean(nearest(column, there)) or "; correct the name, or remove the section"
        text = f"no table has a column '{column}'{hint}"
        problems.append(Problem(table="study.toml", column=f"levels.{column}", problem=text))
    frames = {name: _sound_cells(table, problems) for name, table in raw.items()}
    reserved = tidy_columns((spec.name for spec in study.maps), study.outcomes)
    if study.matching.lesion_ids == "independent":
        reserved += IDENTITY_COLUMNS
    problems += rule_problems(raw, frames, reserved)
    for name, table in raw.items():
        problems += implausible_values(table, frames[name], study.plausible)
    for table in raw.values():
        notes += code_notes(table)
    frames = with_one_scanner(frames)
    return LoadedTables(raw=raw, frames=frames, problems=tuple(problems), notes=tuple(notes))


def _sound_cells(raw: RawTable, problems: Sequence[Problem]) -> pd.DataFrame:
    """Return the typed table, in which every cell with a problem is missing."""
    named: dict[tuple[str, int | None], set[str | None]] = {}
    for item in problems:
        named.setdefault((item.table, item.row), set()).add(item.column)
    frame = typed_frame(raw)
    if not problems:
        return frame
    faults = np.zeros(frame.shape, dtype=np.bool_)
    for position, place in enumerate(zip(raw.places["file"], raw.places["row"], strict=True)):
        if wrong := named.get(place):
            cells = (place_problem(raw, position, column, "") for column in frame.columns)
            # A problem without a column is one of the whole row.
            faults[position] = [bool({cell.column, None} & wrong) for cell in cells]
    columns = {name: frame[name].mask(faults[:, at]) for at, name in enumerate(frame.columns)}
    return pd.DataFrame(columns, index=frame.index)


def _read_all(study: Study) -> tuple[dict[str, RawTable], list[Problem], list[Problem]]:
    """Return the tables, what is wrong with them, and notes."""
    raw: dict[str, RawTable] = {}
    problems: list[Problem] = []
    notes: list[Problem] = []
    # The files of all others may be named after participants; lesions may be expanded by sessions.
    for name in sorted(study.tables, key=TABLES.index):
        try:
            raw[name], found = _read_one(study, name, raw)
            problems += found
        except InvalidDataError as error:
            problems += error.problems
        if name != "sessions":
            continue
        # Sessions get their years and participants their ages; one table for both becomes two.
        spec = study.tables
        first: Mapping[str, pd.Timestamp] = {}
        if "sessions" in raw:
            raw["sessions"], first, notes = with_years(raw["sessions"], spec["sessions"])
        if {"participants", "sessions"} <= raw.keys() and have_one_table(spec):
            baseline = spec["participants"].baseline
            both = split_visits(raw["participants"], raw["sessions"], baseline)
            raw["participants"], raw["sessions"], found = both
            problems += found
        if "participants" in raw:
            raw["participants"] = with_ages(raw["participants"], spec["participants"], first)
    return {name: raw[name] for name in study.tables if name in raw}, problems, notes


def _read_one(
    study: Study, name: str, raw: Mapping[str, RawTable]
) -> tuple[RawTable, list[Problem]]:
    """Read one table, in the shape of its schema; `raw` holds those before it."""
    spec = study.tables[name]
    needed = ["participants"] if spec.visits or any("{" in file for file in spec.files) else []
    needed += ["sessions"] if spec.each_session else []
    if any(one not in raw or not NEEDED[one] <= {*raw[one].cells.columns} for one in needed):
        raise InvalidDataError([])  # what is wrong with that table is reported already
    people = typed_frame(raw["participants"]) if "participants" in needed else pd.DataFrame()
    if spec.visits:
        names = list(people["participant_id"].dropna())
        patterns = [one.pattern for one in study.maps]
        there = {
            (name, visit)
            for name, visit, pattern in itertools.product(names, spec.visits, patterns)
            if (study.folder / pattern.format(participant=name, session=visit)).is_file()
        }
        return replace(stated_visits(spec.visits, names, there), schemas=study.schemas), []
    table, problems = read_source(study, name, people)
    problems += broken_rows(table)
    if table.cells.empty:
        problems.append(empty_table(table))
    read, found = with_stated_levels(replace(table, schemas=study.schemas), study)
    provided = provided_column(study.labels) if name == "lesions" else None
    table, more = prepare(read, spec, provided=provided)
    problems += [*found, *more, *_unused_words(study, read, table)]
    if name == "participants" and not have_one_table(study.tables):
        refuse_visits(table, spec)
    table, more = _matched(study, table, raw)
    if spec.each_session:
        table = for_each_session(table, raw["sessions"])
    return table, problems + more


def _unused_words(study: Study, read: RawTable, table: RawTable) -> Iterator[Problem]:
    """Yield the sections of [levels] none of whose words a table has, as it was read."""
    for column, words in study.schemas.words.items():
        file = table.file_column(column)
        if column in TYPES.values() or column not in table.cells or file not in read.cells:
            continue
        # pandas writes codes as 1.0 where some are missing.
        there = {word_key(word.removesuffix(".0")) for word in read.cells[file].unique()}
        if not there & {*map(word_key, words)}:
            text = f"no cell of {read.file}, column '{file}', holds {' or '.join(map(repr, words))}"
            text += "; correct the values on the left, or remove the section"
            yield Problem(table="study.toml", column=f"levels.{column}", problem=text)


def _matched(
    study: Study, table: RawTable, raw: Mapping[str, RawTable]
) -> tuple[RawTable, list[Problem]]:
    """Match identifiers with those of the tables before, or with the names of the folders."""
    name, problems, replaced = table.name, [], 0
    stated = study.tables[name].match_ids
    on_disk = [
        names
        for spec in study.maps[:1]
        if name in FOLDERS
        for names, _ in names_in_paths(study.folder, spec.pattern)
    ]
    for column, owner in POINTED.items():
        if (name, column) == ("histology", "lesion_id"):
            continue  # the lesions of brains are listed there alone
        if name != owner and owner in raw and column in raw[owner].cells.columns:
            known, where = set(raw[owner].cells[column]), raw[owner].file
        elif FOLDERS.get(name) == column:
            known, where = {names[column] for names in on_disk if column in names}, "the folders"
        else:
            continue
        table, found, count = matched(table, column, known, where, stated=stated)
        problems += found
        replaced += count
    if stated and not replaced:
        text = "no identifier differs from those sought; remove it"
        problems.append(toml_problem(table, "match_ids", text))
    return table, problems
