"""The sheet of an .xlsx workbook as rows of text."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from qsmstats.errors import InvalidDataError, Problem, did_you_mean, nearest
from qsmstats.study import TableSpec
from qsmstats.tables.source import BYTES, Row, Source, bounded, cell_text
from qsmstats.untrusted_files import read_bounded

__all__ = ["read_workbook", "sheet_names"]

UNPACKED = 50_000_000
"""Bytes of a workbook's parts: about 1 million cells, which openpyxl takes a minute to read."""


class _Formula(str):
    """A formula that no spreadsheet program has computed: it has no result, not an empty cell."""

    __slots__ = ()


def read_workbook(source: Source) -> list[Row]:
    """Return the rows of the table's sheet, the first being the column names.

    Raises
    ------
    InvalidDataError
        If the file is no workbook, is larger than any table, has no such sheet or no column
        names, or holds a formula without a result.
    """
    try:
        rows = list(bounded(source, _rows(source)))
    except (InvalidDataError, MemoryError):
        raise
    except Exception as error:  # a damaged workbook breaks openpyxl in many places and ways
        raise source.error(f"is not an .xlsx workbook ({error}); save it again as .xlsx") from error
    width = max((len(row) for _, row in rows), default=0)
    rows = [(number, row + [""] * (width - len(row))) for number, row in rows]
    if not rows or not any(rows[0][1]):
        raise source.error("has no column names; write them in the first row", row=1)
    problems = [
        Problem(
            table=source.file,
            row=number,
            column=rows[0][1][at],
            problem=f"the formula {cell} has no stored result; save its value instead",
        )
        for number, row in rows
        for at, cell in enumerate(row)
        if isinstance(cell, _Formula)
    ]
    if problems:
        raise InvalidDataError(problems)
    return rows


def sheet_names(path: Path) -> list[str]:
    """Return the names of a workbook's sheets; none where it cannot be read."""
    try:
        source = Source(
            data=read_bounded(path, BYTES), suffix=".xlsx", file="", name="", spec=TableSpec()
        )
        with closing(_opened(source, results=True)) as book:
            return [sheet.title for sheet in book.worksheets]
    except Exception:  # whatever is wrong: who reads a table of the workbook is told
        return []


def _opened(source: Source, *, results: bool) -> Any:
    """Open a workbook to read results of formulas, or the formulas themselves."""
    from openpyxl import load_workbook  # type: ignore[import-untyped]  # has no stubs

    # Reading stops at the size that is declared here, and fails if there is more.
    with zipfile.ZipFile(io.BytesIO(source.data)) as packed:
        size = sum(item.file_size for item in packed.infolist())
    if size > UNPACKED:
        found = f"holds {size / 1e6:.0f} MB when unpacked, more than {UNPACKED / 1e6:.0f}"
        raise source.error(f"{found}; save the sheet of this table as .tsv")
    return load_workbook(io.BytesIO(source.data), read_only=True, data_only=results)


def _rows(source: Source) -> Iterator[Row]:
    with (
        closing(_opened(source, results=True)) as values,
        closing(_opened(source, results=False)) as formulas,
    ):
        pairs = zip(_sheet_rows(source, values), _sheet_rows(source, formulas), strict=True)
        for number, (row, other) in enumerate(pairs, start=1):
            cells = [_cell(source, *pair) for pair in zip(row, other, strict=True)]
            while cells and not cells[-1]:
                del cells[-1]
            yield number, cells


def _sheet_rows(source: Source, book: Any) -> Iterator[tuple[object, ...]]:
    sheets = book.worksheets
    wanted = source.spec.sheet or source.name
    own = [sheet for sheet in sheets if sheet.title.strip().lower() == wanted.strip().lower()]
    if not own and (len(sheets) != 1 or source.spec.sheet):
        names = [sheet.title for sheet in sheets]
        if not names:
            raise source.error("has no sheet with cells; save the table as a sheet of cells")
        found = f"has no sheet '{wanted}', but {', '.join(names)}"
        state = f'state the one of this table: sheet = "..." below [tables.{source.name}]'
        raise source.error(f"{found}{did_you_mean(nearest(wanted, names)) or '; ' + state}")
    sheet = own[0] if own else sheets[0]
    # Some programs write a wrong size of the sheet, and openpyxl would believe it.
    sheet.reset_dimensions()
    yield from sheet.iter_rows(values_only=True)


def _cell(source: Source, value: object, formula: object) -> str:
    text = cell_text(value, source.spec.decimal or ".")
    is_formula = isinstance(formula, str) and formula.startswith("=")
    return _Formula(formula) if is_formula and not text else text
