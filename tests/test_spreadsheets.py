"""Text that a spreadsheet would run is written as text, and read back as it was."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmstats.report.results.output_folder import Results
from qsmstats.spreadsheets import read_guarded, write_guarded
from qsmstats.studies.answer_files import write_table

RUN = ("=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1")


def cells(path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines()]


@pytest.mark.parametrize("text", RUN)
def test_no_cell_begins_with_a_sign_that_runs(text):
    table = pd.DataFrame({"note": [text, "plain"], "center": pd.Categorical([text, "x"])})
    written = write_guarded(table)
    assert written["note"].tolist() == [f"'{text}", "plain"]
    assert written["center"].tolist() == [f"'{text}", "x"]
    assert read_guarded(written)["note"].tolist() == [text, "plain"]


def test_numbers_missing_values_and_other_texts_stay_as_they_are(tmp_path):
    table = pd.DataFrame(
        {
            "estimate": [-1.5, np.nan],
            "n": pd.array([-3, None], dtype="Int64"),
            "text": ["it's", None],
            "mixed": [-1.25, "=1"],
            "true": [True, False],
        }
    )
    write_table(table, tmp_path / "t.tsv")
    assert cells(tmp_path / "t.tsv") == [
        ["estimate", "n", "text", "mixed", "true"],
        ["-1.5", "-3", "it's", "-1.25", "TRUE"],
        ["n/a", "n/a", "n/a", "'=1", "FALSE"],
    ]


def test_column_names_are_texts_too(tmp_path):
    write_table(pd.DataFrame({"=1": ["a"]}), tmp_path / "t.tsv")
    assert cells(tmp_path / "t.tsv")[0] == ["'=1"]
    assert Results(folder=tmp_path).rows("t").columns.to_list() == ["=1"]


def test_an_empty_table_stays_one():
    assert write_guarded(pd.DataFrame(columns=["a", "=b"])).columns.to_list() == ["a", "'=b"]
    assert write_guarded(pd.DataFrame()).empty


@given(st.lists(st.text("'=+-@\t ax\uff0d", min_size=1, max_size=5), min_size=1))
def test_any_text_comes_back_as_it_was(texts):
    table = pd.DataFrame({"a": pd.Series(texts, dtype="str")})
    written = write_guarded(table)
    assert not any(text[0] in "=+-@\t\uff0d" for text in written["a"])
    pd.testing.assert_frame_equal(read_guarded(written), table)


def test_results_are_read_as_they_were_written(tmp_path):
    table = pd.DataFrame({"level": ["=A1", "-", "'-", "plain"], "estimate": [-1.5, 1.0, 2.0, 3.0]})
    write_table(table, tmp_path / "means.tsv")
    pd.testing.assert_frame_equal(Results(folder=tmp_path).rows("means"), table)


def test_a_table_is_written_as_pandas_writes_it_piece_by_piece(tmp_path, monkeypatch):
    table = pd.DataFrame(
        {
            "full": [1 / 3, -0.0, 1e-9, 123456789012.5, np.inf],
            "gaps": [np.nan, 0.0, -0.0, 1e300, 2.0],
            "text": pd.Series(['a "b"', "c\td", "", None, "e\nf"], dtype="str"),
            "mixed": [1, 1.0, "1", None, 2.5],
            "n": pd.array([1, None, 3, 4, 5], dtype="Int64"),
            "kind": pd.Categorical(["x", None, "y", "x", "y"]),
        }
    )
    monkeypatch.setattr("qsmstats.studies.answer_files.ROWS", 2)
    write_table(table, tmp_path / "t.tsv")
    expected = table.to_csv(
        sep="\t", index=False, na_rep="n/a", float_format="%.10g", lineterminator="\n"
    )
    assert (tmp_path / "t.tsv").read_bytes().decode() == expected
