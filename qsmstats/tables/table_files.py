"""The files of a table: one, several, or one per participant or session.

The files of a pattern such as ``sub-001/sub-001_sessions.tsv`` are those of the participants in the
participants table; their rows are put below each other, with the participant filled in. Sessions
may have a file each (``scans.tsv`` of BIDS), found by its name.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.schemas import load_schema
from qsmstats.study import Study
from qsmstats.tables.between_tables import controls
from qsmstats.tables.files import read_file
from qsmstats.tables.raw_table import RawTable, empty_table, stack_raw

__all__ = ["names_in_paths", "read_source"]

ID, SESSION = "participant_id", "session_id"


def read_source(
    study: Study, name: str, participants: pd.DataFrame
) -> tuple[RawTable, list[Problem]]:
    """Read the files of a table.

    Parameters
    ----------
    study
        The study.
    name
        Name of the table's schema.
    participants
        The participants, typed; only the files of a pattern need them.

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
        If there is nothing to return.
    """
    spec = study.tables[name]
    parts: list[RawTable] = []
    problems: list[Problem] = []
    for file in spec.files:
        try:
            if "{" in file or "}" in file:
                found, more = _read_pattern(study, name, file, participants)
                parts += found
                problems += more
            else:
                parts.append(_read(study, name, file))
        except InvalidDataError as error:
            problems += error.problems
    if not parts:
        raise InvalidDataError(problems)
    if len(spec.files) == 1 and parts[0].file == spec.files[0]:
        return parts[0], problems
    return stack_raw([_with_columns(part, parts[0]) for part in parts]), problems


def _read(study: Study, name: str, file: str) -> RawTable:
    if problem := study.outside(file):
        raise InvalidDataError([problem])
    return read_file(study.folder / file, name=name, file=file, spec=study.tables[name])


def _read_pattern(
    study: Study, name: str, pattern: str, participants: pd.DataFrame
) -> tuple[list[RawTable], list[Problem]]:
    known = [word for word in dict.fromkeys(participants[ID].dropna()) if word]
    without = controls(participants) if name != "sessions" else set()
    # A word that is no identifier, such as ../x, is a problem of its own and names no file.
    identifier = load_schema("participants").column(ID).pattern
    fitting = [word for word in known if re.fullmatch(identifier, word)]
    there = list(names_in_paths(study.folder, pattern))
    strangers = {found[ID]: file for found, file in reversed(there) if found[ID] not in known}
    text = "is not in the participants table; add it or remove the file"
    problems = [
        Problem(table=file, problem=f"'{word}' {text}") for word, file in sorted(strangers.items())
    ]
    files = {word: [one for one in there if one[0][ID] == word] for word in fitting}
    if "{session}" not in pattern:
        # Of one file per participant the name is known, whatever the folder lists.
        paths = {word: pattern.format(participant=word) for word in fitting}
        files = {
            word: [({ID: word}, path)] if (study.folder / path).exists() else []
            for word, path in paths.items()
        }
    asked = [word for word, found in files.items() if not found and word not in without]
    if asked:
        text = f"no such file for {', '.join(asked)}; add it or correct tables.{name}"
        problems.append(Problem(table=pattern, problem=text))
    parts: list[RawTable] = []
    for names, file in (one for found in files.values() for one in found):
        try:
            parts.append(_read_part(study, name, file, names))
        except InvalidDataError as error:
            problems += error.problems
    return parts, problems


def _read_part(study: Study, name: str, file: str, names: Mapping[str, str]) -> RawTable:
    """Read the file of one participant, or of one session; what its name says is filled in."""
    part = _read(study, name, file)
    if name == "sessions" and part.cells.empty:
        raise InvalidDataError([empty_table(part)])
    others: dict[int, str] = {}
    for at, (column, own) in enumerate(names.items()):
        if column in part.cells.columns:
            others |= {
                position: f"'{word}' is in the file of '{own}'; move or correct the row"
                for position, word in enumerate(part.cells[column])
                if word != own
            }
        else:
            cells = part.cells.copy()
            cells.insert(at, column, own)
            part = replace(part, cells=cells)
    return replace(part, broken={**others, **part.broken})


def _with_columns(part: RawTable, first: RawTable) -> RawTable:
    """Break every row of a part that lacks a column of the first part."""
    lacking = [column for column in first.cells.columns if column not in part.cells.columns]
    if not lacking:
        return part
    columns = ", ".join(f"'{column}'" for column in lacking)
    text = f"the file has no column {columns}, which {first.file} has; add it"
    return replace(part, broken=dict.fromkeys(range(len(part.cells)), text))


def names_in_paths(folder: Path, pattern: str) -> Iterator[tuple[dict[str, str], str]]:
    """Find the files of a pattern.

    Parameters
    ----------
    folder
        The study folder.
    pattern
        Path below it, with ``{participant}`` and perhaps ``{session}``.

    Yields
    ------
    names, file
        `participant_id` and, where the pattern has it, `session_id`; the path below the folder.
    """
    top = Path(folder, Path(pattern).anchor)
    below = Path(pattern).relative_to(Path(pattern).anchor).as_posix()
    regex, wild = re.escape(below), glob.escape(below)
    for brace, name in (("{participant}", ID), ("{session}", SESSION)):
        regex = regex.replace(re.escape(brace), f"(?P<{name}>[^/]+)", 1)
        regex = regex.replace(re.escape(brace), f"(?P={name})")
        wild = wild.replace(brace, "*")
    for path in sorted(top.glob(wild)):
        match = re.fullmatch(regex, path.relative_to(top).as_posix())
        if match:
            names = match.groupdict()
            file = pattern.format(participant=names[ID], session=names.get(SESSION, ""))
            yield names, file
