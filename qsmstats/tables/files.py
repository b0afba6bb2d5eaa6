"""Read a .tsv, .csv, .xlsx or .parquet file as text, row numbers kept.

Nothing is interpreted: every cell is the text of the file without surrounding space, and every
row keeps its number as an editor counts it (the header is row 1). Text files follow RFC 4180 for
quotes, with a tab (.tsv) or a comma (.csv) between cells, in UTF-8 with or without a byte-order
mark, with any line ends. Of an .xlsx workbook the sheet named as the table is read, or the only
one; of a .parquet file the columns as stored, its first row being row 2 as in the other formats.
What would have to be guessed (another delimiter, another encoding, a formula without a result) is
an error with its remedy, and so is what is larger than a table of any study (`source`).
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.study import TableSpec
from qsmstats.tables.conversion import COMMA
from qsmstats.tables.parquet import read_parquet
from qsmstats.tables.plain_text import PLAIN_BYTES, plain_cells
from qsmstats.tables.raw_table import RawTable
from qsmstats.tables.source import BYTES, LINE, Row, Source, bounded
from qsmstats.tables.workbook import read_workbook
from qsmstats.untrusted_files import read_bounded

__all__ = ["read_file"]

PLAIN = TableSpec()
DELIMITERS = {".tsv": "\t", ".csv": ","}
DELIMITER_NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons"}


def read_file(path: Path, *, name: str, file: str, spec: TableSpec = PLAIN) -> RawTable:
    """Read one file of a table.

    Parameters
    ----------
    path
        The file: .tsv, .csv, .xlsx or .parquet.
    name
        Name of the table's schema.
    file
        What messages call the file.
    spec
        What study.toml says of the file: sheet, separator, decimal sign, encoding.

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
    source = Source(data=b"", suffix=path.suffix.lower(), file=file, name=name, spec=spec)
    reader = _READERS.get(source.suffix)
    if reader is None:
        allowed = ", ".join(_READERS)
        raise source.error(f"'{path.suffix}' is not a table format; save it as one of {allowed}")
    try:
        size = PLAIN_BYTES if source.suffix in DELIMITERS else BYTES
        source = replace(source, data=read_bounded(path, size))
        if source.suffix in DELIMITERS:
            plain = plain_cells(source, source.spec.separator or DELIMITERS[source.suffix])
            if plain is not None:
                return _raw(source, plain, range(2, len(plain) + 2), {})
        (_, header), *rows = reader(source)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        found = "is not a file" if isinstance(error, IsADirectoryError) else "no such file"
        problem = f"{found}; put it there, or correct [tables] in study.toml"
        raise source.error(problem) from error
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise source.error(
            f"cannot be read: {reason}; check the file and its permissions"
        ) from error
    except MemoryError as error:
        raise source.too_large("does not fit into the memory of this computer") from error
    _decimal_used(source, [cells for _, cells in rows])
    header, rows = _tidied(header, rows, file)
    width = len(header)
    cells = [(row + [""] * (width - len(row)))[:width] for _, row in rows]
    broken = {
        at: f"has {len(row)} cells, the header has {width}; write n/a for a missing value"
        for at, (_, row) in enumerate(rows)
        if len(row) != width
    }
    numbers = [number for number, _ in rows]
    return _raw(source, pd.DataFrame(cells, columns=header, dtype="str"), numbers, broken)


def _raw(
    source: Source, cells: pd.DataFrame, numbers: Sequence[int], broken: dict[int, str]
) -> RawTable:
    return RawTable(
        name=source.name,
        file=source.file,
        cells=cells,
        places=pd.DataFrame({"file": source.file, "row": numbers}),
        sums={source.file: hashlib.sha256(source.data).hexdigest()},
        broken=broken,
    )


def _decimal_used(source: Source, rows: list[list[str]]) -> None:
    """Raise where study.toml states decimal commas for a table that has none."""
    spec = source.spec
    if not spec.decimal or len(spec.files) != 1 or "{" in spec.files[0]:
        return
    if source.suffix not in DELIMITERS:
        # Only the texts of a workbook have a decimal sign; its numbers were written with this one.
        plain = replace(source, spec=replace(spec, decimal=None))
        rows = [cells for _, cells in _READERS[source.suffix](plain)]
    if not any(COMMA.fullmatch(cell) for cells in rows for cell in cells):
        where = f"tables.{source.name}.decimal"
        text = f"no text of {source.file} is a number with a comma; remove it"
        raise InvalidDataError([Problem(table="study.toml", column=where, problem=text)])


def _tidied(header: list[str], rows: list[Row], file: str) -> tuple[list[str], list[Row]]:
    """Leave out what spreadsheets and exports write beside a table.

    Empty cells behind the last column, columns without name or text, and a column that stands
    twice with the same cells. Each of the others must have a name of its own.
    """
    width = len(header)
    for place, (number, row) in enumerate(rows):
        if len(row) > width:
            end = max((at for at, cell in enumerate(row, 1) if cell), default=0)
            rows[place] = number, row[: max(width, end)]

    def column(at: int) -> list[str]:
        return [row[at] if at < len(row) else "" for _, row in rows]

    first = [header.index(title) for title in header]
    keep = [
        at
        for at in range(width)
        if (header[at] or any(column(at)))
        and (at == first[at] or not header[at] or column(at) != column(first[at]))
    ]
    if len(keep) < width:
        header = [header[at] for at in keep]
        rows = [(no, [row[at] for at in keep if at < len(row)] + row[width:]) for no, row in rows]
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
    return header, rows


def _read_text(source: Source) -> list[Row]:
    data, encoding = source.data, source.spec.encoding
    remedy = f'state its encoding: encoding = "{{}}" below [tables.{source.name}]'
    try:
        # Excel and PowerShell put a byte-order mark first; utf-8-sig takes it off.
        text = data.decode(encoding or "utf-8-sig").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        found = f"is not {encoding or 'UTF-8'} text (byte 0x{data[error.start]:02x})"
        wide = data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        other = remedy.format("utf-16" if wide else "latin-1")
        problem = (
            "; correct encoding in study.toml" if encoding else f"; save it as UTF-8, or {other}"
        )
        raise source.error(found + problem, row=row) from error
    if "\0" in text:
        row = text.count("\n", 0, text.index("\0")) + 1
        raise source.error("contains a zero byte, so it is not text; save it as UTF-8", row=row)
    delimiter = source.spec.separator or DELIMITERS[source.suffix]
    rows = list(bounded(source, _records(source, text, delimiter)))
    if not rows:
        raise source.error("is empty; write a row of column names and the rows below it")
    header = rows[0][1]
    for other, name in DELIMITER_NAMES.items():
        if len(header) == 1 and other != delimiter and other in header[0]:
            # Semicolons usually come with decimal commas: to guess would be to misread numbers.
            problem = f"the columns are separated by {name}; state it: separator = "
            raise source.error(f"{problem}{json.dumps(other)} below [tables.{source.name}]", row=1)
    return rows


def _records(source: Source, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the row number at which each record starts, and its cells; pass over blank lines."""
    reader = csv.reader(_lines(source, text), delimiter=delimiter, strict=True)
    start = 1
    try:
        for record in reader:
            cells = [cell.strip() for cell in record]
            if any(cells):
                yield start, cells
            # A quoted cell may hold line breaks: the next record starts after the last line read.
            start = reader.line_num + 1
    except csv.Error as error:
        problem = f"cannot be split into cells ({error}); close or double the quotation mark"
        raise source.error(problem, row=start) from error


def _lines(source: Source, text: str) -> Iterator[str]:
    for row, line in enumerate(io.StringIO(text, newline=""), start=1):
        if len(line) > LINE:
            raise source.too_large(f"is longer than {LINE} characters", row=row)
        yield line


_READERS: dict[str, Callable[[Source], list[Row]]] = {
    ".tsv": _read_text,
    ".csv": _read_text,
    ".xlsx": read_workbook,
    ".parquet": read_parquet,
}
