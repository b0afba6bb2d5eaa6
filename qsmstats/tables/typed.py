"""From text to typed columns: Int64 labels, float64 numbers, categories in schema order."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from qsmstats.schemas import FieldSchema, TableSchema
from qsmstats.tables.raw_table import RawTable

__all__ = ["parse_integer", "parse_number", "typed_frame"]

# Python's own parsers also take nan, inf, 1_000 and the digits of other scripts; a table does not.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


def parse_number(word: str) -> float | None:
    """Return the finite number that a word writes in decimal notation, or None.

    float() rounds correctly to the last bit, which pandas' faster parser does not promise.
    """
    number = float(word) if _NUMBER.fullmatch(word) else math.nan
    return number if math.isfinite(number) else None


def parse_integer(word: str) -> int | None:
    """Return the whole number, of at most 18 digits, that a word writes, or None."""
    return int(word) if _INTEGER.fullmatch(word) else None


def typed_frame(raw: RawTable) -> pd.DataFrame:
    """Return a table with the types of its schema.

    Parameters
    ----------
    raw
        A prepared table. Cells that break the schema become missing here; they are problems of
        their own (`qsmstats.tables.validate`).

    Returns
    -------
    DataFrame
        The schema's columns first, in its order, then the others as they come: numbers where
        every cell is one, else text.
    """
    schema = raw.schema
    ours = [column.name for column in schema.fields if column.name in raw.cells.columns]
    others = [column for column in raw.cells.columns if column not in ours]
    typed = {name: _typed(raw.cells[name], schema.column(name), schema) for name in ours}
    typed |= {name: _inferred(raw.cells[name], schema) for name in others}
    return pd.DataFrame(typed, index=raw.cells.index)


def _typed(words: pd.Series, column: FieldSchema, schema: TableSchema) -> pd.Series:
    if column.levels:
        levels = pd.Categorical(words.where(words.isin(column.levels)), list(column.levels))
        return pd.Series(levels, index=words.index)
    if column.type == "integer":
        return pd.Series(list(map(parse_integer, words)), index=words.index, dtype="Int64")
    if column.type == "number":
        return _numbers(words)
    return _text(words, schema.missing_values)


def _numbers(words: pd.Series) -> pd.Series:
    return pd.Series(list(map(parse_number, words)), index=words.index, dtype=np.float64)


def _text(words: pd.Series, missing: Iterable[str]) -> pd.Series:
    return words.astype("str").where(~words.isin(list(missing)))


def _inferred(words: pd.Series, schema: TableSchema) -> pd.Series:
    filled = words[~words.isin(schema.missing_values)]
    if len(filled) and None not in map(parse_number, filled):
        return _numbers(words)
    return _text(words, schema.missing_values)
