"""What a run does where the data cannot answer or a model does not converge."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from qsmstats import rater_agreement, run, run_study
from qsmstats.cli import main
from qsmstats.errors import (
    InvalidDataError,
    NoDataError,
    NotIdentifiedError,
    UsageError,
)
from qsmstats.output import held
from qsmstats.own_schemas import Schemas
from qsmstats.records import renewed, require_one_source, source_of
from qsmstats.run import _answer
from qsmstats.study_file import open_study
from qsmstats.voxels.session_store import sha256

from .clusters import loopback_cluster
from .report.painting import paint_only
from .study_folder import tables, write_images, write_tables


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
    """Return the small study as if nobody had come back, without histology and ratings.

    Its models are of one map, whose page is made in a third of the time.
    """
    study = Path(shutil.copytree(small_study, tmp_path_factory.mktemp("one-visit") / "study"))
    keep_first_sessions(study)
    drop_tables(study, "histology", "ratings")
    with (study / "study.toml").open("a") as file:
        file.write('outcomes = ["susceptibility_ppb"]\n')  # of [models], the last section
    return study


@pytest.fixture(scope="module")
def results(one_visit, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        painted = paint_only(patch)
        assert run_study(one_visit, out, command="qsmstats run STUDY OUT") == 0
    assert painted
    return out


@pytest.fixture
def measured(results, tmp_path):
    """Return an output folder that holds the measurements only."""
    shutil.copytree(results / "features", tmp_path / "out" / "features")
    return tmp_path / "out"


@pytest.fixture
def no_report(monkeypatch):
    """Leave out the drawing of the report, which takes most of a run's time."""
    monkeypatch.setattr("qsmstats.run.draw_report", lambda study, out, **_: out / "report.html")


def test_what_one_visit_cannot_answer_is_said_in_words(results):
    notes = pd.read_csv(results / "trajectory" / "notes.tsv", sep="\t")
    assert len(notes) == 1
    assert notes["note"].str.contains("a change cannot be estimated from one visit").all()
    assert not (results / "trajectory" / "slopes.tsv").exists()
    assert not (results / "histology").exists()
    assert "a change cannot be estimated from one visit" in (results / "report.html").read_text()


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
    assert models["messages"].tolist() == ["stopped early"]


def test_provenance_names_inputs_versions_and_formulas(results):
    record = json.loads((results / "provenance.json").read_text())
    assert record["command"] == "qsmstats run STUDY OUT"
    assert "(1 | participant_id)" in record["models"]["baseline"]
    assert {"study.toml", "participants.tsv", "lesions.tsv"} <= set(record["inputs"])
    assert any(name.endswith("_MWFmap.nii.gz") for name in record["inputs"])
    assert all(len(value) == 64 for value in record["inputs"].values())
    declared = json.loads((results / "schemas.json").read_text())
    assert Schemas.from_declared(declared) == Schemas()


@pytest.mark.usefixtures("no_report")
def test_the_group_step_alone_says_what_has_not_been_measured(
    one_visit, measured, tmp_path, capsys
):
    for path in (measured / "features").glob("sub-001_*"):
        path.unlink()
    # A note of the check is said by a run, too: here on a code for a missing value.
    study = Path(shutil.copytree(one_visit, tmp_path / "study"))
    people = pd.read_csv(study / "participants.tsv", sep="\t", keep_default_na=False)
    people.assign(nfl=[-99, *range(7, 6 + len(people))]).to_csv(
        study / "participants.tsv", sep="\t", index=False
    )
    assert run_study(study, measured, level="group") == 1
    assert "note: participants.tsv, column 'nfl': 1 cell holds -99" in capsys.readouterr().err
    failures = pd.read_csv(measured / "failures.tsv", sep="\t")
    assert failures["participant_id"].tolist() == ["sub-001"]
    assert "participant --participant-label 001" in failures.loc[0, "reason"]


@pytest.mark.parametrize("kind", [UsageError, InvalidDataError, NotIdentifiedError, NoDataError])
def test_what_one_study_cannot_answer_is_said_and_leaves_the_others(tmp_path, capsys, kind):
    def ask(_):
        raise kind("too few\nraters")

    # That the study has no data for a question is no shortcoming of the run.
    missing = ["raters: not answered; see notes.tsv beside its results"]
    expected = [] if kind is NoDataError else missing
    assert _answer(("raters", ["raters"], ask), tmp_path) == expected
    assert capsys.readouterr().err == "raters: could not be answered: too few; raters\n"
    notes = pd.read_csv(tmp_path / "raters" / "notes.tsv", sep="\t")
    assert notes["note"].tolist() == ["Could not be answered: too few; raters"]


def test_nothing_measured_at_all_is_an_error_in_words(one_visit, tmp_path):
    with pytest.raises(InvalidDataError, match="no session could be measured"):
        run_study(one_visit, tmp_path / "out", level="group")


def test_some_participants_cannot_be_analysed_alone(small_study, tmp_path):
    with pytest.raises(UsageError, match="the analyses need every participant"):
        run_study(small_study, tmp_path, participants=["001"])


@pytest.mark.slow
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


def label_anew(study, session="ses-02"):
    """Shuffle labels and lesion_ids of a session, as if it had been labelled on its own."""
    rng = np.random.default_rng(3)
    tables = {name: study / f"{name}.tsv" for name in ("lesions", "ratings")}
    lesions, ratings = (
        pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False) for path in tables.values()
    )
    for participant, rows in lesions[lesions["session_id"] == session].groupby("participant_id"):
        drawn = rows.iloc[rng.permutation(len(rows))]
        assert (drawn["lesion_id"].to_numpy() != rows["lesion_id"].to_numpy()).any()
        path = next((study / participant / session).rglob("*_dseg.nii.gz"))
        loaded = nib.load(path)
        values = np.asanyarray(loaded.dataobj)
        relabelled = np.zeros_like(values)
        for old, new in zip(rows["label"], drawn["label"], strict=True):
            relabelled[values == int(old)] = int(new)
        nib.save(nib.Nifti1Image(relabelled, loaded.affine, loaded.header), path)
        names = dict(zip(rows["lesion_id"], drawn["lesion_id"], strict=True))
        for table in (lesions, ratings):
            own = (table["participant_id"] == participant) & (table["session_id"] == session)
            table.loc[own, "lesion_id"] = table.loc[own, "lesion_id"].map(names)
        lesions.loc[rows.index, "label"] = drawn["label"].to_numpy()
    for table, path in zip((lesions, ratings), tables.values(), strict=True):
        table.to_csv(path, sep="\t", index=False, lineterminator="\n")
    with (study / "study.toml").open("a") as file:
        file.write('\n[matching]\nlesion_ids = "independent"\n')


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_a_follow_up_labelled_on_its_own_gives_the_bytes_of_a_consistent_study(
    small_study, study_copy, tmp_path, monkeypatch
):
    from qsmstats.studies.raters import rater_agreement

    def raters_alone(study, tables, *_):
        # The models are asked elsewhere; the raters' table is joined session by session.
        yield "raters", [""], lambda _: rater_agreement(tables.ratings, tables.lesions)

    monkeypatch.setattr("qsmstats.run._questions", raters_alone)
    label_anew(study_copy)
    assert run_study(small_study, tmp_path / "consistent") == 0
    assert run_study(study_copy, tmp_path / "independent") == 0
    assert not (tmp_path / "consistent/matching.tsv").exists()

    tidy, expected = (
        pd.read_csv(tmp_path / kind / "tidy.tsv", sep="\t", dtype=str, keep_default_na=False)
        for kind in ("independent", "consistent")
    )
    new = tidy["match"] == "new"
    # A new lesion has no name to go back to; its own within the session tells it from others.
    truth = dict(zip(tidy.loc[new, "lesion_id"], true_names(expected, tidy[new]), strict=True))
    tidy["lesion_id"] = tidy["lesion_id"].replace(truth)
    keys = ["participant_id", "session_id", "lesion_id"]
    bytes_of = [
        frame.drop(columns=["label", "session_lesion_id", "match"], errors="ignore")
        .sort_values(keys)
        .to_csv(index=False)
        for frame in (tidy, expected)
    ]
    assert bytes_of[0] == bytes_of[1]

    matching = pd.read_csv(tmp_path / "independent/matching.tsv", sep="\t")
    counts = matching["relation"].value_counts()
    later = expected[expected["session_id"] == "ses-02"]
    assert counts["same"] + counts.get("new", 0) == len(later)
    assert counts["same"] > 50
    flow = pd.read_csv(tmp_path / "independent/cohort/flow.tsv", sep="\t").set_index("stage")
    assert f"{counts['same']} same" in flow.loc["followed", "note"]
    for name in ("raters/agreement.tsv", "types/confusion.tsv"):
        found = [(tmp_path / kind / name).read_bytes() for kind in ("consistent", "independent")]
        assert found[0] == found[1]


def true_names(expected, new):
    """Return the identifiers that new lesions have in the consistent study, told by their place."""
    place = ["participant_id", "session_id", "centroid_x", "centroid_y", "centroid_z"]
    return new[place].merge(expected, on=place, how="left", validate="one_to_one")["lesion_id"]


def test_every_table_has_its_dictionary_and_is_read_with_its_types(results):
    out = results
    tables = [path for path in out.rglob("*.tsv") if path.parent.name != "features"]
    assert len(tables) > 20
    for path in tables:
        read = pd.read_csv(path, sep="\t")
        told = json.loads(path.with_suffix(".json").read_text())
        assert list(told) == list(read.columns), path
        assert all(entry.get("Description") for entry in told.values()), (path, told)
    models = pd.read_csv(out / "baseline" / "models.tsv", sep="\t")
    assert models["converged"].dtype == models["singular"].dtype == "bool"
    assert "\tTRUE\t" in (out / "baseline" / "models.tsv").read_text()


def test_lesions_whose_images_disagree_are_listed(results):
    disputed = pd.read_csv(results / "types" / "disputed.tsv", sep="\t")
    assert (disputed["suggested_type"] != disputed["lesion_type"]).all()
    confusion = pd.read_csv(results / "types" / "confusion.tsv", sep="\t")
    off = confusion[confusion["lesion_type"] != confusion["suggested_type"]]
    assert off["n_decided"].sum() == len(disputed)
    assert 0 < len(disputed) < off["n"].sum()


@pytest.fixture
def made(tmp_path):
    """Return a study of a few rows, with histology and ratings."""
    return write_images(write_tables(tmp_path / "study"))


@dataclasses.dataclass(frozen=True)
class Answered:
    """An answer that nothing was computed for."""

    accuracy: pd.DataFrame = dataclasses.field(default_factory=lambda: pd.DataFrame({"n": [1]}))
    methods: str = "counted"
    notes: tuple[str, ...] = ()


@pytest.fixture
def quick(monkeypatch, no_report):
    """Compute no answer and draw nothing: what becomes of the files depends on neither."""
    kept = ("histology", "raters")
    real = run._questions

    def questions(*given):
        return [(name, [name], lambda _: Answered()) for name, *_ in real(*given) if name in kept]

    monkeypatch.setattr(run, "_questions", questions)


def run_made(made, out, *level):
    return main(["run", str(made), str(out), *level, "--jobs", "1"])


def files(folder):
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    found.pop(Path("log.txt"), None)  # which tells the time
    return {str(name): path.read_bytes() for name, path in found.items()}


@pytest.mark.usefixtures("quick")
def test_provenance_names_the_bytes_that_were_read_though_they_change_meanwhile(
    made, tmp_path, monkeypatch
):
    names = ("study.toml", "participants.tsv", "sub-01/sub-01_sessions.tsv")
    read = {name: sha256(made / name) for name in names}
    write_table = run.write_table

    def edit(table, path, schemas):
        if path.name == "features.tsv":
            for name in names:
                (made / name).write_text((made / name).read_text() + "\n")
        write_table(table, path, schemas)

    monkeypatch.setattr(run, "write_table", edit)
    assert run_made(made, tmp_path / "out") == 0
    assert not set(read.values()) & {sha256(made / name) for name in names}
    named = json.loads((tmp_path / "out/provenance.json").read_text())["inputs"]
    assert {name: named[name] for name in read} == read


@pytest.mark.usefixtures("quick")
def test_provenance_names_no_image_of_a_participant_who_has_left_the_study(made, tmp_path):
    out = tmp_path / "out"
    assert run_made(made, out) == 0
    for name in ("participants", "lesions", "ratings"):
        path = made / f"{name}.tsv"
        rows = path.read_text().splitlines(keepends=True)
        path.write_text("".join(row for row in rows if not row.startswith("sub-02")))
    shutil.rmtree(made / "sub-02")
    assert run_made(made, out) == 0
    named = json.loads((out / "provenance.json").read_text())["inputs"]
    assert any("sub-01" in name for name in named)
    assert not any("sub-02" in name for name in named)


@pytest.mark.usefixtures("quick")
def test_a_second_study_is_refused_the_folder_of_the_first(made, tmp_path, capsys):
    out = tmp_path / "out"
    assert run_made(made, out) == 0
    before = files(out)
    other = write_images(write_tables(tmp_path / "other", tables(patients=4)), tables(patients=4))
    for level in ([], ["participant"], ["group"]):
        assert run_made(other, out, *level) == 2
        assert "contains results of another study, 'made'" in capsys.readouterr().err
    assert main(["report", str(other), str(out)]) == 2
    assert main(["plan", str(other), str(out)]) == 2
    assert files(out) == before


@pytest.mark.usefixtures("quick")
def test_beside_a_run_that_measures_only_others_that_measure_may_work(
    made, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("qsmstats.output.PAUSE", 0)
    out = tmp_path / "out"
    assert run_made(made, out, "participant") == 0
    with held(out, open_study(made), shared=True):
        assert run_made(made, out, "participant") == 0
        capsys.readouterr()
        for command in ("run", "report", "plan"):
            assert main([command, str(made), str(out)]) == 2
            assert "another qsmstats command is working" in capsys.readouterr().err
    with held(out, open_study(made)):
        assert run_made(made, out, "participant") == 2


@pytest.mark.usefixtures("quick")
def test_answers_that_a_study_no_longer_asks_for_are_removed_and_notes_of_the_user_kept(
    made, tmp_path
):
    out = tmp_path / "out"
    assert run_made(made, out) == 0
    assert (out / "histology/accuracy.tsv").exists()
    (out / "raters" / "my notes.txt").write_text("mine")
    (out / "my.tsv").write_text("mine")
    drop_tables(made, "histology", "ratings")
    assert run_made(made, out, "group") == 0
    assert not (out / "histology").exists()
    assert [path.name for path in (out / "raters").iterdir()] == ["my notes.txt"]
    assert (out / "my.tsv").read_text() == "mine"


def test_an_outcome_that_is_refused_now_leaves_no_table_of_the_run_before(tmp_path):
    ratings = pd.DataFrame(
        [["a", "s", str(at // 2), f"r{at % 2}", "isointense"] for at in range(8)],
        columns=["participant_id", "session_id", "lesion_id", "rater_id", "lesion_type"],
    )

    def refuse(_):
        raise UsageError("too few raters")

    lesions = ratings.drop(columns="rater_id").drop_duplicates()
    _answer(("raters", ["raters"], lambda _: rater_agreement(ratings, lesions)), tmp_path)
    assert (tmp_path / "raters/agreement.tsv").exists()
    _answer(("raters", ["raters"], refuse), tmp_path)
    left = {path.name for path in (tmp_path / "raters").iterdir()}
    assert left == {"notes.tsv", "notes.json", "methods.txt", "made_from.json"}


@pytest.mark.usefixtures("quick")
def test_a_mixture_that_an_interrupted_run_left_is_refused_until_it_is_completed(
    made, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    assert run_made(made, out) == 0
    require_one_source(out)
    people = made / "participants.tsv"
    people.write_text(people.read_text().replace("30.5", "31.5"))

    def interrupt(question, *_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "_answer", interrupt)
        assert run_made(made, out, "group") == 130
    capsys.readouterr()
    for command in ("report", "plan"):
        assert main([command, str(made), str(out)]) == 3
        assert "complete them with `qsmstats run STUDY OUT group`" in capsys.readouterr().err
    assert run_made(made, out, "group") == 0
    require_one_source(out)


@pytest.mark.usefixtures("quick")
def test_a_plan_made_from_other_data_is_removed_and_that_is_said(made, tmp_path, capsys):
    out = tmp_path / "out"
    assert run_made(made, out) == 0
    for source, kept in ((source_of(out), True), ("other", False)):
        with renewed(out / "planning", ["sizes.tsv"], source):
            (out / "planning/sizes.tsv").touch()
        capsys.readouterr()
        assert run_made(made, out, "group") == 0
        assert (out / "planning/sizes.tsv").exists() == kept
        said = "planning/ was made from other data and has been removed" in capsys.readouterr().err
        assert said != kept


@pytest.mark.usefixtures("quick")
def test_no_file_holds_a_path_of_this_machine(made, tmp_path):
    image = made / "sub-02/ses-01/sub-02_ses-01_MWFmap.nii.gz"
    image.write_bytes(image.read_bytes()[:200])
    shutil.copytree(made, tmp_path / "elsewhere")
    mask = "{participant}/{session}/{participant}_{session}_mask.nii.gz"
    text = (made / "study.toml").read_text()
    text = text.replace(mask, f"../elsewhere/{mask}") + "\n[study]\noutside = true\n"
    (made / "study.toml").write_text(text)
    out = tmp_path / "out"
    assert run_made(made, out) == 1
    content = files(out)
    assert "sub-02_ses-01_MWFmap.nii.gz" in content["failures.tsv"].decode()
    assert [name for name, data in content.items() if str(tmp_path).encode() in data] == []
    record = json.loads(content["provenance.json"])
    assert record["command"] == "qsmstats run STUDY OUT"
    assert not any(".." in name for name in record["inputs"])
    assert len([name for name in record["inputs"] if name.startswith("outside/")]) == 5
