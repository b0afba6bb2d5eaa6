"""Tables without an end, of strange types or damaged: a message, in little time and memory."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from openpyxl.chart import BarChart
from pyarrow import parquet

from qsmstats.errors import InvalidDataError
from qsmstats.tables import plain_text, source
from qsmstats.tables.files import read_file

HEAD = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
NAMES = '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'


def problem(path: Path) -> str:
    with pytest.raises(InvalidDataError) as caught:
        read_file(path, name="lesions", file=path.name)
    assert len(caught.value.problems) == 1
    return str(caught.value.problems[0])


def texts(path: Path) -> dict[str, list[str]]:
    return read_file(path, name="lesions", file=path.name).cells.to_dict("list")


def sheet(path: Path, rows: Iterable[str]) -> Path:
    """Write a workbook whose one sheet has these rows as they are."""
    plain = io.BytesIO()
    openpyxl.Workbook().save(plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.namelist():
            if item != "xl/worksheets/sheet1.xml":
                new.writestr(item, old.read(item))
        with new.open("xl/worksheets/sheet1.xml", "w") as file:
            for text in (HEAD, NAMES, *rows, "</sheetData></worksheet>"):
                file.write(text.encode())
    return path


def write_parquet(path: Path, **columns: pa.Array) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


def far_cell(cell: str, row: int) -> str:
    return f'<row r="{row}"><c r="{cell}{row}" t="inlineStr"><is><t>x</t></is></c></row>'


def test_a_stray_cell_far_to_the_right_is_named(tmp_path):
    found = problem(sheet(tmp_path / "t.xlsx", [far_cell("XFD", 3000)]))
    assert found.startswith(
        "t.xlsx row 3000: holds 'x' in the cell XFD3000, but a table has at most"
    )


def test_a_stray_cell_far_down_costs_neither_time_nor_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "ROWS", 5000)
    raw = read_file(
        sheet(tmp_path / "t.xlsx", [far_cell("A", 5000)]), name="lesions", file="t.xlsx"
    )
    assert raw.places["row"].to_list() == [5000]
    found = problem(sheet(tmp_path / "u.xlsx", [far_cell("A", 2_000_000_000)]))
    assert found.startswith("u.xlsx row 5001: has more than 5000 rows; remove")


def test_a_workbook_that_unpacks_to_more_than_a_table_is_not_unpacked(tmp_path):
    path = sheet(tmp_path / "t.xlsx", ["<row/>" * 200_000] * 50)
    assert path.stat().st_size < 1_000_000
    assert "t.xlsx: holds 60 MB when unpacked, more than 50; save the sheet" in problem(path)


def test_a_long_text_in_every_row_is_counted(tmp_path):
    rows = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array(["x" * 10**5]))
    path = write_parquet(tmp_path / "t.parquet", a=rows)
    assert path.stat().st_size < 100_000
    assert "or 100000000 characters up to here" in problem(path)


def test_a_parquet_of_more_rows_than_a_table_is_not_read(tmp_path):
    path = write_parquet(tmp_path / "t.parquet", a=pa.nulls(6_000_000, pa.int8()))
    assert path.stat().st_size < 100_000
    assert "t.parquet: has 6000000 rows of 1 columns, and at most 5000000" in problem(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\tb\n" + "\t" * 1_000_001, "t.tsv row 2: is longer than 1000000 characters"),
        ("a" * 1_000_001, "t.tsv row 1: is longer than 1000000 characters"),
        ("a\n1" + "\t" * 1000 + "x", "t.tsv row 2: holds 'x' in column 1001, but a table has at"),
    ],
)
def test_a_line_without_end_is_named(tmp_path, text, words):
    (tmp_path / "t.tsv").write_text(text)
    assert words in problem(tmp_path / "t.tsv")


def test_a_large_file_is_not_read(tmp_path):
    with (tmp_path / "t.tsv").open("wb") as file:
        file.truncate(10**12)  # without a byte on the disk
    assert "t.tsv: cannot be read: it holds more than 500 MB" in problem(tmp_path / "t.tsv")


def test_a_plain_text_may_be_larger_than_one_that_is_read_row_by_row(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "CELLS", 10)
    rows = "".join(f"{row}\tx\n" for row in range(20))
    (tmp_path / "t.tsv").write_text("a\tb\n" + rows)
    assert texts(tmp_path / "t.tsv") == {"a": list(map(str, range(20))), "b": ["x"] * 20}
    for other in (rows.replace("x", '"x"'), rows + "\n1\t2\n"):
        (tmp_path / "u.tsv").write_text("a\tb\n" + other)
        assert "u.tsv row 6: has more than 10 cells" in problem(tmp_path / "u.tsv")
    monkeypatch.setattr(plain_text, "PLAIN_CELLS", 39)
    assert "t.tsv row 6: has more than 10 cells" in problem(tmp_path / "t.tsv")


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([[1]]), "list<"),
        (pa.array([{"x": 1}]), "struct<"),
        (pa.array([b"sub-01"]), "binary"),
        (pa.array([datetime.timedelta(days=1)]), "duration"),
    ],
)
def test_values_that_are_no_cells_are_named_by_their_type(tmp_path, column, kind):
    found = problem(write_parquet(tmp_path / "t.parquet", good=pa.array([1]), bad=column))
    assert found.startswith(f"t.parquet, column 'bad': holds values of the type {kind}")


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0, 10**18], pa.timestamp("us")),
        pa.array([0, -(10**18)], pa.timestamp("ms")),
        pa.array([0, 2**31 - 1], pa.date32()),
        pa.array([0, 10**18], pa.timestamp("us", tz="UTC")),
        pa.array([0, 10**18], pa.timestamp("us")).dictionary_encode(),
    ],
)
def test_a_time_of_no_calendar_is_named_with_its_row(tmp_path, column):
    found = problem(write_parquet(tmp_path / "t.parquet", day=column))
    assert found.startswith("t.parquet row 3, column 'day': holds a value that cannot be read (")


def test_texts_that_are_no_utf8_are_named_with_their_row(tmp_path):
    broken = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"a\xff")]
    )
    found = problem(write_parquet(tmp_path / "t.parquet", a=broken))
    assert found.startswith("t.parquet row 3, column 'a': holds a value that cannot be read (")


def test_a_parquet_without_a_column_is_named(tmp_path):
    pd.DataFrame(index=range(3)).to_parquet(tmp_path / "t.parquet")
    assert "t.parquet: has no column; write the table with" in problem(tmp_path / "t.parquet")


def test_a_parquet_with_a_column_twice_is_named(tmp_path):
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    parquet.write_table(table, tmp_path / "t.parquet")
    assert "column 'a': columns 1 and 2 have this name" in problem(tmp_path / "t.parquet")


def test_a_parquet_without_rows_has_none(tmp_path):
    assert texts(write_parquet(tmp_path / "t.parquet", a=pa.array([], pa.string()))) == {"a": []}


def test_other_types_are_the_text_of_a_tsv(tmp_path):
    path = write_parquet(
        tmp_path / "t.parquet",
        decimal=pa.array([Decimal("3.00"), Decimal("-0.50")]),
        large=pa.array(["x", None], pa.large_string()),
        day=pa.array([datetime.date(2020, 5, 1), None]),
        flag=pa.array([True, None]),
        none=pa.nulls(2),
        category=pa.array([3, None]).dictionary_encode(),
    )
    assert texts(path) == {
        "decimal": ["3", "-0.5"],
        "large": ["x", ""],
        "day": ["2020-05-01", ""],
        "flag": ["TRUE", ""],
        "none": ["", ""],
        "category": ["3", ""],
    }


def charts(path: Path, rows: list[list[object]]) -> Path:
    """Write a workbook with a sheet of one chart, beside another one where there are rows."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.create_chartsheet("figure").add_chart(BarChart())
    if not rows:
        book.remove(book.active)
    book.save(path)
    return path


def test_a_workbook_of_charts_alone_is_named(tmp_path):
    found = problem(charts(tmp_path / "t.xlsx", []))
    assert found.startswith("t.xlsx: has no sheet with cells; ")


def test_a_chart_beside_the_only_sheet_does_not_matter(tmp_path):
    assert texts(charts(tmp_path / "t.xlsx", [["a"], ["1"]])) == {"a": ["1"]}


def test_a_workbook_with_a_password_is_no_workbook(tmp_path):
    (tmp_path / "t.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert "t.xlsx: is not an .xlsx workbook (" in problem(tmp_path / "t.xlsx")


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip bits, cut the end, double a part or put zeros somewhere."""
    value = bytearray(data)
    at = int(rng.integers(len(value)))
    match int(rng.integers(4)):
        case 0:
            for place in rng.integers(len(value), size=int(rng.integers(1, 9))):
                value[place] ^= 1 << int(rng.integers(8))
        case 1:
            del value[at:]
        case 2:
            value[at:at] = value[at : at + 64]
        case _:
            value[at : at + 8] = bytes(8)
    return bytes(value)


FRAME = pd.DataFrame(
    {
        "participant_id": ["sub-01", "sub-02"] * 3,
        "label": range(6),
        "years": [0.5, None] * 3,
        "type": pd.Categorical(["iso", "prl"] * 3),
        "day": pd.to_datetime(["2020-05-01"] * 6),
    }
)


@pytest.mark.parametrize("suffix", [".tsv", ".xlsx", ".parquet"])
def test_a_damaged_table_is_read_or_refused_in_words(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    write = {
        ".tsv": lambda: FRAME.to_csv(path, sep="\t", index=False),
        ".xlsx": lambda: FRAME.to_excel(path, index=False),
        ".parquet": lambda: FRAME.to_parquet(path),
    }
    write[suffix]()
    data, rng = path.read_bytes(), np.random.default_rng(10)
    refused: list[InvalidDataError] = []
    for _ in range(60):
        path.write_bytes(damaged(data, rng))
        try:
            read_file(path, name="lesions", file=path.name)
        except InvalidDataError as error:
            refused.append(error)
    assert len(refused) > 3
    assert {item.table for error in refused for item in error.problems} == {path.name}
