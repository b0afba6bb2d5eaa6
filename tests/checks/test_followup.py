"""Lesions of one session only are counted where a user sees it, and are no problem."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from qsmstats import check_study
from qsmstats.checks.followup import seen_once
from qsmstats.cli import main
from qsmstats.study_file import open_study
from qsmstats.tables.read import load_tables
from tests.study_folder import TOML, tables, write_images, write_tables


def notes(folder: Path, content=None, toml: str = TOML) -> list[str]:
    study = open_study(write_tables(folder, content, toml))
    return list(map(str, seen_once(study, load_tables(study))))


def renamed(old: str, new: str):
    """Return tables in which the second session calls a lesion otherwise."""
    content = tables()
    for name in ("lesions", "ratings"):
        for row in content[name]:
            if row[:3] == ["sub-01", "ses-02", old]:
                row[2] = new
    return content


def test_lesions_of_all_sessions_and_of_participants_with_one_session_are_none(tmp_path):
    assert notes(tmp_path) == []


def test_a_mistyped_lesion_is_counted_twice_and_named(tmp_path):
    assert notes(tmp_path, renamed("L3", "M3")) == [
        "lesions.tsv, column 'lesion_id': 2 of 6 lesions of participants with several sessions "
        "are in one session only (sub-01 L3, sub-01 M3); check whether they are new, gone, or have "
        "another lesion_id"
    ]


def test_where_sessions_were_labelled_independently_equal_names_mean_nothing(tmp_path):
    toml = TOML + '\n[matching]\nlesion_ids = "independent"\n'
    assert notes(tmp_path, renamed("L3", "M3"), toml) == []


def test_nothing_is_said_where_identifiers_are_broken(tmp_path):
    assert notes(tmp_path, renamed("L3", "M 3")) == []
    study = open_study(write_tables(tmp_path))
    (tmp_path / "lesions.tsv").unlink()
    assert list(seen_once(study, load_tables(study))) == []


@pytest.mark.parametrize("wrong", [False, True])
def test_check_prints_the_note_and_ends_as_without_it(tmp_path, capsys, wrong):
    content = renamed("L3", "M3")
    folder = write_images(write_tables(tmp_path, content), content)
    if wrong:
        (folder / "sub-02/ses-01/sub-02_ses-01_MWFmap.nii.gz").unlink()
    assert main(["check", str(folder)]) == (3 if wrong else 0)
    said = capsys.readouterr()
    assert "note: lesions.tsv, column 'lesion_id': 2 of 6 lesions" in said.err
    assert ("no problem found" in said.err) is not wrong
    assert len(said.out.splitlines()) == wrong


def test_the_kind_of_a_note_is_its_own(tmp_path):
    content = renamed("L3", "M3")
    folder = write_images(write_tables(tmp_path, content), content)
    found = check_study(open_study(folder))
    pd.testing.assert_series_equal(found["kind"], pd.Series(["note"], name="kind", dtype="str"))
