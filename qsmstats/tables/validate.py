"""Check prepared tables against their schemas with frictionless, and report it in our words.

Types, constraints and levels are checked by frictionless from the descriptors in data_schemas/
(Table Schema, https://datapackage.org/standard/table-schema/), each word of a column once: its
check of whole packages copies the data several times and takes a hundred times as long. Keys are
checked by `qsmstats.tables.keys`; numbers here too, as frictionless takes whatever Python does
(nan, inf, 1_000).

Each error becomes one `Problem` with the row and column of the user's file. Consequences are left
out: a broken cell is reported for itself and not for the keys it is part of, and a key that
another table lacks is reported at the first column from which it is lacking.

A follow-up of 25.2 years is within what the schema allows; where others have 12 and 24, it is a
follow-up in months. Such values are problems until the study confirms them: `plausible` of a column
in data_schemas/, or of study.toml, which goes first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pandas as pd

from qsmstats.errors import Problem
from qsmstats.schemas import FieldSchema, TableSchema
from qsmstats.tables.conversion import CAPPED
from qsmstats.tables.dates import is_date
from qsmstats.tables.keys import CellProblems, key_problems, reference_problems
from qsmstats.tables.raw_table import RawTable, place_problem
from qsmstats.tables.spelling import known_spellings, unknown_level
from qsmstats.tables.typed import is_numeric, parse_integer, parse_number

__all__ = ["implausible_values", "validate_tables"]

PARSERS = {"integer": parse_integer, "number": parse_number}


def validate_tables(tables: Mapping[str, RawTable]) -> list[Problem]:
    """Check every table against its schema and the keys between them.

    Parameters
    ----------
    tables
        Prepared tables by name.

    Returns
    -------
    list of Problem
        In the order of tables and rows.
    """
    cells = {name: _cell_problems(raw) for name, raw in tables.items()}
    problems: list[Problem] = []
    for name, raw in tables.items():
        problems += [place_problem(raw, *at, text) for at, text in cells[name].items()]
        problems += key_problems(raw, cells[name])
        problems += reference_problems(raw, cells, tables)
    return problems


def _cell_problems(raw: RawTable) -> CellProblems:
    """Return the problem of each cell, row by row; of several of one cell the first."""
    schema = raw.schema
    there = [column for column in schema.fields if column.name in raw.cells.columns]
    names = [column.name for column in schema.fields]
    further = [
        FieldSchema(name=name, title=name, type="number", description="")
        for name in raw.cells.columns
        if name not in names and is_numeric(raw, name)
    ]
    readers = _readers(
        json.dumps([schema.descriptor["fields"], schema.descriptor["missingValues"]])
    )
    cells = {at: text for at, text in raw.faults.items() if at[0] not in raw.broken}
    for column in (*there, *further):
        words = raw.cells[column.name]
        wrong = {}
        for word in words.unique():
            rule = _broken_rule(schema, column, str(word), readers.get(column.name))
            if rule is not None:
                wrong[word] = _explain(schema, column, str(word), rule)
        if column in there:
            dates = words[_dates_among(words, column)].unique()
            wrong |= {word: _no_identifier(word, column.pattern) for word in dates}
        for position in words.isin(list(wrong)).to_numpy().nonzero()[0]:
            if position not in raw.broken:
                cells.setdefault((int(position), column.name), wrong[words.iloc[position]])
    place = {name: number for number, name in enumerate(raw.cells.columns)}
    return dict(sorted(cells.items(), key=lambda cell: (cell[0][0], place.get(cell[0][1], -1))))


@lru_cache(maxsize=64)
def _readers(descriptor: str) -> dict[str, Callable[[str], tuple[Any, dict[str, str] | None]]]:
    """Return what reads a cell of each column: its value, and rule -> note of what it breaks.

    Making them takes longer than reading a small table with them. The descriptor is text, as that
    can be compared: fields and words for missing values in JSON.
    """
    # It takes half a second, which opening a study need not.
    from frictionless import Schema

    # Floats, not decimals: ordering a decimal NaN raises within frictionless.
    fields, missing = json.loads(descriptor)
    for field in fields:
        field |= {"floatNumber": True} if field["type"] == "number" else {}
    made = Schema.from_descriptor({"fields": fields, "missingValues": missing})
    return {field.name: field.create_cell_reader() for field in made.fields}


def _broken_rule(
    schema: TableSchema, column: FieldSchema, word: str, read: Callable[[str], Any] | None
) -> str | None:
    """Return the first rule of its column that a word breaks."""
    # First: a word that is no number is that, whatever bounds it breaks.
    parse = PARSERS.get(column.type)
    if parse and word not in schema.missing_values and parse(word) is None:
        return "type"
    notes = read(word)[1] if read else None
    return next(iter(notes)) if notes else None


def _dates_among(words: pd.Series, column: FieldSchema) -> pd.Series:
    """Tell which identifiers are dates; sessions may all be named by theirs."""
    identifiers = column.pattern != ".*"
    dates = words.isin([word for word in words.unique() if identifiers and is_date(word)])
    named_by_date = column.name == "session_id" and (dates | words.isin(["", "n/a"])).all()
    return dates & ~dates if named_by_date else dates


def _explain(schema: TableSchema, column: FieldSchema, word: str, rule: str) -> str:
    if rule == "required":
        return _required(word)
    if rule == "enum":
        return unknown_level(word, column, known_spellings(column))
    if rule == "type":
        kind = "whole number" if column.type == "integer" else "number"
        hint = _number_hint(word, column.name, schema)
        if column in schema.fields:
            return f"'{word}' is not a {kind}{hint}"
        other = f', or text = ["{column.name}"], if the column holds names or codes'
        return f"'{word}' is not a number, as most cells of the column are: correct it{hint}{other}"
    field = next(field for field in schema.descriptor["fields"] if field["name"] == column.name)
    limit = field["constraints"][rule]
    if rule == "pattern":
        return _no_identifier(word, limit)
    side = "below the minimum" if rule == "minimum" else "above the maximum"
    unit = "" if column.unit in (None, "1") else f" (unit: {column.unit})"
    return f"{word} is {side}, {limit}{unit}; correct it"


def _required(word: str) -> str:
    found = f"'{word}' stands for a missing value" if word else "the cell is empty"
    return f"{found}; fill it in: every row needs a value here"


def _number_hint(word: str, column: str, schema: TableSchema) -> str:
    """Say how to write what was meant by a word that is no number."""
    below = f"below [tables.{schema.name}]"
    point = word.replace(",", ".")
    if point != word and parse_number(point) is not None:
        return f'; write decimals with a point: {point}, or state decimal = "," {below}'
    if match := CAPPED.fullmatch(word):
        limit = match["above"] or match["plus"]
        stated = f"capped = {{ {column} = {limit} }}"
        return f"; if it stands for {limit} and more, state {stated} {below}"
    if re.fullmatch(r"\d+([.,]\d+)?\s*([-\u2013]|to)\s*\d+([.,]\d+)?", word):
        return "; a band is no number: write the value itself, or give the column another name"
    if match := re.fullmatch(r"([+-]?\d+(?:\.\d+)?)\s*[A-Za-z%]+\.?", word):
        return f"; write the number without its unit: {match[1]}"
    if is_date(word):
        return "; a spreadsheet makes a date of 1.5 or 3-1: enter it again in a column of numbers"
    hint = f"; write a missing value as {schema.missing_values[0]}"
    coded = f', or state its code: missing = ["{word}"] {below}'
    return hint if parse_number(word) is not None else hint + coded


def _no_identifier(word: str, pattern: str) -> str:
    """Say which signs an identifier may hold, and offer the word without the others."""
    if is_date(word):
        return (
            f"'{word}' is a date: a spreadsheet makes one of identifiers such as 3-1 or MAR1; "
            "format the column as text and enter the identifiers again"
        )
    names = {"-": "-", ".": ".", "_": "_", "/": "/", " ": "spaces"}
    allowed = " ".join(name for sign, name in names.items() if re.fullmatch(pattern, f"a{sign}a"))
    fitting = re.sub(r"[^0-9A-Za-z.-]+", "-", word).strip(".-")
    known = re.fullmatch(pattern, fitting)
    hint = f"; did you mean '{fitting}'?" if known else "; use only these"
    rule = f"at most 64 letters and digits, with {allowed} between"
    return f"'{word}' is not an identifier: {rule}{hint}"


def implausible_values(
    raw: RawTable, frame: pd.DataFrame, confirmed: Mapping[str, Sequence[float]]
) -> Iterator[Problem]:
    """Yield the values outside the plausible range of their column.

    Parameters
    ----------
    raw, frame
        One table, as text and typed.
    confirmed
        Column -> lowest and highest value, as study.toml states them.
    """
    for column in raw.schema.fields:
        limits = confirmed.get(column.name, column.plausible)
        if limits is None or column.name not in frame.columns:
            continue
        low, high = limits
        values = frame[column.name]
        outside = (values < low) | (values > high)
        # One text for all of them, so that a column in months is one problem.
        seen = f"{values.min():g} to {values.max():g}"
        wider = f"{column.name} = [{min(values.min(), low):g}, {max(values.max(), high):g}]"
        unit = "" if column.unit in (None, "1") else f" {column.unit}"
        file = raw.file_column(column.name)
        stated = f'years = {{ column = "{file}", unit = "months" }} below [tables.sessions]'
        months = f" (months: {stated})" if column.name == "years" else ""
        text = (
            f"is outside {low:g} to {high:g}{unit}, the plausible range (the column has "
            f"{seen}); correct the value or its unit{months}, or confirm it in study.toml: "
            f"{wider} below [plausible]"
        )
        for position in outside.to_numpy().nonzero()[0]:
            yield place_problem(raw, int(position), column.name, text)
