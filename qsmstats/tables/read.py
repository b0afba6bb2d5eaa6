"""Read the tables of a study: every problem of all of them at once, or typed tables.

The steps: text with its place in the file (`files`), the columns and words of the schema
(`to_schema`), the checks of the schema (`validate`), the rules between tables (`between_tables`),
plausible ranges (`plausible`), types (`typed`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.schemas import load_schema
from qsmstats.settings import LesionIds
from qsmstats.study import Study
from qsmstats.tables.between_tables import rule_problems
from qsmstats.tables.feature_columns import tidy_columns
from qsmstats.tables.identities import IDENTITY_COLUMNS
from qsmstats.tables.image_lesions import ListLesions, lesions_of_images, provided_column
from qsmstats.tables.per_participant import PARTICIPANT, read_parts, read_table
from qsmstats.tables.plausible import implausible_values
from qsmstats.tables.problems import summarise
from qsmstats.tables.raw_table import RawTable, broken_rows, empty_table, place_problem
from qsmstats.tables.spelling import lesion_levels, own_spelling_problems
from qsmstats.tables.to_schema import prepare
from qsmstats.tables.typed import typed_frame
from qsmstats.tables.validate import validate_tables

__all__ = [
    "LoadedTables",
    "StudyTables",
    "load_tables",
    "read_tables",
    "table_problems",
    "typed_tables",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyTables:
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
    """

    participants: pd.DataFrame
    sessions: pd.DataFrame
    lesions: pd.DataFrame
    ratings: pd.DataFrame | None = None
    histology: pd.DataFrame | None = None
    places: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    sums: Mapping[str, str] = field(default_factory=dict)
    lesion_ids: LesionIds = "consistent"


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
    """

    raw: Mapping[str, RawTable]
    frames: Mapping[str, pd.DataFrame]
    problems: tuple[Problem, ...]


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
    lesion_ids = study.matching.lesion_ids
    return StudyTables(**loaded.frames, places=places, sums=sums, lesion_ids=lesion_ids)


def table_problems(study: Study) -> list[Problem]:
    """Return every problem of the study's tables; see `read_tables`."""
    return summarise(load_tables(study).problems)


def load_tables(study: Study, listing: ListLesions | None = None) -> LoadedTables:
    """Read what can be read of every table, and keep every problem; see `read_tables`."""
    raw, problems = _read_all(study)
    unread = "lesions" in study.tables and "lesions" not in raw
    if study.labels.lists_lesions and {"participants", "sessions"} <= raw.keys() and not unread:
        people, sessions = raw["participants"], raw["sessions"]
        lesions = lesions_of_images(study, people, sessions, raw.get("lesions"), listing)
        raw["lesions"] = lesions[0]
        problems += lesions[1]
    problems += validate_tables(raw, study.lesion_types)
    frames = {name: _sound_cells(table, problems) for name, table in raw.items()}
    reserved = tidy_columns(spec.name for spec in study.maps)
    if study.matching.lesion_ids == "independent":
        reserved += IDENTITY_COLUMNS
    problems += rule_problems(raw, frames, reserved)
    for name, table in raw.items():
        problems += implausible_values(table, frames[name], study.plausible)
    return LoadedTables(raw=raw, frames=frames, problems=tuple(problems))


def _sound_cells(raw: RawTable, problems: Sequence[Problem]) -> pd.DataFrame:
    """Return the typed table, in which every cell with a problem is missing."""
    named: dict[tuple[str, int | None], set[str | None]] = {}
    for item in problems:
        named.setdefault((item.table, item.row), set()).add(item.column)
    frame = typed_frame(raw)
    faults = np.zeros(frame.shape, dtype=np.bool_)
    for position, place in enumerate(zip(raw.places["file"], raw.places["row"], strict=True)):
        if wrong := named.get(place):
            cells = (place_problem(raw, position, column, "") for column in frame.columns)
            # A problem without a column is one of the whole row.
            faults[position] = [bool({cell.column, None} & wrong) for cell in cells]
    columns = {name: frame[name].mask(faults[:, at]) for at, name in enumerate(frame.columns)}
    return pd.DataFrame(columns, index=frame.index)


def _read_all(study: Study) -> tuple[dict[str, RawTable], list[Problem]]:
    raw: dict[str, RawTable] = {}
    problems = own_spelling_problems(study.lesion_types, _spelled_levels(study))
    # Participants come first: the files of the others may be named after them.
    for name in sorted(study.tables, key=lambda name: name != "participants"):
        spec = study.tables[name]
        try:
            if PARTICIPANT in spec.file:
                table, found = read_parts(study, name, spec.file, raw.get("participants"))
                problems += found
            else:
                table = read_table(study, name, spec.file)
        except InvalidDataError as error:
            problems += error.problems
            continue
        problems += broken_rows(table)
        if table.cells.empty:
            problems.append(empty_table(table))
        provided = provided_column(study.labels) if name == "lesions" else None
        raw[name], found = prepare(table, spec, study.lesion_types, provided=provided)
        problems += found
    return {name: raw[name] for name in study.tables if name in raw}, problems


def _spelled_levels(study: Study) -> tuple[str, ...]:
    """Return what [lesion_types] may stand for: the levels of every column of lesion types."""
    columns = [column for name in study.tables for column in load_schema(name).fields]
    levels = [column.levels for column in columns if set(lesion_levels()) <= set(column.levels)]
    return tuple(dict.fromkeys(level for group in levels for level in group))
