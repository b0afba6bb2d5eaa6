"""From text to typed columns: Int64 labels, float64 numbers, categories in schema order."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from qsmstats.schemas import FieldSchema, TableSchema, load_schema
from qsmstats.tables.raw import RawTable

__all__ = ["INTEGER", "NUMBER", "typed_frame"]

# Python's own parsers also take nan, inf, 1_000 and the digits of other scripts; a table does not.
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


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
    schema = load_schema(raw.name)
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
        numbers = [int(word) if INTEGER.fullmatch(word) else pd.NA for word in words]
        return pd.Series(numbers, index=words.index, dtype="Int64")
    if column.type == "number":
        return _numbers(words)
    return _text(words, schema.missing_values)


def _numbers(words: pd.Series) -> pd.Series:
    # float() rounds correctly to the last bit, which pandas' faster parser does not promise.
    numbers = [float(word) if NUMBER.fullmatch(word) else np.nan for word in words]
    return pd.Series(numbers, index=words.index, dtype=np.float64)


def _text(words: pd.Series, missing: Iterable[str]) -> pd.Series:
    return words.astype("str").where(~words.isin(list(missing)))


def _inferred(words: pd.Series, schema: TableSchema) -> pd.Series:
    filled = words[~words.isin(schema.missing_values)]
    if len(filled) and filled.map(lambda word: bool(NUMBER.fullmatch(word))).all():
        return _numbers(words)
    return _text(words, schema.missing_values)
