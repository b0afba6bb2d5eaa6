"""What study.toml says of the cells of a table: missing codes, decimal commas, capped numbers.

Identifiers are left as they are: a lesion may have the number 99 where 99 is a missing code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pandas as pd

from qsmstats.errors import Problem, plural
from qsmstats.study import TableSpec
from qsmstats.tables.raw_table import RawTable, toml_problem
from qsmstats.tables.typed import is_numeric, parse_number

__all__ = ["CAPPED", "code_notes", "converted", "standing_out", "without_codes"]

MISSING = {"n/a", "n.a.", "na", "nan", "null", "<na>", "#n/a", "#nv", "#null!", "."}
"""Spellings of a missing value, in small letters: of BIDS, R, pandas, SQL, Excel, SAS and SPSS."""
CODES = (-1, -9, -99, -999, -9999, 99, 888, 999, 8888, 9999)
"""Numbers that are written for a missing value; `standing_out` says where."""
COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
CAPPED = re.compile(r"[>≥]=?\s*(?P<above>\d+(\.\d+)?)|(?P<plus>\d+(\.\d+)?)\s*\+")


def without_codes(raw: RawTable, spec: TableSpec) -> tuple[RawTable, list[Problem]]:
    """Return a table with one word for missing values; report codes that are nowhere.

    Parameters
    ----------
    raw
        A table with the columns of its schema.
    spec
        What study.toml says of it.
    """
    schema = raw.schema
    numbers = {number for code in spec.missing if (number := parse_number(code)) is not None}
    found: set[str | float] = set()

    def plain(word: str) -> str:
        if word in spec.missing or (numbers and parse_number(word) in numbers):
            found.add(word)
            found.add(parse_number(word) or word)
            return schema.missing_values[0]
        return schema.missing_values[0] if word.casefold() in MISSING else word

    cells = raw.cells.copy()
    for column in cells.columns.difference([*schema.primary_key]):
        words = {word: plain(word) for word in cells[column].unique()}
        if any(word != other for word, other in words.items()):
            cells[column] = cells[column].map(words)
    problems = [
        toml_problem(raw, "missing", f"no cell of {raw.file} holds '{code}'; remove it")
        for code in spec.missing
        if not {code, parse_number(code)} & found
    ]
    return replace(raw, cells=cells), problems


def converted(raw: RawTable, spec: TableSpec) -> tuple[RawTable, list[Problem]]:
    """Return a table with decimal points, and capped numbers as they are entered.

    Parameters
    ----------
    raw, spec
        As for `without_codes`.
    """
    schema = raw.schema
    levels = {column.name for column in schema.fields if column.levels}
    cells, faults = raw.cells.copy(), dict(raw.faults)
    problems: list[Problem] = []
    columns = cells.columns.difference([*schema.primary_key, *levels, *spec.text], sort=False)
    for column in columns if spec.decimal else ():
        words = cells[column]
        commas = words.str.fullmatch(COMMA)
        points = words.str.fullmatch(POINT) if commas.any() or _is_number(raw, column) else commas
        for at in points.to_numpy().nonzero()[0]:
            text = f"'{words.iloc[at]}' has a point, and the decimal sign stated is a comma"
            faults[int(at), column] = f"{text}; write it with a comma, or without the point"
        cells[column] = words.where(~commas, words.str.replace(",", "."))
    raw = replace(raw, cells=cells, faults=faults)
    for column, limit in spec.capped.items():
        if column in raw.cells.columns:
            raw, more = _capped(raw, column, limit)
            problems += more
    return raw, problems


def standing_out(words: Iterable[str]) -> list[str]:
    """Return the numbers of a column that look like codes for a missing value.

    A negative one of `CODES` does where no other number of the column is below 0, a positive one
    where it lies further above the others than these lie apart. Fewer than three different others
    tell nothing: they may be codes themselves.

    >>> standing_out(["12", "9.5", "14", "-99"]), standing_out(["1", "0", "-1"])
    (['-99'], [])
    """
    numbers = {word: number for word in words if (number := parse_number(word)) is not None}
    others = {number for number in numbers.values() if number not in CODES}
    if len(others) < 3:
        return []
    low, high = min(others), max(others)
    return [
        word
        for word, number in numbers.items()
        if number in CODES and (low >= 0 > number or number > high + (high - low))
    ]


def code_notes(raw: RawTable) -> Iterator[Problem]:
    """Yield one note per further column of a table in which codes for missing values stand out.

    Columns of the schema have a range, outside which a number is a problem.
    """
    ours = {column.name for column in raw.schema.fields}
    for column in raw.cells.columns:
        words = raw.cells[column]
        if column in ours or not is_numeric(raw, column):
            continue
        for code in standing_out(words.unique()):
            count, known = int((words == code).sum()), words[words != code].map(parse_number)
            known = known.astype("float64")
            text = (
                f"{count} {plural('cell', count)} hold{'s' * (count == 1)} {code}, the others "
                f"{known.min():g} to {known.max():g}; if it stands for a missing value, write "
                f'missing = ["{code}"] below [tables.{raw.name}]'
            )
            yield Problem(table=raw.file, column=raw.file_column(column), problem=text)


def _is_number(raw: RawTable, column: str) -> bool:
    fields = {item.name: item.type for item in raw.schema.fields}
    return fields.get(column) in ("number", "integer")


def _capped(raw: RawTable, column: str, limit: float) -> tuple[RawTable, list[Problem]]:
    words = raw.cells[column]
    found = [CAPPED.fullmatch(word) for word in words]
    where = f"capped.{column}"
    if not any(found):
        text = f"no cell of {raw.file} is written as '{limit:g}+' or '>{limit:g}'; remove it"
        return raw, [toml_problem(raw, where, text)]
    faults = dict(raw.faults)
    plain = list(words)
    for at, (word, match) in enumerate(zip(words, found, strict=True)):
        number = parse_number(word)
        if match and float(match["above"] or match["plus"]) == limit:
            plain[at] = f"{limit:g}"
        elif match or (number is not None and number > limit):
            text = f"'{word}' is not capped at {limit:g}, as study.toml states"
            faults[at, column] = f"{text}; correct one of the two"
    cells = raw.cells.assign(**{column: pd.Series(plain, words.index, dtype="str")})
    return replace(raw, cells=cells, faults=faults), []
