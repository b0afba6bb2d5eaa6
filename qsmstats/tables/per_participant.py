"""Tables that have one file per participant, such as ``sub-001/sub-001_sessions.tsv``.

The files are those of the participants in the participants table; their rows are put below each
other, with the participant filled in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.schemas import load_schema
from qsmstats.study import Study
from qsmstats.study_files import matching_files
from qsmstats.study_limits import braces_problem
from qsmstats.tables.between_tables import controls
from qsmstats.tables.files import read_file
from qsmstats.tables.raw_table import RawTable, empty_table, stack_raw
from qsmstats.tables.typed import typed_frame

__all__ = ["PARTICIPANT", "read_parts", "read_table"]

PARTICIPANT = "{participant}"
ID = "participant_id"


def read_table(study: Study, name: str, file: str) -> RawTable:
    """Read a table from one file of the study folder; errors as of `read_file`."""
    if problem := study.outside(file):
        raise InvalidDataError([problem])
    return read_file(study.folder / file, name=name, file=file)


def read_parts(
    study: Study, name: str, pattern: str, participants: RawTable | None
) -> tuple[RawTable, list[Problem]]:
    """Read a table that has one file per participant.

    Parameters
    ----------
    study
        The study.
    name
        Name of the table's schema.
    pattern
        Path of a file below the folder, with ``{participant}``.
    participants
        The prepared participants table, or None where it could not be read.

    Returns
    -------
    table
        The rows of every file that could be read.
    problems
        Files that are missing, broken, or of unknown participants. Controls need no file of
        lesions or ratings, and lesions or ratings may be none in a file that is there; a
        participant without any session has no place in the study.

    Raises
    ------
    InvalidDataError
        If there is nothing to return; without the participants table there is nothing to report
        either. The participants table itself must be one file.
    """
    _check_pattern(name, pattern)
    if participants is None or ID not in participants.cells.columns:
        raise InvalidDataError([])
    known = [word for word in dict.fromkeys(participants.cells[ID]) if word]
    without = controls(typed_frame(participants)) if name != "sessions" else set()
    # A word that is no identifier, such as ../x, is a problem of its own and names no file.
    identifier = load_schema("participants").column(ID).pattern
    fitting = [word for word in known if re.fullmatch(identifier, word)]
    files = {word: pattern.format(participant=word) for word in fitting}
    missing = [word for word, file in files.items() if not (study.folder / file).exists()]
    problems = _strangers(study.folder, pattern, known)
    asked = [word for word in missing if word not in without]
    if asked:
        text = f"no such file for {', '.join(asked)}; add it or correct tables.{name}"
        problems.append(Problem(table=pattern, problem=text))
    parts: list[RawTable] = []
    for word in (word for word in files if word not in missing):
        try:
            parts.append(_read_part(study, name, files[word], word))
        except InvalidDataError as error:
            problems += error.problems
    if not parts:
        raise InvalidDataError(problems)
    return stack_raw([_with_columns(part, parts[0]) for part in parts]), problems


def _check_pattern(name: str, pattern: str) -> None:
    text = braces_problem(pattern, "participant")
    if name == "participants":
        text = f"'{pattern}' contains {PARTICIPANT}, but all participants are in one file; name it"
    if text:
        where = f"tables.{name}"
        raise InvalidDataError([Problem(table="study.toml", column=where, problem=text)])


def _read_part(study: Study, name: str, file: str, participant: str) -> RawTable:
    part = read_table(study, name, file)
    if name == "sessions" and part.cells.empty:
        raise InvalidDataError([empty_table(part)])
    if ID not in part.cells.columns:
        cells = part.cells.copy()
        cells.insert(0, ID, participant)
        return replace(part, cells=cells)
    others = {
        position: f"'{word}' is in the file of '{participant}'; move or correct the row"
        for position, word in enumerate(part.cells[ID])
        if word != participant
    }
    return replace(part, broken={**others, **part.broken})


def _with_columns(part: RawTable, first: RawTable) -> RawTable:
    """Break every row of a part that lacks a column of the first part."""
    lacking = [column for column in first.cells.columns if column not in part.cells.columns]
    if not lacking:
        return part
    columns = ", ".join(f"'{column}'" for column in lacking)
    text = f"the file has no column {columns}, which {first.file} has; add it"
    return replace(part, broken=dict.fromkeys(range(len(part.cells)), text))


def _strangers(folder: Path, pattern: str, known: Sequence[str]) -> list[Problem]:
    """Report the files whose participant is not in the participants table."""
    text = "is not in the participants table; add it or remove the file"
    return [
        Problem(table=file, problem=f"'{word}' {text}")
        for word, file in matching_files(folder, pattern, PARTICIPANT).items()
        if word not in known
    ]
