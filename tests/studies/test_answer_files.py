from __future__ import annotations

import pandas as pd

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


def test_no_unfinished_file_is_left(tmp_path):
    write_table(pd.DataFrame({"a": [1]}), tmp_path / "deep" / "t.tsv")
    assert {p.name for p in (tmp_path / "deep").iterdir()} == {"t.tsv", "t.json"}
