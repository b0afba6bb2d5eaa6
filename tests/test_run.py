"""What a run does where the data cannot answer or a model does not converge."""

from __future__ import annotations

import dataclasses
import json

import pandas as pd
import pytest

from qsmstats import run_study
from qsmstats.errors import InvalidDataError, UsageError


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


@pytest.fixture
def one_visit(study_copy):
    keep_first_sessions(study_copy)
    drop_tables(study_copy, "histology", "ratings")
    return study_copy


def test_what_one_visit_cannot_answer_is_said_in_words(one_visit, tmp_path):
    out = tmp_path / "out"
    assert run_study(one_visit, out) == 0
    notes = pd.read_csv(out / "trajectory" / "notes.tsv", sep="\t")
    assert len(notes) == 3
    assert notes["note"].str.contains("one visit cannot tell a change").all()
    assert not (out / "trajectory" / "slopes.tsv").exists()
    assert not (out / "histology").exists()
    assert "one visit cannot tell a change" in (out / "report.html").read_text()


def test_a_model_that_does_not_converge_exits_with_4(one_visit, tmp_path, monkeypatch):
    from qsmstats.mixed import model

    fit = model.MixedModel.fit

    def unconverged(self, data, **options):
        result = fit(self, data, **options)
        info = dataclasses.replace(result.info, converged=False, messages=("stopped early",))
        return dataclasses.replace(result, info=info)

    monkeypatch.setattr(model.MixedModel, "fit", unconverged)
    assert run_study(one_visit, tmp_path / "out") == 4
    models = pd.read_csv(tmp_path / "out" / "baseline" / "models.tsv", sep="\t")
    assert not models["converged"].any()
    assert "stopped early" in (tmp_path / "out" / "report.html").read_text()


def test_provenance_names_inputs_versions_and_formulas(one_visit, tmp_path):
    run_study(one_visit, tmp_path / "out", command="qsmstats run STUDY OUT")
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert record["command"] == "qsmstats run STUDY OUT"
    assert "(1 | participant_id)" in record["models"]["baseline"]
    assert {"study.toml", "participants.tsv", "lesions.tsv"} <= set(record["inputs"])
    assert any(name.endswith("_MWFmap.nii.gz") for name in record["inputs"])
    assert all(len(value) == 64 for value in record["inputs"].values())


def test_the_group_step_alone_says_what_has_not_been_measured(one_visit, tmp_path):
    assert run_study(one_visit, tmp_path / "out", level="participant") == 0
    for path in (tmp_path / "out" / "features").glob("sub-001_*"):
        path.unlink()
    assert run_study(one_visit, tmp_path / "out", level="group") == 1
    failures = pd.read_csv(tmp_path / "out" / "failures.tsv", sep="\t")
    assert failures["participant_id"].tolist() == ["sub-001"]
    assert "participant --participant-label 001" in failures.loc[0, "reason"]


def test_nothing_measured_at_all_is_an_error_in_words(one_visit, tmp_path):
    with pytest.raises(InvalidDataError, match="no session has been measured"):
        run_study(one_visit, tmp_path / "out", level="group")


def test_some_participants_cannot_be_analysed_alone(small_study, tmp_path):
    with pytest.raises(UsageError, match="the analyses need every participant"):
        run_study(small_study, tmp_path, participants=["001"])
