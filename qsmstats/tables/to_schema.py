"""From the columns and words of a file to those of its schema.

Columns are renamed as study.toml says, wide tables become long, and words that stand for a level
become the level. What is missing or unknown is reported with the nearest name; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from qsmstats.errors import Problem, did_you_mean
from qsmstats.schemas import TYPES
from qsmstats.study import TableSpec
from qsmstats.tables.conversion import converted, without_codes
from qsmstats.tables.raw_table import RawTable, toml_problem
from qsmstats.tables.spelling import known_spellings, suggestions, word_key
from qsmstats.tables.typed import is_numeric
from qsmstats.tables.wide import raw_to_long

__all__ = ["prepare"]

INSTEAD = {
    ("sessions", "years"): '; or a column of dates: date = "...", or of other units: years = '
    '{ column = "...", unit = "months" }',
    ("participants", "age"): '; or a column of dates of birth: birth_date = "..."',
    ("lesions", "session_id"): "; or each_session = true, if each row is for every session",
    ("ratings", "session_id"): "; or each_session = true, if each row is for every session",
}
"""(table, column) -> what may be stated in place of the column."""
RECORDED = "_recorded"


def prepare(
    raw: RawTable, spec: TableSpec, *, provided: str | None = None
) -> tuple[RawTable, list[Problem]]:
    """Bring a raw table into the shape of its schema.

    Parameters
    ----------
    raw
        The table as its file has it.
    spec
        What study.toml says of it.
    provided
        Column that may be absent, as something else fills it.

    Returns
    -------
    table
        Columns named as in the schema (and any others), long, words replaced by levels where
        they are known, and numbers written with a point. Columns that are missing stay missing.
    problems
        Columns that are missing or named in study.toml and not there; settings that do nothing.
    """
    raw, problems = _rename(raw, spec)
    raw, more = without_codes(raw, spec)
    problems += more
    if spec.wide:
        raw, more = _lengthen(raw, spec)
        problems += more
    names = [column.name for column in raw.schema.fields]
    others = {word_key(name): name for name in raw.cells.columns if name not in names}
    made = {*raw.cells.columns, provided, "session_id" if spec.each_session else None}
    required = [item.name for item in raw.schema.fields if not item.optional]
    missing = [name for name in required if name not in made]
    for name in missing if not problems else ():  # a wrong name makes a column missing, too
        near = suggestions(name, others)[:1]
        text = f"the column is missing{did_you_mean(near)}"
        if near:
            text += f'; rename it, or set columns.{name} = "{near[0]}" in study.toml'
        else:
            text += f"; add it, or name it in study.toml: tables.{raw.name}.columns.{name}"
            text += INSTEAD.get((raw.name, name), "")
        problems.append(Problem(table=raw.file, row=1, column=name, problem=text))
    raw, more = converted(raw, spec)
    problems += [*more, *_text_problems(raw, spec)]
    raw, more = _with_levels(raw)
    return replace(raw, texts=spec.text), problems + more


def _text_problems(raw: RawTable, spec: TableSpec) -> Iterator[Problem]:
    """Yield the columns that study.toml calls text, and that are not there or are text already."""
    for column in spec.text:
        if column not in raw.cells.columns:
            yield toml_problem(raw, "text", _not_there(raw, column))
        elif not is_numeric(raw, column):
            text = f"most cells of '{column}' are no numbers, so that it is text anyway; remove it"
            yield toml_problem(raw, "text", text)


def _not_there(raw: RawTable, column: str) -> str:
    known = {word_key(name): name for name in raw.cells.columns}
    hint = did_you_mean(suggestions(column, known))
    return f"{raw.file} has no column '{column}'{hint or '; correct the name'}"


def _rename(raw: RawTable, spec: TableSpec) -> tuple[RawTable, list[Problem]]:
    """Name columns as the schema does; one of the file may serve several of the schema."""
    there = list(raw.cells.columns)
    problems = []
    stated = [(f"columns.{ours}", ours, theirs) for ours, theirs in spec.columns.items()]
    stated += [("date", "years", spec.date)] if spec.date else []
    stated += [("years", "years", spec.years[0])] if spec.years else []
    stated += [("birth_date", "age", spec.birth_date)] if spec.birth_date else []
    taken = {theirs for _, _, theirs in stated}
    sources: dict[str, list[str]] = {}
    for key, ours, theirs in stated:
        if theirs not in there:
            problems.append(toml_problem(raw, key, _not_there(raw, theirs)))
        elif ours in there and ours not in taken:
            text = f"{raw.file} has a column '{ours}' beside '{theirs}'; remove or rename one"
            problems.append(toml_problem(raw, key, text))
        else:
            sources.setdefault(theirs, []).append(ours)
    columns = {ours: raw.cells[name] for name in there for ours in sources.get(name, [name])}
    files = {ours: name for name, all_ours in sources.items() for ours in all_ours if ours != name}
    cells = pd.DataFrame(columns, index=raw.cells.index)
    return replace(raw, cells=cells, columns=files), problems


def _lengthen(raw: RawTable, spec: TableSpec) -> tuple[RawTable, list[Problem]]:
    names_to, values_to = str(spec.names_to), str(spec.values_to)
    problems = [
        toml_problem(raw, "wide", _not_there(raw, column))
        for column in spec.wide
        if column not in raw.cells.columns
    ]
    allowed = [column.name for column in raw.schema.fields]
    for key, column in (("names_to", names_to), ("values_to", values_to)):
        if column not in allowed:
            hint = did_you_mean(suggestions(column, {word_key(name): name for name in allowed}))
            text = f"'{column}' is not a column of the table; allowed: {', '.join(allowed)}{hint}"
            problems.append(toml_problem(raw, key, text))
        elif column in raw.cells.columns and column not in spec.wide:
            text = f"{raw.file} has a column '{column}' already; remove or rename it"
            problems.append(toml_problem(raw, key, text))
    return (raw, problems) if problems else (raw_to_long(raw, spec.wide, names_to, values_to), [])


def _with_levels(raw: RawTable) -> tuple[RawTable, list[Problem]]:
    """Replace words by the levels that they stand for.

    Where the study gives several words of a column one level, as RRMS and SPMS to MS, the words
    are kept in a column of their own.
    """
    cells, problems = raw.cells.copy(), []
    known = {item.name: known_spellings(item) for item in raw.schema.fields if item.levels}
    declared = raw.schemas.words
    for column in cells.columns.intersection([*known, *declared]):
        words = cells[column]
        own = {word_key(word): level for word, level in declared.get(column, {}).items()}
        meant = known.get(column) or own
        levels = {
            word: meant.get(word_key(word)) or meant.get(word.removesuffix(".0"), word)
            for word in words.unique()  # pandas writes codes as 1.0 where some are missing
        }
        if len(set(own.values())) < len(own) and column not in TYPES.values():
            kept = f"{column}{RECORDED}"
            if kept in cells.columns:
                text = f"is for the words of '{column}' as the file has them; rename this column"
                file = raw.file_column(kept)
                problems.append(Problem(table=raw.file, row=1, column=file, problem=text))
            cells[kept] = words
        if any(word != level for word, level in levels.items()):
            cells[column] = words.map(levels)
    return replace(raw, cells=cells), problems
