"""The section [tables] of study.toml: the kind of each entry, and which of them go together.

What the files say is read by `qsmstats.tables`; no file is opened here.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import PurePath
from typing import Any, Protocol

from qsmstats.errors import one_of
from qsmstats.schemas import TABLES, load_schema
from qsmstats.study import DATE_FORMATS, TIME_UNITS, TableSpec
from qsmstats.study_limits import braces_problem, path_problem

__all__ = ["REQUIRED_TABLES", "TEXT_FILES", "Reader", "have_one_table", "table_specs"]

REQUIRED_TABLES = ("participants", "sessions", "lesions")
TEXT_FILES = (".tsv", ".csv")
OWN = {
    "date": ("sessions",),
    "years": ("sessions",),
    "visits": ("sessions",),
    "birth_date": ("participants",),
    "baseline": ("participants",),
    "each_session": ("lesions", "ratings"),
}
"""Entry -> the tables that may have it; any other entry is for every table."""


class Reader(Protocol):
    """What collects the problems of study.toml."""

    outside: bool

    def report(self, where: str, problem: str) -> None:
        """Note what is wrong with a place of study.toml."""

    def known(self, where: str, raw: Iterable[str], allowed: Iterable[str]) -> None:
        """Report the names that are none of those allowed."""


def table_specs(
    reader: Reader, raw: Mapping[str, Any], *, lists_lesions: bool = False
) -> dict[str, TableSpec]:
    """Read the section [tables].

    Parameters
    ----------
    reader
        Gets every problem.
    raw
        The section, as tomllib returns it.
    lists_lesions
        Whether the label images say which lesions there are, so that no table need list them.

    Returns
    -------
    dict
        Name -> table, of those with which nothing is wrong.
    """
    reader.known("tables", raw, TABLES)
    specs = {}
    for name, value in raw.items():
        if name not in TABLES:
            continue  # reported above
        where = f"tables.{name}"
        entry: Any = {"file": value} if isinstance(value, str | list) else value
        if not isinstance(entry, dict):
            text = f'expected a file name, as {name} = "{name}.tsv", found {value!r}'
            reader.report(where, text)
            continue
        allowed = ["file", *(item.name for item in fields(TableSpec) if item.name != "files")]
        allowed = [key for key in allowed if name in OWN.get(key, TABLES)]
        reader.known(where, entry, allowed)
        entry = {key: entry[key] for key in allowed if key in entry}
        wrong = [*_files(name, entry, outside=reader.outside)]
        wrong += [
            (key, f"{expected}, found {entry[key]!r}")
            for key, (fits, expected) in KINDS.items()
            if key in entry and not fits(entry[key])
        ]
        wrong = wrong or [*_together(name, entry)]
        for key, problem in wrong:
            reader.report(f"{where}.{key}" if key else where, problem)
        if not wrong:
            specs[name] = _spec(entry)
    _between(reader, specs)
    for name in REQUIRED_TABLES:
        if name not in raw and not (name == "lesions" and lists_lesions):
            reader.report(f"tables.{name}", f'is missing; add e.g. {name} = "{name}.tsv"')
    return specs


def _between(reader: Reader, specs: Mapping[str, TableSpec]) -> None:
    """Report tables that lack what another one needs."""
    people, visits = specs.get("participants"), specs.get("sessions")
    if people and visits and people.birth_date and not visits.date:
        text = 'needs the dates of the sessions; name their column: date = "..." below'
        reader.report("tables.participants.birth_date", f"{text} [tables.sessions]")
    if people and visits and people.baseline and not have_one_table(specs):
        text = "is for a table with a row per session, which the sessions name too; remove it"
        reader.report("tables.participants.baseline", text)


def have_one_table(tables: Mapping[str, TableSpec]) -> bool:
    """Tell whether participants and sessions come from one table with a row per visit."""
    people, visits = tables.get("participants"), tables.get("sessions")
    if people is None or visits is None:
        return False
    return (people.files, people.sheet) == (visits.files, visits.sheet)


def _spec(entry: dict[str, Any]) -> TableSpec:
    files = entry.pop("file", ())
    if years := entry.pop("years", None):
        entry["years"] = (years["column"], years["unit"])
    values: dict[str, Any] = {
        key: tuple(item) if isinstance(item, list) else item for key, item in entry.items()
    }
    return TableSpec(files=(files,) if isinstance(files, str) else tuple(files), **values)


_Found = Iterator[tuple[str, str]]


def _files(name: str, entry: Mapping[str, Any], *, outside: bool) -> _Found:
    """Yield what is wrong with the file names of a table."""
    files = entry.get("file")
    if "visits" in entry:
        return
    names: Any = [files] if isinstance(files, str) else files
    if not names or not _is_list(names):
        yield "", f'expected a file name, as {name} = "{name}.tsv", found {files!r}'
        return
    # Of a file per session only dates are taken, as of scans.tsv.
    more = ("session",) if "date" in entry else ()
    for one in dict.fromkeys(names):
        problem = path_problem(one, outside=outside)
        if not problem and names.count(one) > 1:
            problem = f"'{one}' is listed twice; list each file once"
        elif not problem and {"{", "}"} & {*one}:
            problem = braces_problem(one, "participant", more)
            if name == "participants":
                problem = f"'{one}' has braces, but participants have no file each; name the file"
        if problem:
            yield "", problem


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _are_numbers(value: object) -> bool:
    numbers = value.values() if isinstance(value, dict) else ()
    # Whole numbers of TOML have no end; nan is none of the range.
    return bool(numbers) and all(type(one) in (int, float) and -1e9 < one < 1e9 for one in numbers)


def _is_encoding(value: object) -> bool:
    try:
        # Python has codecs that are no encodings of text, such as base64.
        return isinstance(value, str) and codecs.decode(b"a", value) == "a"
    except (LookupError, ValueError, TypeError):
        return False


def _is_years(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"column", "unit"}
        and _is_text(value["column"])
        and value["unit"] in [*TIME_UNITS]
    )


KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "columns": (
        lambda value: isinstance(value, dict) and _is_list(list(value.values())),
        'expected { column = "name in the file" }',
    ),
    "wide": (_is_list, "expected a list of columns of the file"),
    "names_to": (lambda value: isinstance(value, str), "expected a column's name"),
    "values_to": (lambda value: isinstance(value, str), "expected a column's name"),
    "sheet": (_is_text, "expected the name of a sheet"),
    "separator": (
        lambda value: value in (",", ";", "\t", "|"),
        'must be ",", ";", "|" or "\\t"',
    ),
    "decimal": (lambda value: value == ",", 'must be ","; for points, leave it out'),
    "encoding": (_is_encoding, 'expected a known encoding of text, such as "latin-1"'),
    "missing": (
        lambda value: _is_list(value) and all(map(_is_text, value)) and bool(value),
        'expected a list of texts such as ["-99", "unk"]',
    ),
    "date": (_is_text, "expected the name of the column with the dates of sessions"),
    "birth_date": (_is_text, "expected the name of the column with the dates of birth"),
    "date_format": (lambda value: value in [*DATE_FORMATS], f"must be {one_of(DATE_FORMATS)}"),
    "years": (
        _is_years,
        f'expected {{ column = "months", unit = "months" }}, the unit {one_of(TIME_UNITS)}',
    ),
    "visits": (_are_numbers, "expected the years of each session such as { V1 = 0, V2 = 2.1 }"),
    "text": (
        lambda value: _is_list(value) and bool(value),
        'expected a list of columns such as ["site"]',
    ),
    "capped": (_are_numbers, "expected { column = the highest number }, such as { age = 89 }"),
    "baseline": (
        lambda value: _is_list(value) and bool(value),
        'expected a list of columns such as ["edss"]',
    ),
    "each_session": (lambda value: value is True, "expected true; leave it out otherwise"),
    "match_ids": (lambda value: value is True, "expected true; leave it out otherwise"),
}
"""Entry -> whether a value is of its kind, and what is expected."""


def _together(name: str, entry: Mapping[str, Any]) -> _Found:
    """Yield entries that lack another one, or that do nothing beside the others."""
    wide, targets = entry.get("wide"), {"names_to", "values_to"}
    if wide and not targets <= entry.keys():
        yield "", "a wide table needs names_to and values_to; name the columns that get the two"
    if not wide and targets & entry.keys():
        yield "", "names_to and values_to are for a wide table; name its columns: wide"
    files = entry.get("file", [])
    suffixes = {
        PurePath(one).suffix.lower() for one in ([files] if isinstance(files, str) else files)
    }
    for key, kinds in (("sheet", (".xlsx",)), ("separator", TEXT_FILES), ("encoding", TEXT_FILES)):
        if key in entry and not suffixes & {*kinds}:
            yield key, f"is for files of the kind {one_of(kinds)} only; remove this line"
    yield from _of_columns(name, entry)
    yield from _times(entry)


def _of_columns(name: str, entry: Mapping[str, Any]) -> _Found:
    """Yield columns that are named for what they cannot be."""
    known = {item.name: item.type for item in load_schema(name).fields}
    for column in entry.get("capped", {}):
        if known.get(column, "number") != "number":
            yield f"capped.{column}", "is not a column of numbers of this table; remove it"
    for column in entry.get("text", ()):
        if column in known:
            yield "text", f"'{column}' has its kind from data_schemas/; name further columns only"


def _times(entry: Mapping[str, Any]) -> _Found:
    """Yield what is wrong among the entries of dates, years and ages."""
    times = [key for key in ("date", "years", "visits") if key in entry]
    times += ["columns.years"] if times and "years" in entry.get("columns", {}) else []
    if len(times) > 1:
        yield times[1], f"the years of the sessions come from {times[0]} already; keep one of them"
    if "birth_date" in entry and "age" in entry.get("columns", {}):
        yield "columns.age", "the age comes from birth_date already; keep one of them"
    if "date_format" in entry and not {"date", "birth_date"} & entry.keys():
        yield "date_format", "is of no date here; name the column of dates, or remove this line"
    if "visits" in entry and (others := entry.keys() - {"visits"}):
        yield min(others), "is for a table with a file; remove this entry, or visits"
