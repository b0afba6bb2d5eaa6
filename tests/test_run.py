"""What a run does where the data cannot answer or a model does not converge."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from qsmstats import run_study
from qsmstats.errors import InvalidDataError, UsageError

from .clusters import loopback_cluster


def keep_first_sessions(study):
    for path in study.rglob("sub-*_sessions.tsv"):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    for name in ("lesions.tsv", "ratings.tsv"):
        table = pd.read_csv(study / name, sep="\t", dtype=str, keep_default_na=False)
        first = table[table["session_id"] == table["session_id"].min()]
        first.to_csv(study / name, sep="\t", index=False)


def drop_tables(study, *names):
    text = (study / "study.toml").read_text()
    kept = [line for line in text.splitlines() if not line.startswith(tuple(names))]
    (study / "study.toml").write_text("\n".join(kept) + "\n")


@pytest.fixture(scope="module")
def one_visit(small_study, tmp_path_factory):
    """Return the small study as if nobody had come back, without histology and ratings."""
    study = Path(shutil.copytree(small_study, tmp_path_factory.mktemp("one-visit") / "study"))
    keep_first_sessions(study)
    drop_tables(study, "histology", "ratings")
    return study


@pytest.fixture(scope="module")
def results(one_visit, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    assert run_study(one_visit, out, command="qsmstats run STUDY OUT") == 0
    return out


@pytest.fixture
def measured(results, tmp_path):
    """Return an output folder that holds the measurements only."""
    shutil.copytree(results / "features", tmp_path / "out" / "features")
    return tmp_path / "out"


@pytest.fixture
def no_report(monkeypatch):
    """Leave out the drawing of the report, which takes most of a run's time."""
    monkeypatch.setattr("qsmstats.run.write_report", lambda study, out: out / "report.html")


def test_what_one_visit_cannot_answer_is_said_in_words(results):
    notes = pd.read_csv(results / "trajectory" / "notes.tsv", sep="\t")
    assert len(notes) == 3
    assert notes["note"].str.contains("one visit cannot tell a change").all()
    assert not (results / "trajectory" / "slopes.tsv").exists()
    assert not (results / "histology").exists()
    assert "one visit cannot tell a change" in (results / "report.html").read_text()


@pytest.mark.usefixtures("no_report")
def test_a_model_that_does_not_converge_exits_with_4(one_visit, measured, monkeypatch):
    from qsmstats.mixed import model

    fit = model.MixedModel.fit

    def unconverged(self, data, **options):
        result = fit(self, data, **options)
        info = dataclasses.replace(result.info, converged=False, messages=("stopped early",))
        return dataclasses.replace(result, info=info)

    monkeypatch.setattr(model.MixedModel, "fit", unconverged)
    assert run_study(one_visit, measured, level="group") == 4
    models = pd.read_csv(measured / "baseline" / "models.tsv", sep="\t")
    assert not models["converged"].any()
    assert models["messages"].tolist() == ["stopped early"] * 3


def test_provenance_names_inputs_versions_and_formulas(results):
    record = json.loads((results / "provenance.json").read_text())
    assert record["command"] == "qsmstats run STUDY OUT"
    assert "(1 | participant_id)" in record["models"]["baseline"]
    assert {"study.toml", "participants.tsv", "lesions.tsv"} <= set(record["inputs"])
    assert any(name.endswith("_MWFmap.nii.gz") for name in record["inputs"])
    assert all(len(value) == 64 for value in record["inputs"].values())


@pytest.mark.usefixtures("no_report")
def test_the_group_step_alone_says_what_has_not_been_measured(one_visit, measured):
    for path in (measured / "features").glob("sub-001_*"):
        path.unlink()
    assert run_study(one_visit, measured, level="group") == 1
    failures = pd.read_csv(measured / "failures.tsv", sep="\t")
    assert failures["participant_id"].tolist() == ["sub-001"]
    assert "participant --participant-label 001" in failures.loc[0, "reason"]


def test_nothing_measured_at_all_is_an_error_in_words(one_visit, tmp_path):
    with pytest.raises(InvalidDataError, match="no session has been measured"):
        run_study(one_visit, tmp_path / "out", level="group")


def test_some_participants_cannot_be_analysed_alone(small_study, tmp_path):
    with pytest.raises(UsageError, match="the analyses need every participant"):
        run_study(small_study, tmp_path, participants=["001"])


def test_dask_workers_measure_the_same(one_visit, results, tmp_path):
    with loopback_cluster(workers=1) as cluster:
        address = cluster.scheduler_address
        assert run_study(one_visit, tmp_path, level="participant", dask=address) == 0
    names = sorted(path.name for path in (results / "features").glob("*.tsv"))
    assert sorted(path.name for path in (tmp_path / "features").glob("*.tsv")) == names
    for name in names:
        assert (tmp_path / "features" / name).read_bytes() == (
            results / "features" / name
        ).read_bytes()


def test_no_scheduler_is_wrong_usage(one_visit, tmp_path):
    with pytest.raises(UsageError, match="no dask scheduler answers at 'nowhere'"):
        run_study(one_visit, tmp_path, level="participant", dask="nowhere")


def test_lesions_whose_images_disagree_are_listed(results):
    disputed = pd.read_csv(results / "types" / "disputed.tsv", sep="\t")
    assert (disputed["suggested_type"] != disputed["lesion_type"]).all()
    confusion = pd.read_csv(results / "types" / "confusion.tsv", sep="\t")
    off = confusion[confusion["lesion_type"] != confusion["suggested_type"]]
    assert off["n"].sum() == len(disputed)
