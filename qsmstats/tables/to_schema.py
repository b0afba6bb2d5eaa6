"""From the columns and words of a file to those of its schema.

Columns are renamed as study.toml says, wide tables become long, and words that stand for a level
become the level. What is missing or unknown is reported with the nearest name; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from qsmstats.errors import Problem, did_you_mean
from qsmstats.schemas import load_schema
from qsmstats.study import TableSpec
from qsmstats.tables.raw_table import RawTable
from qsmstats.tables.spelling import known_spellings, suggestions, word_key
from qsmstats.tables.wide import raw_to_long

__all__ = ["prepare"]


def prepare(
    raw: RawTable, spec: TableSpec, own: Mapping[str, str], *, provided: str | None = None
) -> tuple[RawTable, list[Problem]]:
    """Bring a raw table into the shape of its schema.

    Parameters
    ----------
    raw
        The table as its file has it.
    spec
        What study.toml says of it.
    own
        The study's spellings of lesion types.
    provided
        Column that may be absent, as something else fills it.

    Returns
    -------
    table
        Columns named as in the schema (and any others), long, words replaced by levels where
        they are known. Columns that are missing stay missing.
    problems
        Columns that are missing or named in study.toml and not there.
    """
    raw, problems = _rename(raw, spec)
    if spec.wide:
        raw, more = _lengthen(raw, spec)
        problems += more
    if not problems:
        problems = [one for one in _missing_columns(raw) if one.column != provided]
    return _with_levels(raw, own), problems


def _toml(raw: RawTable, key: str, problem: str) -> Problem:
    return Problem(table="study.toml", column=f"tables.{raw.name}.{key}", problem=problem)


def _not_there(raw: RawTable, column: str) -> str:
    known = {word_key(name): name for name in raw.cells.columns}
    hint = did_you_mean(suggestions(column, known))
    return f"{raw.file} has no column '{column}'{hint or '; correct the name'}"


def _rename(raw: RawTable, spec: TableSpec) -> tuple[RawTable, list[Problem]]:
    there = list(raw.cells.columns)
    problems = []
    names = {}
    for ours, theirs in spec.columns.items():
        if theirs not in there:
            problems.append(_toml(raw, f"columns.{ours}", _not_there(raw, theirs)))
        elif ours in there and ours not in spec.columns.values():
            text = f"{raw.file} has a column '{ours}' beside '{theirs}'; remove or rename one"
            problems.append(_toml(raw, f"columns.{ours}", text))
        else:
            names[theirs] = ours
    files = {ours: theirs for theirs, ours in names.items() if ours != theirs}
    return replace(raw, cells=raw.cells.rename(columns=names), columns=files), problems


def _lengthen(raw: RawTable, spec: TableSpec) -> tuple[RawTable, list[Problem]]:
    names_to, values_to = str(spec.names_to), str(spec.values_to)
    problems = [
        _toml(raw, "wide", _not_there(raw, column))
        for column in spec.wide
        if column not in raw.cells.columns
    ]
    allowed = [column.name for column in load_schema(raw.name).fields]
    for key, column in (("names_to", names_to), ("values_to", values_to)):
        if column not in allowed:
            hint = did_you_mean(suggestions(column, {word_key(name): name for name in allowed}))
            text = f"'{column}' is not a column of the table; allowed: {', '.join(allowed)}{hint}"
            problems.append(_toml(raw, key, text))
        elif column in raw.cells.columns and column not in spec.wide:
            text = f"{raw.file} has a column '{column}' already; remove or rename it"
            problems.append(_toml(raw, key, text))
    return (raw, problems) if problems else (raw_to_long(raw, spec.wide, names_to, values_to), [])


def _missing_columns(raw: RawTable) -> list[Problem]:
    schema = load_schema(raw.name)
    names = [column.name for column in schema.fields]
    others = {word_key(name): name for name in raw.cells.columns if name not in names}
    problems = []
    for column in schema.fields:
        if column.optional or column.name in raw.cells.columns:
            continue
        near = suggestions(column.name, others)[:1]
        text = f"the column is missing{did_you_mean(near)}"
        if near:
            text += f'; rename it, or set columns.{column.name} = "{near[0]}" in study.toml'
        else:
            text += f"; add it, or name it in study.toml: tables.{raw.name}.columns.{column.name}"
        problems.append(Problem(table=raw.file, row=1, column=column.name, problem=text))
    return problems


def _with_levels(raw: RawTable, own: Mapping[str, str]) -> RawTable:
    cells = raw.cells.copy()
    for column in load_schema(raw.name).fields:
        if column.levels and column.name in cells.columns:
            known = known_spellings(column, own)
            words = cells[column.name]
            levels = {word: known.get(word_key(word), word) for word in words.unique()}
            cells[column.name] = words.map(levels)
    return replace(raw, cells=cells)
