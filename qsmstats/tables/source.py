"""The bytes of a table's file, and how much of a table is read.

A file that is small on disk may hold a table without end: a packed workbook or parquet file, or a
sheet with one stray cell a million rows down. What is larger than the limits here is refused with a
message, before memory runs out; they lie well above the table of any study.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.study import TableSpec

__all__ = ["BYTES", "CELLS", "LINE", "Row", "Source", "bounded", "cell_text"]

Row: TypeAlias = tuple[int, list[str]]
"""The number of a row in its file, and its cells."""

BYTES = 100_000_000
"""Of a file, and of what it holds unpacked."""
ROWS = 1_048_576
"""As many as a sheet has in Excel."""
COLUMNS = 1_000
CELLS = 5_000_000
"""1000 patients with 100 lesions at 5 sessions, rated by 2 raters, are 1 million rows of 5."""
TEXT = 100_000_000
"""Characters of all cells together: a packed file may name one long text in every row."""
LINE = 1_000_000
"""Characters of a line of a text file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that was read, and the table that is sought in it.

    Attributes
    ----------
    data
        The file's bytes.
    suffix
        Suffix of its name, in small letters.
    file
        What messages call it.
    name
        Name of the table's schema.
    spec
        What study.toml says of its files.
    """

    data: bytes
    suffix: str
    file: str
    name: str
    spec: TableSpec

    def error(
        self, problem: str, *, row: int | None = None, column: str | None = None
    ) -> InvalidDataError:
        """Return the error to raise for something that is wrong with the file."""
        return InvalidDataError([Problem(table=self.file, row=row, column=column, problem=problem)])

    def too_large(self, found: str, *, row: int | None = None) -> InvalidDataError:
        """Return the error to raise for a table beyond the limits."""
        remedy = "remove what does not belong to the table, or name another file"
        return self.error(f"{found}; {remedy}", row=row)


def bounded(source: Source, rows: Iterable[Row]) -> Iterator[Row]:
    """Pass on the rows of a table that hold any text, and the first, within the limits.

    Raises
    ------
    InvalidDataError
        At the first row or cell beyond them.
    """
    filled = width = characters = 0
    for number, row in rows:
        if number > ROWS:
            raise source.too_large(f"has more than {ROWS} rows", row=number)
        if number > 1 and not any(row):
            continue
        if len(row) > COLUMNS:
            found = f"holds '{row[-1][:20]}' in {_cell(source, number, len(row))}"
            raise source.too_large(
                f"{found}, but a table has at most {COLUMNS} columns", row=number
            )
        filled, width = filled + 1, max(width, len(row))
        characters += sum(map(len, row))
        if filled * width > CELLS or characters > TEXT:
            found = f"has more than {CELLS} cells or {TEXT} characters up to here"
            raise source.too_large(found, row=number)
        yield number, row


def _cell(source: Source, row: int, column: int) -> str:
    if source.suffix != ".xlsx":
        return f"column {column}"
    from openpyxl.utils import get_column_letter  # type: ignore[import-untyped]  # has no stubs

    return f"the cell {get_column_letter(column)}{row}"


def cell_text(value: object, decimal: str = ".") -> str:
    """Return a typed cell as the text that a .tsv of the same table would hold.

    >>> cell_text(3.0), cell_text(2.5, ","), cell_text(datetime.datetime(2024, 3, 31))
    ('3', '2,5', '2024-03-31')
    """
    if value is None or value != value:  # only NaN differs from itself
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        # Spreadsheets know no whole numbers: the label 3 is stored as 3.0.
        return (
            str(int(value))
            if value.is_integer() and abs(value) < 2**53
            else repr(value).replace(".", decimal)
        )
    if isinstance(value, Decimal):
        whole, _, decimals = f"{value:f}".partition(".")
        return f"{whole}{decimal}{decimals}".rstrip("0").rstrip(decimal) if decimals else whole
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()  # a spreadsheet stores every date with midnight
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value).strip()
