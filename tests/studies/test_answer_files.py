from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats import write_answer
from qsmstats.studies.answer_files import result_tables, write_table


def test_tables_notes_and_methods_come_back_from_disk(baseline, tmp_path):
    write_answer([baseline], tmp_path, refusals=[("ndi", "Could not be answered: no such map")])
    for name, table in result_tables(baseline).items():
        read = pd.read_csv(tmp_path / f"{name}.tsv", sep="\t", keep_default_na=False)
        assert list(read.columns) == ["outcome", *table.columns]
        assert len(read) == len(table)
    notes = pd.read_csv(tmp_path / "notes.tsv", sep="\t")
    assert notes["note"].tolist() == ["Could not be answered: no such map"]
    assert (tmp_path / "methods.txt").read_text().strip() == baseline.methods


def test_missing_values_are_written_as_bids_has_them(tmp_path):
    write_table(pd.DataFrame({"a": [1.0, None], "b": ["x", None]}), tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_bytes() == b"a\tb\n1\tx\nn/a\tn/a\n"


@pytest.mark.parametrize("rows", [0, 2])
def test_a_table_without_columns_has_empty_lines(rows, tmp_path):
    write_table(pd.DataFrame(index=range(rows)), tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text() == "\n" * (rows + 1)


def test_no_unfinished_file_is_left(tmp_path):
    write_table(pd.DataFrame({"a": [1]}), tmp_path / "deep" / "t.tsv")
    assert {p.name for p in (tmp_path / "deep").iterdir()} == {"t.tsv", "t.json"}


def rounded_at_halves(rng, n):
    """Return numbers whose eleventh digit is a 5, or next to it by a bit or two."""
    halves = (rng.integers(10**9, 10**10, n) + 0.5) * 10.0 ** rng.integers(-13, 1, n)
    return halves * (1 + rng.integers(-2, 3, n) * 2.0**-52)


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(lambda rng, n: rng.normal(10, 2, n), id="as features are"),
        pytest.param(
            lambda rng, n: rng.normal(size=n) * 10.0 ** rng.integers(-20, 20, n), id="any"
        ),
        pytest.param(lambda rng, n: rng.integers(-(10**11), 10**11, n) / 8, id="whole and eighths"),
        pytest.param(
            lambda rng, n: (
                10.0 ** rng.integers(-6, 12, n) * (1 + rng.integers(-4, 5, n) * 2.0**-53)
            ),
            id="beside powers of ten",
        ),
        pytest.param(
            lambda rng, n: 10.0 ** rng.integers(-6, 12, n) * (1 + rng.normal(size=n) * 1e-10),
            id="rounded to powers of ten",
        ),
        pytest.param(rounded_at_halves, id="at halves of the last digit"),
        pytest.param(
            lambda rng, n: rng.choice([0.0, -0.0, np.inf, -np.inf, 5e-324, 1.7e308, 1e-4], n),
            id="without digits",
        ),
    ],
)
def test_numbers_are_written_as_the_c_language_does_with_ten_digits(tmp_path, numbers):
    values = numbers(np.random.default_rng(1), 20_000)
    write_table(pd.DataFrame({"a": values}), tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text().split()[1:] == [f"{value:.10g}" for value in values]


def test_cells_of_every_kind_are_written_as_text(tmp_path):
    table = pd.DataFrame(
        {
            "text": ["x", 'a "b"\tc', "=1"],
            "count": pd.array([1, None, 3], "Int64"),
            "level": pd.Categorical(["u", None, "v"]),
            "truth": pd.array([True, None, False], "boolean"),
            "any": [1, 1.0, True],
            "none": [np.nan, np.nan, np.nan],
        }
    )
    write_table(table, tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text() == (
        "text\tcount\tlevel\ttruth\tany\tnone\n"
        "x\t1\tu\tTRUE\t1\tn/a\n"
        '"a ""b""\tc"\tn/a\tn/a\tn/a\t1.0\tn/a\n'
        "'=1\t3\tv\tFALSE\tTRUE\tn/a\n"
    )
    write_table(table.iloc[:0], tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text() == "text\tcount\tlevel\ttruth\tany\tnone\n"
