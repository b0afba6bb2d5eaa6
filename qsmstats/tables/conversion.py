"""What study.toml says of the cells of a table: missing codes, decimal commas, capped numbers.

Identifiers are left as they are: a lesion may have the number 99 where 99 is a missing code.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd

from qsmstats.errors import Problem
from qsmstats.study import TableSpec
from qsmstats.tables.raw_table import RawTable, toml_problem
from qsmstats.tables.typed import parse_number

__all__ = ["CAPPED", "converted", "without_codes"]

MISSING = {"n/a", "n.a.", "na", "nan", "null", "<na>", "#n/a", "#nv", "#null!", "."}
"""Spellings of a missing value, in small letters: of BIDS, R, pandas, SQL, Excel, SAS and SPSS."""
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
        cells[column] = cells[column].map({word: plain(word) for word in cells[column].unique()})
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
    cells, faults, problems = raw.cells.copy(), dict(raw.faults), []
    for column in cells.columns.difference([*schema.primary_key, *levels], sort=False):
        words = cells[column]
        if spec.decimal == ",":
            commas = words.str.fullmatch(COMMA)
            points = (
                words.str.fullmatch(POINT) if commas.any() or _is_number(raw, column) else commas
            )
            for at in points.to_numpy().nonzero()[0]:
                text = f"'{words.iloc[at]}' has a point, and the decimal sign stated is a comma"
                faults[int(at), column] = f"{text}; write it with a comma, or without the point"
            cells[column] = words.where(~commas, words.str.replace(",", "."))
        elif not spec.decimal and not _is_number(raw, column) and _are_commas(words):
            text = 'holds numbers with commas; state decimal = ",", or "." if they are texts, below'
            problems.append(
                Problem(
                    table=raw.file,
                    row=1,
                    column=raw.file_column(column),
                    problem=f"{text} [tables.{raw.name}]",
                )
            )
    raw = replace(raw, cells=cells, faults=faults)
    for column, limit in spec.capped.items():
        if column in raw.cells.columns:
            raw, more = _capped(raw, column, limit)
            problems += more
    return raw, problems


def _is_number(raw: RawTable, column: str) -> bool:
    fields = {item.name: item.type for item in raw.schema.fields}
    return fields.get(column) in ("number", "integer")


def _are_commas(words: pd.Series) -> bool:
    """Tell whether a column holds nothing but numbers, some of them with a decimal comma."""
    filled = words[~words.isin(["", "n/a"])]
    commas = filled.str.fullmatch(COMMA)
    return bool(commas.any()) and None not in map(parse_number, filled[~commas])


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
