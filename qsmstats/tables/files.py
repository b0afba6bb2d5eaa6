"""Read a .tsv, .csv, .xlsx or .parquet file as text, row numbers kept.

Nothing is interpreted: every cell is the text of the file without surrounding space, and every
row keeps its number as an editor counts it (the header is row 1). Text files follow RFC 4180 for
quotes, with a tab (.tsv) or a comma (.csv) between cells, in UTF-8 with or without a byte-order
mark, with any line ends. Of an .xlsx workbook the sheet named as the table is read, or the only
one; of a .parquet file the columns as stored, its first row being row 2 as in the other formats.
What would have to be guessed (another delimiter, another encoding, a formula without a result) is
an error with its remedy.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.tables.raw import RawTable

__all__ = ["read_file"]

Rows = list[tuple[int, list[str]]]
DELIMITERS = {".tsv": "\t", ".csv": ","}
DELIMITER_NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What a file holds, what messages call it, and the table that is sought in it.

    The bytes are read once: what is parsed is what was hashed, though somebody edits the file.
    """

    data: bytes
    suffix: str
    file: str
    name: str

    def error(self, problem: str, *, row: int | None = None) -> InvalidDataError:
        return InvalidDataError([Problem(table=self.file, row=row, problem=problem)])


def read_file(path: Path, *, name: str, file: str) -> RawTable:
    """Read one file of a table.

    Parameters
    ----------
    path
        The file: .tsv, .csv, .xlsx or .parquet.
    name
        Name of the table's schema.
    file
        What messages call the file.

    Returns
    -------
    RawTable
        The cells as text. Rows and nameless columns without any text are left out; rows of a
        wrong length are padded or cut, and stand in `broken`.

    Raises
    ------
    InvalidDataError
        If the file cannot be read as a table.
    """
    source = _Source(data=b"", suffix=path.suffix.lower(), file=file, name=name)
    reader = _READERS.get(source.suffix)
    if reader is None:
        allowed = ", ".join(_READERS)
        raise source.error(f"'{path.suffix}' is no format of a table; save it as one of {allowed}")
    if not path.is_file():
        found = "is no file" if path.exists() else "no such file"
        raise source.error(f"{found}; put it there, or correct [tables] in study.toml")
    try:
        source = replace(source, data=path.read_bytes())
        header, rows = reader(source)
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise source.error(f"cannot be read: {reason}; write it again, readable") from error
    header, rows = _without_blank(header, rows)
    _check_header(header, file)
    width = len(header)
    cells = [(row + [""] * (width - len(row)))[:width] for _, row in rows]
    return RawTable(
        name=name,
        file=file,
        cells=pd.DataFrame(cells, columns=header, dtype="str"),
        places=pd.DataFrame({"file": file, "row": [number for number, _ in rows]}),
        sums={file: hashlib.sha256(source.data).hexdigest()},
        broken={
            at: f"has {len(row)} cells, the header has {width}; write n/a for a missing value"
            for at, (_, row) in enumerate(rows)
            if len(row) != width
        },
    )


def _without_blank(header: list[str], rows: Rows) -> tuple[list[str], Rows]:
    """Leave out rows and nameless columns that hold no text at all; spreadsheets write such."""
    rows = [(number, row) for number, row in rows if any(row)]
    width = len(header)
    filled = [any(at < len(row) and row[at] for _, row in rows) for at in range(width)]
    keep = [at for at in range(width) if header[at] or filled[at]]
    if len(keep) == width:
        return header, rows
    kept = [
        (number, [row[at] for at in keep if at < len(row)] + row[width:]) for number, row in rows
    ]
    return [header[at] for at in keep], kept


def _check_header(header: list[str], file: str) -> None:
    remedy = "name it or leave it out (R: row.names = FALSE, pandas: index=False)"
    problems = [
        Problem(table=file, row=1, problem=f"column {at} has no name; {remedy}")
        for at, title in enumerate(header, start=1)
        if not title
    ]
    for title in dict.fromkeys(filter(None, header)):
        places = [str(at) for at, other in enumerate(header, start=1) if other == title]
        if len(places) > 1:
            text = f"columns {' and '.join(places)} have this name; remove or rename all but one"
            problems.append(Problem(table=file, row=1, column=title, problem=text))
    if problems:
        raise InvalidDataError(problems)


def _read_text(source: _Source) -> tuple[list[str], Rows]:
    text = _decoded(source)
    delimiter = DELIMITERS[source.suffix]
    records = _records(source, text, delimiter)
    first = next(records, None)
    if first is None:
        raise source.error("is empty; write a row of column names and the rows below it")
    _check_delimiter(source, first[1], delimiter)
    return first[1], list(records)


def _decoded(source: _Source) -> str:
    data = source.data
    try:
        # Excel and PowerShell put a byte-order mark first; utf-8-sig takes it off.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        problem = f"is not UTF-8 text (byte 0x{data[error.start]:02x}); save it as UTF-8"
        raise source.error(problem, row=row) from error
    if "\0" in text:
        row = text.count("\n", 0, text.index("\0")) + 1
        raise source.error("holds a zero byte, so it is not text; save it as UTF-8", row=row)
    return text


def _records(source: _Source, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the row number at which each record starts, and its cells; pass over blank lines."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    try:
        for record in reader:
            if any(cell.strip() for cell in record):
                yield start, [cell.strip() for cell in record]
            # A quoted cell may hold line breaks: the next record starts after the last line read.
            start = reader.line_num + 1
    except csv.Error as error:
        problem = f"cannot be split into cells ({error}); close or double the quotation mark"
        raise source.error(problem, row=start) from error


def _check_delimiter(source: _Source, header: list[str], delimiter: str) -> None:
    if len(header) > 1:
        return
    for other, name in DELIMITER_NAMES.items():
        if other != delimiter and other in header[0]:
            # Semicolons usually come with decimal commas: to guess would be to misread numbers.
            wanted = DELIMITER_NAMES[delimiter]
            problem = f"the columns are separated by {name}; save the table with {wanted}"
            raise source.error(problem, row=1)


def _read_workbook(source: _Source) -> tuple[list[str], Rows]:
    values = _sheet_cells(source, results=True)
    formulas = _sheet_cells(source, results=False)
    rows = [(number, [_text(cell) for cell in row]) for number, row in enumerate(values, start=1)]
    width = max((len(row) for _, row in rows), default=0)
    rows = [(number, row + [""] * (width - len(row))) for number, row in rows]
    if not rows or not any(rows[0][1]):
        raise source.error("holds no column names; write them into the first row", row=1)
    header = rows[0][1]
    # A formula that no spreadsheet program has computed reads as an empty cell.
    problems = [
        Problem(
            table=source.file,
            row=number,
            column=header[at],
            problem=f"the formula {formula} has no stored result; save its value instead",
        )
        for (number, row), other in zip(rows, formulas, strict=True)
        for at, formula in enumerate(other)
        if isinstance(formula, str) and formula.startswith("=") and not row[at]
    ]
    if problems:
        raise InvalidDataError(problems)
    return header, rows[1:]


def _sheet_cells(source: _Source, *, results: bool) -> list[tuple[object, ...]]:
    """Return the cells of the table's sheet: results of formulas, or the formulas themselves."""
    from openpyxl import load_workbook  # type: ignore[import-untyped]  # has no stubs

    try:
        book = load_workbook(io.BytesIO(source.data), read_only=True, data_only=results)
        with closing(book):
            sheet = book[_sheet_name(source, book.sheetnames)]
            # Some programs write a wrong size of the sheet, and openpyxl would believe it.
            sheet.reset_dimensions()
            return list(sheet.iter_rows(values_only=True))
    except (InvalidDataError, OSError):
        raise
    except Exception as error:  # a damaged workbook breaks openpyxl in many places and ways
        raise source.error(f"is no .xlsx workbook ({error}); save it anew as .xlsx") from error


def _sheet_name(source: _Source, sheets: Sequence[str]) -> str:
    if len(sheets) == 1:
        return sheets[0]
    for sheet in sheets:
        if sheet.strip().lower() == source.name:
            return sheet
    found = ", ".join(sheets)
    raise source.error(f"has the sheets {found}; name the one of this table '{source.name}'")


def _read_parquet(source: _Source) -> tuple[list[str], Rows]:
    import pyarrow  # type: ignore[import-untyped]  # has no stubs
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(io.BytesIO(source.data)).read()
    except pyarrow.ArrowException as error:
        raise source.error(f"is no .parquet file: {error}; write it again") from error
    columns = [[_text(value) for value in column.to_pylist()] for column in table.columns]
    rows = [(number, list(row)) for number, row in enumerate(zip(*columns, strict=True), start=2)]
    return [title.strip() for title in table.column_names], rows


def _text(value: object) -> str:
    """Return a typed cell as the text that a .tsv of the same table would hold."""
    if value is None or value != value:  # only NaN differs from itself
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        # Spreadsheets know no whole numbers: the label 3 is stored as 3.0.
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value).strip()


_READERS: dict[str, Callable[[_Source], tuple[list[str], Rows]]] = {
    ".tsv": _read_text,
    ".csv": _read_text,
    ".xlsx": _read_workbook,
    ".parquet": _read_parquet,
}
