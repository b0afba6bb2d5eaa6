"""Cells as other programs read them: no formula that a spreadsheet would run, truth values of R.

A spreadsheet that opens a .tsv runs every cell that begins with ``=``, ``+``, ``-``, ``@``, a tab
or a line break (OWASP, "CSV Injection", https://owasp.org/www-community/attacks/CSV_Injection).
An apostrophe before such a text keeps the cell text; numbers are left as they are. A
text that begins with apostrophes and then such a sign gets one more, so that taking one off gives
every text back as it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pandas as pd

__all__ = ["read_guarded", "with_truth", "write_guarded"]

# Full-width forms too: a spreadsheet in Japanese takes them for the signs.
_SIGNS = "=+@\t\r\n\uff1d\uff0b\uff0d\uff20-"
_RUNS = re.compile(f"'*[{_SIGNS}]")
_GUARDED = re.compile(f"'+[{_SIGNS}]")


def write_guarded(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose text, column names included, no spreadsheet runs."""
    return _with_texts(table, lambda text: f"'{text}" if _RUNS.match(text) else text)


def with_truth(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose truth values are TRUE and FALSE, which R and pandas read as such."""
    words = {True: "TRUE", False: "FALSE"}
    columns: dict[str, Any] = {}
    for name, column in table.items():
        if column.dtype == "object":
            columns[str(name)] = [
                words[bool(value)] if pd.api.types.is_bool(value) else value for value in column
            ]
        elif column.dtype in ("bool", "boolean"):
            columns[str(name)] = column.astype("boolean").map(words).astype("str")
    return table.assign(**columns)


def read_guarded(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that was written by `write_guarded` with its texts as they were."""
    return _with_texts(table, lambda text: text[1:] if _GUARDED.match(text) else text)


def _with_texts(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    columns = []
    for place in range(table.shape[1]):
        column = table.iloc[:, place]
        values = column
        if not pd.api.types.is_numeric_dtype(column):
            # A long table has few different texts; only a column of objects may hold a list.
            cells = column if column.dtype == "object" else column.unique()
            texts = {cell: change(cell) for cell in cells if isinstance(cell, str)}
            if any(text is not cell for cell, text in texts.items()):
                changed = [texts[cell] if isinstance(cell, str) else cell for cell in column]
                kind = "str" if column.dtype == "str" else "object"
                values = pd.Series(changed, column.index, kind)
        columns.append(values)
    result = pd.concat(columns, axis=1) if columns else table.copy()
    result.columns = pd.Index([change(str(name)) for name in table.columns])
    return result
