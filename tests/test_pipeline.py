"""The whole path as a user takes it: real files, real processes, true exit codes."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from qsmstats import run_study
from qsmstats.cli import main
from tests.study_folder import write_images, write_tables

TABLES = {
    "features.tsv",
    "tidy.tsv",
    "tissue.tsv",
    "patients.tsv",
    "failures.tsv",
    "baseline/contrasts.tsv",
    "baseline/means.tsv",
    "tissue/contrasts.tsv",
    "trajectory/slopes.tsv",
    "trajectory/slope_contrasts.tsv",
    "trajectory/changes.tsv",
    "histology/accuracy.tsv",
    "raters/agreement.tsv",
    "baseline_raters/contrasts.tsv",
    "trajectory_raters/slopes.tsv",
    "patients/associations.tsv",
    "transitions/flows.tsv",
    "transitions/rates.tsv",
}


@pytest.fixture(scope="module")
def study(small_study, tmp_path_factory):
    """Return the small study with models of one map, whose page is drawn in a third of the time."""
    folder = Path(shutil.copytree(small_study, tmp_path_factory.mktemp("one-outcome") / "study"))
    text = (folder / "study.toml").read_text()
    text = text.replace("questions = []", "").replace("imputations = 0", "imputations = 2")
    (folder / "study.toml").write_text(f'{text}outcomes = ["susceptibility_ppb"]\n')
    return folder


@pytest.fixture(scope="module")
def results(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    assert run_study(study, out, jobs=1) == 0
    return out


def tsvs(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.tsv"))}


def test_one_command_writes_every_table_the_report_and_its_provenance(results):
    assert set(tsvs(results)) >= TABLES
    assert (results / "report.html").stat().st_size > 10_000
    assert (results / "provenance.json").exists()
    assert pd.read_csv(results / "failures.tsv", sep="\t").empty


def test_no_file_of_the_results_holds_a_path_of_this_machine(study, results):
    files = [path for path in results.rglob("*") if path.is_file()]
    places = [str(folder).encode() for folder in (study.parent, results)]
    assert [path for path in files if any(place in path.read_bytes() for place in places)] == []


@pytest.mark.slow
def test_step_by_step_gives_the_same_bytes_as_one_command(
    study, results, tmp_path, qsmstats, monkeypatch
):
    participants = pd.read_csv(study / "participants.tsv", sep="\t")["participant_id"]
    # The first in a process of its own, as an array of jobs would; the rest in one, for time.
    labels = [name.removeprefix("sub-") for name in participants]
    for group in (labels[:1], labels[1:]):
        done = qsmstats("run", study, tmp_path, "participant", "--participant-label", *group)
        assert done.returncode == 0, done.stderr
    # The page is drawn from the tables; drawing it again would test nothing here.
    monkeypatch.setattr("qsmstats.run.draw_report", lambda study, out, **_: out / "report.html")
    assert run_study(study, tmp_path, level="group") == 0
    assert tsvs(tmp_path) == tsvs(results)


@pytest.fixture
def few(tmp_path):
    """Return a study of four participants, five sessions and one map, which a test may break."""
    return write_images(write_tables(tmp_path / "study"))


def test_an_unreadable_image_fails_its_participant_alone(few, tmp_path, monkeypatch):
    image = sorted(few.rglob("sub-*_MWFmap.nii.gz"))[0]
    image.write_bytes(image.read_bytes()[:2000])
    out = tmp_path / "out"
    drawn = []
    monkeypatch.setattr("qsmstats.run.draw_report", lambda study, out, **_: drawn.append(out))
    # The models of four participants have their own tests.
    monkeypatch.setattr("qsmstats.run._questions", lambda *_: [])
    assert main(["run", str(few), str(out), "--jobs", "1"]) == 1
    assert drawn == [out]
    failures = pd.read_csv(out / "failures.tsv", sep="\t")
    assert len(failures) == 1
    assert failures.loc[0, "participant_id"] == image.name.split("_")[0]
    assert image.name in failures.loc[0, "file"]
    features = pd.read_csv(out / "features.tsv", sep="\t")
    everyone = pd.read_csv(few / "participants.tsv", sep="\t")["participant_id"]
    missing = set(everyone) - set(features["participant_id"])
    assert missing <= {failures.loc[0, "participant_id"]}


def edit(path: Path, change) -> None:
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    change(table).to_csv(path, sep="\t", index=False, lineterminator="\n")


def set_cell(row: int, column: str, value: str):
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[row, column] = value
        return table

    return change


def replace_text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def break_missing_file(study):
    sorted(study.rglob("sub-*_MWFmap.nii.gz"))[0].unlink()


def break_unit(study):
    replace_text(study / "study.toml", 'unit = "percent"', 'unit = "fraction"')


def break_label_without_row(study):
    edit(study / "lesions.tsv", lambda table: table.drop(index=0))


def break_duplicate_key(study):
    edit(study / "lesions.tsv", lambda table: pd.concat([table, table.iloc[[0]]]))


def break_type(study):
    edit(study / "lesions.tsv", set_cell(3, "lesion_type", "hyperintens"))


def break_date(study):
    path = sorted(study.rglob("sub-*_sessions.tsv"))[0]
    edit(path, set_cell(0, "years", "n/a"))


def break_control(study):
    participants = pd.read_csv(study / "participants.tsv", sep="\t")
    control = participants.loc[participants["group"] == "HC", "participant_id"].iloc[0]

    def add(table):
        row = table.iloc[[0]].assign(participant_id=control)
        return pd.concat([table, row])

    edit(study / "lesions.tsv", add)


BROKEN = {
    "missing file": (break_missing_file, "MWFmap.nii.gz"),
    "wrong unit": (break_unit, "fraction"),
    "label without row": (break_label_without_row, "label"),
    "duplicate key": (break_duplicate_key, "lesions.tsv row"),
    "misspelt type": (break_type, "did you mean 'hyperintense'"),
    "session without date": (break_date, "years"),
    "control with lesions": (break_control, "control"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_study_stops_with_one_line_per_problem(few, tmp_path, fault, capsys):
    breaks, words = BROKEN[fault]
    breaks(few)
    assert main(["run", str(few), str(tmp_path / "out"), "--jobs", "1"]) == 3
    said = capsys.readouterr().err
    assert words in said
    assert main(["check", str(few), "--jobs", "1"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if words in line]
    assert lines == said.splitlines()


def test_several_faults_are_reported_together(few, tmp_path, capsys):
    for fault in ("missing file", "misspelt type", "session without date"):
        BROKEN[fault][0](few)
    assert main(["run", str(few), str(tmp_path / "out"), "--jobs", "1"]) == 3
    found = capsys.readouterr().err
    for fault in ("missing file", "misspelt type", "session without date"):
        assert BROKEN[fault][1] in found
    assert len(found.splitlines()) == 3


def test_a_sound_study_passes_the_check(small_study, qsmstats):
    checked = qsmstats("check", small_study, "--jobs", "1")
    assert (checked.returncode, checked.stdout) == (0, "")


def test_features_agree_with_the_voxels(small_study, results):
    """One lesion's mean MWF, computed here from the files without any of our code."""
    features = pd.read_csv(results / "features.tsv", sep="\t")
    rows = features[(features["region"] == "lesion") & (features["map"] == "mwf_percent")]
    row = rows.iloc[0]
    folder = small_study / row["participant_id"] / row["session_id"]
    labels = nib.load(next(folder.rglob("*_dseg.nii.gz"))).get_fdata()
    values = nib.load(next(folder.rglob("*_MWFmap.nii.gz"))).get_fdata()
    inside = values[(labels == row["label"]) & (values != 0)]
    # Ten significant digits are written.
    np.testing.assert_allclose(row["mean"], inside.mean(), rtol=1e-9)
