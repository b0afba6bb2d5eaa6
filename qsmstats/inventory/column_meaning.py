"""What the columns of a table mean: by their names, and by the words in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from qsmstats.schemas import TableSchema, load_schema
from qsmstats.tables.raw_table import RawTable
from qsmstats.tables.spelling import known_spellings, lesion_levels, word_key

__all__ = ["name_columns", "rater_columns", "type_columns", "unknown_types"]

# A column of lesion types holds this share of known words at least.
SHARE_OF_TYPES = 0.8


def name_columns(schema: TableSchema, there: Iterable[str]) -> dict[str, str]:
    """Return column of the schema -> its name in the file; no column is used twice."""
    keys: dict[str, str] = {}
    for name in there:
        for key in _column_keys(name):
            keys.setdefault(key, name)
    found: dict[str, str] = {}
    for own in (True, False):
        for column in schema.fields:
            if column.name in found:
                continue
            words = (column.name, column.title) if own else column.names
            free = (keys.get(key) for word in words for key in _column_keys(word))
            theirs = next((name for name in free if name and name not in found.values()), None)
            if theirs is not None:
                found[column.name] = theirs
    return {item.name: found[item.name] for item in schema.fields if item.name in found}


def _column_keys(name: str) -> tuple[str, ...]:
    """Return a column's name without signs, and also without what is in brackets, as a unit is."""
    bare = re.sub(r"\(.*?\)|\[.*?\]", "", name)
    return tuple(re.sub(r"[\W_]+", "", word_key(text)) for text in (name, bare))


def rater_columns(raw: RawTable, columns: Mapping[str, str]) -> tuple[str, ...]:
    """Return the columns in which most words are lesion types, where there are two or more."""
    known = known_spellings(load_schema("lesions").column("lesion_type"), {})
    keys = {columns.get(name) for name in ("participant_id", "session_id", "lesion_id")}
    wide = []
    for name in raw.cells.columns:
        words = [word for word in raw.cells[name] if word not in ("", "n/a")]
        types = sum(word_key(word) in known for word in words)
        if name not in keys and words and types >= SHARE_OF_TYPES * len(words):
            wide.append(name)
    return tuple(wide) if len(wide) > 1 else ()


def type_columns(schema: TableSchema, columns: Mapping[str, str]) -> list[str]:
    """Return the columns of a file that hold lesion types.

    Parameters
    ----------
    schema
        The table's schema.
    columns
        As `name_columns` returns it.
    """
    return [
        columns[item.name]
        for item in schema.fields
        if item.name in columns and set(lesion_levels()) <= set(item.levels)
    ]


def unknown_types(raw: RawTable, names: Iterable[str]) -> dict[str, int]:
    """Return word -> number of rows, for words in columns of types that are not known types."""
    schema = load_schema(raw.name)
    levels = [item for item in schema.fields if set(lesion_levels()) <= set(item.levels)]
    known = known_spellings(levels[0], {}) if levels else {}
    words = Counter(word for name in names for word in raw.cells[name])
    missing = {*schema.missing_values, ""}
    return {
        word: count
        for word, count in words.items()
        if word not in missing and word_key(word) not in known
    }
