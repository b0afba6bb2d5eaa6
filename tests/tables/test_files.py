"""Files as text: every format, every line's number, and what cannot be read."""

from __future__ import annotations

import csv
import datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qsmstats.errors import InvalidDataError
from qsmstats.study import TableSpec
from qsmstats.tables.files import read_file
from qsmstats.tables.raw_table import broken_rows


def read(path: Path, name: str = "lesions"):
    return read_file(path, name=name, file=path.name)


def problems(path: Path, name: str = "lesions") -> list[str]:
    with pytest.raises(InvalidDataError) as caught:
        read(path, name)
    return [str(problem) for problem in caught.value.problems]


def write(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize(
    "data",
    [
        "a\tb\n1\t x \n\n2\ty",
        "\ufeffa\tb\r\n1\tx\r\n\r\n2\ty\r\n",
        "a\tb\r1\tx\r\t\r2\ty\r",
    ],
    ids=["unix", "windows with byte-order mark", "old mac"],
)
def test_text_is_read_with_any_line_ends_and_keeps_its_rows(tmp_path, data):
    raw = read(write(tmp_path, "t.tsv", data))
    assert raw.cells.to_dict("list") == {"a": ["1", "2"], "b": ["x", "y"]}
    assert raw.places.to_dict("list") == {"file": ["t.tsv", "t.tsv"], "row": [2, 4]}


def test_a_quoted_cell_may_hold_delimiters_quotes_and_line_breaks(tmp_path):
    raw = read(write(tmp_path, "t.csv", 'a,b\n"x, ""y""\nz",1\nw,2\n'))
    assert list(raw.cells["a"]) == ['x, "y"\nz', "w"]
    assert list(raw.places["row"]) == [2, 4]


def test_rows_of_a_wrong_length_are_kept_and_named(tmp_path):
    raw = read(write(tmp_path, "t.tsv", "a\tb\n1\n2\tx\n3\ty\tz\n"))
    assert raw.cells.to_dict("list") == {"a": ["1", "2", "3"], "b": ["", "x", "y"]}
    assert list(map(str, broken_rows(raw))) == [
        "t.tsv row 2: has 1 cells, the header has 2; write n/a for a missing value",
        "t.tsv row 4: has 3 cells, the header has 2; write n/a for a missing value",
    ]


def test_columns_without_name_or_text_are_left_out(tmp_path):
    raw = read(write(tmp_path, "t.csv", "a,,b,\n1,,x,\n2,,y\n"))
    assert raw.cells.to_dict("list") == {"a": ["1", "2"], "b": ["x", "y"]}
    assert not raw.broken


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("t.tsv", b"", "t.tsv: is empty"),
        ("t.tsv", b"\n \n", "t.tsv: is empty"),
        (
            "t.tsv",
            "a\tb\nx\tMüller\n".encode("latin-1"),
            "t.tsv row 2: is not UTF-8 text (byte 0xfc",
        ),
        ("t.tsv", "a\tb\n1\tx\n".encode("utf-16"), "t.tsv row 1: is not UTF-8"),
        ("t.tsv", b"a\tb\n1\t\x00\n", "t.tsv row 2: contains a zero byte"),
        (
            "t.tsv",
            b"a,b\n1,x\n",
            'separated by commas; state it: separator = "," below [tables.lesions]',
        ),
        ("t.csv", b"a;b\n1,5;x\n", 'separator = ";" below [tables.lesions]'),
        ("t.csv", b"a\tb\n1\tx\n", 'separated by tabs; state it: separator = "\\t"'),
        ("t.csv", b'a,b\n1,x\n2,"y\n', "t.csv row 3: cannot be split into cells"),
        ("t.csv", b",a\n1,x\n", "t.csv row 1: column 1 has no name"),
        ("t.csv", b"a,b,a\n1,x,2\n", "t.csv row 1, column 'a': columns 1 and 3 have this name"),
        ("t.txt", b"a\tb\n", "'.txt' is not a table format; save it as one of .tsv, .csv, .xlsx"),
        ("t.xlsx", b"a\tb\n", "t.xlsx: is not an .xlsx workbook"),
        ("t.parquet", b"a\tb\n", "t.parquet: is not a .parquet file"),
    ],
)
def test_what_cannot_be_read_is_one_clear_problem(tmp_path, name, data, words):
    found = problems(write(tmp_path, name, data))
    assert len(found) == 1
    assert words in found[0]


def test_a_missing_file_is_named(tmp_path):
    assert problems(tmp_path / "t.tsv") == [
        "t.tsv: no such file; put it there, or correct [tables] in study.toml"
    ]
    (tmp_path / "u.tsv").mkdir()
    assert problems(tmp_path / "u.tsv") == [
        "u.tsv: is not a file; put it there, or correct [tables] in study.toml"
    ]


def test_a_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    path = write(tmp_path, "t.tsv", "a\n1\n")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert problems(path) == [
        "t.tsv: cannot be read: Permission denied; check the file and its permissions"
    ]


def workbook(path: Path, sheets: dict[str, list[list[object]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_gives_the_text_a_tsv_would_hold(tmp_path):
    rows = [
        ["id", "label", "years", "day", "seen", None],
        ["sub-01", 3.0, 0.1, datetime.date(2020, 5, 1), True, None],
        [None, None, None, None, None, None],
        [" sub-02 ", 4, None, datetime.datetime(2020, 5, 1, 8), False, None],
    ]
    raw = read(workbook(tmp_path / "t.xlsx", {"Tabelle1": rows}))
    assert raw.cells.to_dict("list") == {
        "id": ["sub-01", "sub-02"],
        "label": ["3", "4"],
        "years": ["0.1", ""],
        "day": ["2020-05-01", "2020-05-01T08:00:00"],
        "seen": ["TRUE", "FALSE"],
    }
    assert list(raw.places["row"]) == [2, 4]


def test_of_several_sheets_the_one_named_as_the_table_is_read(tmp_path):
    path = workbook(tmp_path / "t.xlsx", {"notes": [["x"], [1]], "Lesions": [["a"], ["b"]]})
    assert list(read(path).cells["a"]) == ["b"]
    assert problems(path, "ratings") == [
        "t.xlsx: has no sheet 'ratings', but notes, Lesions; state the one of this table: "
        'sheet = "..." below [tables.ratings]'
    ]


def test_a_cell_beyond_the_header_is_not_lost(tmp_path):
    path = workbook(tmp_path / "t.xlsx", {"s": [["a", "b"], ["1", "2", "3"]]})
    assert "column 3 has no name" in problems(path)[0]


def test_an_empty_workbook_is_named(tmp_path):
    assert "has no column names" in problems(workbook(tmp_path / "t.xlsx", {"s": []}))[0]


def test_a_formula_without_a_result_is_no_missing_value(tmp_path):
    path = workbook(tmp_path / "t.xlsx", {"s": [["a", "b"], ["x", "=1+1"], ["y", "2"]]})
    assert problems(path) == [
        "t.xlsx row 2, column 'b': the formula =1+1 has no stored result; save its value instead"
    ]


def test_parquet_keeps_whole_numbers_beside_missing_ones(tmp_path):
    frame = pd.DataFrame(
        {
            "label": pd.Series([3, None], dtype="Int64"),
            "years": [0.1, float("nan")],
            "type": pd.Categorical(["iso", None]),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    raw = read(tmp_path / "t.parquet")
    assert raw.cells.to_dict("list") == {"label": ["3"], "years": ["0.1"], "type": ["iso"]}
    assert list(raw.places["row"]) == [2]


# What a spreadsheet or a person could write: printable, with the characters that need quotes.
CELLS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C",), include_characters='\t\n,;"'),
    max_size=8,
).map(str.strip)
SHAPES = st.tuples(st.integers(1, 4), st.integers(0, 6))


@st.composite
def text_tables(draw) -> list[list[str]]:
    width, height = draw(SHAPES)
    names = st.text("abcdefgh_", min_size=1, max_size=6)
    header = draw(st.lists(names, min_size=width, max_size=width, unique=True))
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=height))
    return [header, *(row for row in rows if any(row))]


def as_read(path: Path) -> list[list[str]]:
    raw = read(path)
    assert not raw.broken
    return [list(raw.cells.columns), *raw.cells.to_numpy().tolist()]


@given(text_tables(), st.sampled_from([".tsv", ".csv"]), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=150, deadline=None)
def test_any_table_written_as_text_is_read_back(tmp_path_factory, table, suffix, ends):
    path = tmp_path_factory.mktemp("text") / f"t{suffix}"
    delimiter = {".tsv": "\t", ".csv": ","}[suffix]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator=ends).writerows(table)
    assert as_read(path) == table


LINES = st.lists(
    st.lists(st.sampled_from(["a", " b\u3000", "c\x1c", "", "n/a", "1.5", "\u2028é", '"q"', "'"])),
    max_size=5,
)


@given(
    st.lists(st.sampled_from([b"", b"\xef\xbb\xbf", b"\xe9", b" "]), max_size=3).map(b"".join),
    LINES,
    st.integers(1, 3),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from("\t,"),
)
@example(b"\xe9", [["a", "b"]], 2, "\n", ",")
@example(2 * b"\xef\xbb\xbf", [["a", "b"]], 2, "\n", ",")
@settings(max_examples=300, deadline=None)
def test_plain_text_is_read_by_columns_as_it_is_row_by_row(
    tmp_path_factory, first, lines, width, ends, delimiter
):
    rows = [["x", " y ", "z"][:width], *(row[:width] for row in lines)]
    path = tmp_path_factory.mktemp("text") / "t.tsv"
    path.write_bytes(first + ends.join(map(delimiter.join, rows)).encode())
    with pytest.MonkeyPatch.context() as patch:
        quick = found_in(path, delimiter)
        patch.setattr("qsmstats.tables.files.plain_cells", lambda *_: None)
        assert quick == found_in(path, delimiter)


def found_in(path: Path, delimiter: str) -> object:
    try:
        raw = read_file(path, name="lesions", file="t.tsv", spec=TableSpec(separator=delimiter))
    except InvalidDataError as error:
        return list(map(str, error.problems))
    return raw.cells.to_dict("split"), raw.places.to_dict("list"), raw.broken, raw.sums


@given(text_tables())
@settings(max_examples=50, deadline=None)
def test_any_table_written_as_parquet_is_read_back(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("parquet") / "t.parquet"
    pd.DataFrame(table[1:], columns=table[0], dtype="str").to_parquet(path)
    assert as_read(path) == table


@given(text_tables())
@settings(max_examples=50, deadline=None)
def test_any_table_written_as_a_workbook_is_read_back(tmp_path_factory, table):
    # A leading "=" makes a cell a formula, which openpyxl would write as such.
    table = [[cell.replace("=", "-") for cell in row] for row in table]
    path = workbook(tmp_path_factory.mktemp("book") / "t.xlsx", {"s": table})
    assert as_read(path) == table


def test_a_file_is_read_as_study_toml_says(tmp_path):
    text = "Größe;b;note\n1,5;x;'a\n"
    for encoding in ("latin-1", "utf-16", "cp1252"):
        path = write(tmp_path, "t.csv", text.encode(encoding))
        spec = TableSpec(files=("t.csv",), separator=";", encoding=encoding)
        raw = read_file(path, name="lesions", file="t.csv", spec=spec)
        assert raw.cells.to_dict("list") == {"Größe": ["1,5"], "b": ["x"], "note": ["'a"]}
    spec = TableSpec(files=("t.csv",), separator=";", encoding="ascii")
    with pytest.raises(InvalidDataError, match=r"is not ascii text .* correct encoding in study"):
        read_file(path, name="lesions", file="t.csv", spec=spec)


def test_a_sheet_may_have_any_name_and_numbers_come_with_the_decimal_sign_stated(tmp_path):
    rows = [["a", "b"], [1.5, "2,5"], [3.0, datetime.date(2020, 5, 1)]]
    path = workbook(tmp_path / "t.xlsx", {"lesions": [["x"], [1]], "Läsionen 2": rows})
    spec = TableSpec(files=("t.xlsx",), sheet="läsionen 2", decimal=",")
    raw = read_file(path, name="lesions", file="t.xlsx", spec=spec)
    assert raw.cells.to_dict("list") == {"a": ["1,5", "3"], "b": ["2,5", "2020-05-01"]}
    spec = TableSpec(files=("t.xlsx",), sheet="Lasionen 2")
    with pytest.raises(InvalidDataError, match=r"no sheet 'Lasionen 2', but .*did you mean 'Lä"):
        read_file(path, name="lesions", file="t.xlsx", spec=spec)


def test_what_exports_write_beside_a_table_is_left_out(tmp_path):
    raw = read(write(tmp_path, "t.tsv", "a\tb\ta\t\n1\tx\t1\t\t\n2\ty\t2\n"))
    assert raw.cells.to_dict("list") == {"a": ["1", "2"], "b": ["x", "y"]}
    assert not raw.broken


def test_a_decimal_comma_that_is_nowhere_is_said(tmp_path):
    rows = [["a", "b"], [2.5, "x"]]
    spec = TableSpec(files=("t.xlsx",), decimal=",")
    # The numbers of a workbook have no decimal sign; its texts have.
    with pytest.raises(
        InvalidDataError, match=r"lesions\.decimal': no text of t\.xlsx is a number"
    ):
        read_file(
            workbook(tmp_path / "t.xlsx", {"t": rows}), name="lesions", file="t.xlsx", spec=spec
        )
    rows[1][1] = "3,5"
    read = read_file(
        workbook(tmp_path / "t.xlsx", {"t": rows}), name="lesions", file="t.xlsx", spec=spec
    )
    assert read.cells.to_numpy().tolist() == [["2,5", "3,5"]]
