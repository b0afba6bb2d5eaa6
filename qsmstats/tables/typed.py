"""From text to typed columns: Int64 labels, float64 numbers, categories in schema order."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd

from qsmstats.tables.raw_table import RawTable

__all__ = ["is_numeric", "parse_integer", "parse_number", "typed_frame"]

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
        The schema's columns first, in its order, then the others as they come: numbers or text
        (`is_numeric`).
    """
    schema, missing = raw.schema, list(raw.schema.missing_values)
    ours = {column.name: column for column in schema.fields if column.name in raw.cells.columns}
    typed: dict[str, pd.Series] = {}
    for name in [*ours, *(column for column in raw.cells.columns if column not in ours)]:
        words, column = raw.cells[name], ours.get(name)
        filled = ~words.isin(missing)
        if column and column.levels:
            known = words.where(words.isin(column.levels))
            typed[name] = pd.Series(pd.Categorical(known, list(column.levels)), index=words.index)
        elif column and column.type == "integer":
            whole = list(map(parse_integer, words.tolist()))
            typed[name] = pd.Series(whole, index=words.index, dtype="Int64")
        elif column.type == "number" if column else is_numeric(raw, name):
            numbers = list(map(parse_number, words.tolist()))
            typed[name] = pd.Series(numbers, index=words.index, dtype=np.float64)
        else:
            typed[name] = words.astype("str").where(filled)
    return pd.DataFrame(typed, index=raw.cells.index)


def is_numeric(raw: RawTable, column: str) -> bool:
    """Tell whether a further column is one of numbers: most of its cells are.

    Its other cells are problems: read as text, a column would turn into categories in a formula for
    one ``10.7<``. Columns whose words have levels, or that study.toml calls text, are none.

    Parameters
    ----------
    raw
        Its table.
    column
        A column that the schema does not have.
    """
    if column in (*raw.texts, *raw.schemas.words):
        return False
    words = raw.cells[column]
    words = words[~words.isin(raw.schema.missing_values)]
    # Decimal commas, and signs such as < beside a number, say that a number is meant.
    numbers = [
        word for word in words if parse_number(word.strip("<>≤≥=~+ ").replace(",", ".")) is not None
    ]
    return 2 * len(numbers) > len(words)
