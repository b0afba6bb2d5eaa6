"""What the columns of a table mean: by their names, and by the words in them.

A column is taken for one of the schema only where its words could be that: most of a column of
numbers must be numbers, as files of labs write them (decimal commas, ``89+``, codes for missing).
What such words need in study.toml is found here too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from qsmstats.schemas import TYPES, FieldSchema, TableSchema, load_schema, word_key
from qsmstats.study import DATE_FORMATS
from qsmstats.tables.conversion import CAPPED, COMMA, MISSING, standing_out
from qsmstats.tables.dates import read_dates
from qsmstats.tables.spelling import known_spellings
from qsmstats.tables.typed import parse_number

__all__ = ["conversions", "filled", "name_columns", "rater_columns", "time_columns"]

SHARE = 0.8
"""Of the words in a column, as many at least are what the column is taken for."""
RATER = re.compile(r"(rater|reader|leser|consensus|konsens|adjudicat|auswerter)")
CODES = ("-9", "-99", "-999", "99", "999", "9999", "unk", "unknown", "missing", "?", "-", "k.A.")
"""Words that tables write for a missing value; numbers only where they cannot be the value."""
DATES = {
    "date": (
        *("date", "visit date", "scan date", "session date", "mri date", "acq time", "datum"),
        *("acquisition date", "date of visit", "date of scan", "untersuchungsdatum", "mrt datum"),
    ),
    "birth_date": ("date of birth", "dob", "birth date", "geburtsdatum", "geboren"),
}
"""Entry of study.toml -> names of columns of dates."""
TIMES = {
    "months": ("month", "months", "monate", "follow-up months", "months from baseline"),
    "weeks": ("week", "weeks", "wochen"),
    "days": ("day", "days", "tage", "days from baseline"),
}
"""Unit -> names of columns with the time since the first session."""


def name_columns(
    schema: TableSchema, cells: pd.DataFrame, in_paths: Collection[str] = ()
) -> dict[str, str]:
    """Return column of the schema -> its name in the file; no column is used twice.

    Parameters
    ----------
    schema
        The table's schema.
    cells
        The table as text.
    in_paths
        Parts of the paths of images. Of several columns that may be an identifier, the one counts
        whose words are among them.
    """
    keys: dict[str, str] = {}
    for name in cells.columns:
        for key in _column_keys(str(name)):
            keys.setdefault(key, str(name))
    found: dict[str, str] = {}
    for own in (True, False):
        for column in (item for item in schema.fields if item.name not in found):
            words = (column.name, column.title) if own else column.names
            named = (keys.get(key) for word in words for key in _column_keys(word))
            free = dict.fromkeys(name for name in named if name not in {None, *found.values()})
            fitting = [name for name in free if name and _fits(column, filled(cells[name]))]
            if column.name == "participant_id":
                # max takes the first of equals: that which the schema names first.
                fitting.sort(key=lambda name: -len({*cells[name]} & {*in_paths}))
            if fitting:
                found[column.name] = fitting[0]
    return {item.name: found[item.name] for item in schema.fields if item.name in found}


def filled(words: pd.Series) -> list[str]:
    """Return the words of a column that are no spelling of a missing value."""
    return [word for word in words if word and word.casefold() not in MISSING]


def _column_keys(name: str) -> tuple[str, ...]:
    """Return a column's name without signs, and also without what is in brackets, as a unit is."""
    bare = re.sub(r"\(.*?\)|\[.*?\]", "", name)
    return tuple(re.sub(r"[\W_]+", "", word_key(text)) for text in (name, bare))


def _fits(column: FieldSchema, words: Sequence[str]) -> bool:
    """Tell whether the words of a column may be those of a column of the schema."""
    if column.levels:
        return len({*words}) <= max(12, len(words) // 4)
    if column.type == "string":
        return True
    values = [word for word in words if word not in CODES]
    numbers = [parse_number(word.replace(",", ".")) for word in values]
    whole = column.type == "integer"
    good = sum(
        (number is not None and (not whole or number.is_integer()))
        or (not whole and CAPPED.fullmatch(word) is not None)
        for word, number in zip(values, numbers, strict=True)
    )
    return good >= SHARE * len(values)


def time_columns(cells: pd.DataFrame, name: str) -> tuple[dict[str, Any], list[str]]:
    """Return the entries of a table for dates and for times in other units than years.

    Parameters
    ----------
    cells
        The table as text.
    name
        "sessions" or "participants".

    Returns
    -------
    entries
        `date`, `birth_date`, `date_format`, `years`, as study.toml has them.
    todo
        Columns of dates whose format their words leave open.
    """
    keys = {key: str(column) for column in cells.columns for key in _column_keys(str(column))}
    entry: dict[str, Any] = {}
    todo: list[str] = []
    kind = {"sessions": "date", "participants": "birth_date"}[name]
    for column in (keys[key] for word in DATES[kind] for key in _column_keys(word) if key in keys):
        words = filled(cells[column])
        formats = [
            one
            for one in DATE_FORMATS
            if words and read_dates(pd.Series(words, dtype="str"), one).notna().all()
        ]
        if formats:
            entry[kind] = column
            if formats[0] != "iso":
                entry["date_format"] = formats[0]
            if len(formats) > 1 and formats[0] != "iso":
                todo.append(column)
            break
    for unit, names in TIMES.items() if name == "sessions" and not entry else ():
        for column in (keys[key] for word in names for key in _column_keys(word) if key in keys):
            words = filled(cells[column])
            if words and None not in [parse_number(word.replace(",", ".")) for word in words]:
                return {"years": {"column": column, "unit": unit}}, []
    return entry, todo


def conversions(
    schema: TableSchema, cells: pd.DataFrame, columns: Mapping[str, str]
) -> dict[str, Any]:
    """Return what study.toml must say of the cells: `decimal`, `missing` and `capped`.

    Parameters
    ----------
    schema, cells
        As for `name_columns`.
    columns
        What it returned.
    """
    entry: dict[str, Any] = {}
    codes: dict[str, None] = {}
    if any(COMMA.fullmatch(word) for name in cells.columns for word in cells[name]):
        entry["decimal"] = ","
    for item in (item for item in schema.fields if item.name in columns):
        words = filled(cells[columns[item.name]])
        if item.levels:
            # Two codes of a column of levels are its levels.
            some = item.name not in TYPES.values() and len({*words}) > 2
            codes |= dict.fromkeys(word for word in words if some and word in CODES)
        if item.type not in ("number", "integer") or item.name in schema.primary_key:
            continue
        low, high = item.plausible or (0, float("inf"))
        values = {word: parse_number(word.replace(",", ".")) for word in words}
        codes |= dict.fromkeys(
            word
            for word, number in values.items()
            if word in CODES and (number is None or not low <= number <= high)
        )
        for capped in filter(None, map(CAPPED.fullmatch, words)):
            limit = parse_number(capped["above"] or capped["plus"])
            entry.setdefault("capped", {})[item.name] = limit
    codes |= dict.fromkeys(_further_codes(schema, cells, columns))
    if codes:
        entry["missing"] = list(codes)
    return entry


def _further_codes(
    schema: TableSchema, cells: pd.DataFrame, columns: Mapping[str, str]
) -> list[str]:
    """Return codes that stand out in further columns of numbers, and are a value in none.

    A label may be 99.
    """
    found: dict[str, None] = {}
    whole = [
        columns[one.name] for one in schema.fields if one.type == "integer" and one.name in columns
    ]
    values = {word for name in whole for word in cells[name]}
    for name in cells.columns.difference([*columns.values()]):
        words = dict.fromkeys(word.replace(",", ".") for word in filled(cells[name]))
        numbers = [word for word in words if parse_number(word) is not None]
        codes = standing_out(numbers) if 2 * len(numbers) > len(words) else []
        found |= dict.fromkeys(codes)
        values |= {*numbers} - {*codes}
    return [code for code in found if code not in values]


def rater_columns(cells: pd.DataFrame, taken: Iterable[str | None]) -> tuple[str, ...]:
    """Return the columns of lesion types, one per rater, where there are two or more.

    Parameters
    ----------
    cells
        The table as text.
    taken
        Columns that are something else.

    Returns
    -------
    tuple
        Columns in which most words are lesion types of this field, or which are called after
        raters and share their few words.
    """
    known = known_spellings(load_schema("lesions").column("lesion_type"))
    columns = [str(name) for name in cells.columns if name not in {*taken}]
    words = {name: filled(cells[name]) for name in columns}
    wide = [
        name
        for name in columns
        if words[name]
        and (
            sum(word_key(word) in known for word in words[name]) >= SHARE * len(words[name])
            or (RATER.search(name.casefold()) and len({*words[name]}) <= 8 < len(words[name]))
        )
    ]
    return tuple(wide) if len(wide) > 1 else ()
