"""Whole studies: order, failures, resuming, dead workers."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import InvalidDataError, UsageError
from qsmstats.study_file import open_study
from qsmstats.voxels.cohort import collect_cohort, extract_cohort
from qsmstats.voxels.features import extract_features
from qsmstats.voxels.session_store import sha256

from ..clusters import time_limit
from .phantoms import VISITS, stored, write_study
from .workers import extract_as_allowed, finished


@pytest.fixture
def study(tmp_path):
    return open_study(write_study(tmp_path / "study"))


def visits_of(frame):
    return list(dict.fromkeys(zip(frame["participant_id"], frame["session_id"], strict=True)))


EVERY = [(participant, session) for participant, those in VISITS.items() for session in those]


def test_every_session_is_measured_in_the_order_of_the_table(study):
    steps = []
    result = extract_cohort(study, progress=lambda done, total: steps.append((done, total)))
    assert visits_of(result.features) == EVERY
    assert result.failures.empty
    assert list(result.failures) == ["participant_id", "session_id", "file", "reason"]
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert list(result.features)[:4] == ["participant_id", "session_id", "region", "label"]


def test_rows_are_those_of_extract_features_with_the_other_session_kept_out_of_nawm(study):
    folder = study.folder / "sub-01"
    alone = extract_features(
        folder / "ses-1/dseg.nii.gz",
        {
            "susceptibility_ppb": folder / "ses-1/Chimap.nii.gz",
            "mwf_percent": folder / "ses-1/MWFmap.nii.gz",
        },
        tissue=folder / "ses-1/wm.nii.gz",
        other_labels=[folder / "ses-2/dseg.nii.gz"],
        units={"susceptibility_ppb": "ppm"},
        missing={"mwf_percent": 0},
        settings=study.features,
    )
    features = extract_cohort(study).features
    mine = features[(features["participant_id"] == "sub-01") & (features["session_id"] == "ses-1")]
    pd.testing.assert_frame_equal(mine.iloc[:, 2:].reset_index(drop=True), alone, check_exact=True)


def test_a_participant_without_label_image_and_lesions_has_white_matter_alone(study):
    features = extract_cohort(study, participants=["03"]).features
    assert features["region"].tolist() == ["white_matter"] * 2
    assert visits_of(features) == [("sub-03", "ses-1")]


def test_processes_and_threads_give_the_rows_of_one_process(study):
    expected = extract_cohort(study).features
    pool = extract_cohort(study, jobs=2).features
    with ThreadPoolExecutor(3) as threads:
        threaded = extract_cohort(study, client=threads).features
    for other in (pool, threaded):
        pd.testing.assert_frame_equal(expected, other, check_exact=True)


def break_image(study, name="sub-02/ses-1/MWFmap.nii.gz"):
    path = study.folder / name
    path.write_bytes(path.read_bytes()[:500])
    return path


def test_a_broken_image_is_a_failure_and_the_others_go_on(study):
    break_image(study)
    result = extract_cohort(study)
    assert visits_of(result.features) == [visit for visit in EVERY if visit[0] != "sub-02"]
    failure = result.failures.iloc[0]
    assert failure[["participant_id", "session_id", "file"]].tolist() == [
        "sub-02",
        "ses-1",
        "sub-02/ses-1/MWFmap.nii.gz",
    ]
    assert "damaged" in failure["reason"]


def test_a_missing_label_image_of_lesions_in_the_table_is_a_failure(study):
    (study.folder / "sub-02/ses-1/dseg.nii.gz").unlink()
    failures = extract_cohort(study).failures
    assert failures["file"].tolist() == ["sub-02/ses-1/dseg.nii.gz"]
    assert failures["reason"].str.contains("no such file").all()


def test_an_unknown_participant_is_told(study):
    with pytest.raises(
        UsageError, match=r"'sub-021' is not a participant .* did you mean 'sub-02'"
    ):
        extract_cohort(study, participants=["021"])


def test_no_process_at_all_is_told(study):
    with pytest.raises(UsageError, match="jobs is 0; at least one process"):
        extract_cohort(study, jobs=0)


def test_a_mask_of_another_name_is_told(tmp_path):
    folder = write_study(tmp_path / "study")
    text = (folder / "study.toml").read_text().replace("white_matter =", "wm =")
    (folder / "study.toml").write_text(text)
    with pytest.raises(
        InvalidDataError, match="names wm; the white-matter mask must be called 'white"
    ):
        extract_cohort(open_study(folder))


def test_one_by_one_and_all_at_once_leave_the_same_bytes(study, tmp_path):
    break_image(study)
    together = extract_cohort(study, out=tmp_path / "together", jobs=2)
    for participant in reversed(VISITS):
        extract_cohort(study, out=tmp_path / "apart", participants=[participant])
    assert stored(tmp_path / "apart") == stored(tmp_path / "together")
    collected = collect_cohort(study, tmp_path / "apart")
    pd.testing.assert_frame_equal(collected.features, together.features, check_exact=True)
    pd.testing.assert_frame_equal(collected.failures, together.failures)
    memory = extract_cohort(study)
    pd.testing.assert_frame_equal(collected.features, memory.features, check_exact=True)


def test_what_was_not_measured_is_a_failure_of_the_collection(study, tmp_path):
    extract_cohort(study, out=tmp_path / "out", participants=["01"])
    result = collect_cohort(study, tmp_path / "out")
    assert visits_of(result.features) == EVERY[:2]
    assert result.failures["participant_id"].tolist() == ["sub-02", "sub-03"]
    assert "--participant-label 02" in result.failures["reason"][0]


def count_measured(monkeypatch):
    from qsmstats.voxels import measuring

    measured = []
    real = measuring.extract_session
    monkeypatch.setattr(
        measuring,
        "extract_session",
        lambda job, *read: measured.append(job.participant_id) or real(job, *read),
    )
    return measured


def test_finished_sessions_are_not_measured_again(study, tmp_path, monkeypatch):
    first = extract_cohort(study, out=tmp_path)
    measured = count_measured(monkeypatch)
    second = extract_cohort(study, out=tmp_path)
    assert measured == []
    pd.testing.assert_frame_equal(first.features, second.features, check_exact=True)


def test_a_time_stamp_alone_measures_nothing_again(study, tmp_path, monkeypatch):
    extract_cohort(study, out=tmp_path)
    for path in study.folder.rglob("*.nii.gz"):
        os.utime(path, (0, 0))
    measured = count_measured(monkeypatch)
    extract_cohort(study, out=tmp_path)
    assert measured == []


def test_a_changed_input_is_measured_again_even_under_its_old_time_stamp(
    study, tmp_path, monkeypatch
):
    extract_cohort(study, out=tmp_path)
    path = study.folder / "sub-02/ses-1/MWFmap.nii.gz"
    stamp = path.stat()
    path.write_bytes((study.folder / "sub-03/ses-1/MWFmap.nii.gz").read_bytes())
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    measured = count_measured(monkeypatch)
    changed = extract_cohort(study, out=tmp_path)
    assert measured == ["sub-02"]
    pd.testing.assert_frame_equal(changed.features, extract_cohort(study).features)


def test_an_image_that_changes_while_it_is_measured_fails_its_session(study, tmp_path, monkeypatch):
    from qsmstats.voxels import measuring

    name = "sub-02/ses-1/MWFmap.nii.gz"
    path = study.folder / name
    whole = path.read_bytes()
    real = measuring.extract_session

    def measure_and_change(job, *read):
        result = real(job, *read)
        if job.participant_id == "sub-02":
            path.write_bytes((study.folder / "sub-03/ses-1/MWFmap.nii.gz").read_bytes())
        return result

    with monkeypatch.context() as patch:
        patch.setattr(measuring, "extract_session", measure_and_change)
        failures = extract_cohort(study, out=tmp_path).failures
    assert failures["file"].tolist() == [name]
    assert "was changed while it was measured" in failures["reason"][0]
    path.write_bytes(whole)
    assert extract_cohort(study, out=tmp_path).failures.empty


def test_every_image_is_named_with_its_sum_however_it_came(study, tmp_path):
    measured = extract_cohort(study, out=tmp_path)
    images = {study.name_of(path): sha256(path) for path in study.folder.rglob("*.nii.gz")}
    assert measured.inputs == images
    assert collect_cohort(study, tmp_path).inputs == images


@pytest.mark.parametrize("name", ["sub-02/ses-1/MWFmap.nii.gz", "sub-02/ses-1/dseg.nii.gz"])
def test_a_pipe_in_place_of_an_image_is_a_failure_and_never_waited_for(study, tmp_path, name):
    (study.folder / name).unlink()
    os.mkfifo(study.folder / name)
    with time_limit(60):
        failures = extract_cohort(study, out=tmp_path).failures
        again = extract_cohort(study, out=tmp_path).failures
    assert failures["file"].tolist() == [name]
    assert "is not a regular file but a pipe" in failures["reason"][0]
    pd.testing.assert_frame_equal(again, failures)
    manifest = json.loads((tmp_path / "features/sub-02_ses-1_manifest.json").read_text())
    assert manifest["inputs"][name] == "unreadable: not a regular file"


def test_one_measures_while_another_has_a_file_half_written(study, tmp_path):
    (tmp_path / "features").mkdir()
    half = tmp_path / "features" / ".0123.part"
    half.touch()
    extract_cohort(study, out=tmp_path)
    assert half.exists()
    collect_cohort(study, tmp_path)
    assert not half.exists()


def test_another_sessions_changed_labels_are_an_input_too(study, tmp_path, monkeypatch):
    extract_cohort(study, out=tmp_path)
    folder = study.folder / "sub-01"
    (folder / "ses-2/dseg.nii.gz").write_bytes((folder / "ses-1/dseg.nii.gz").read_bytes())
    measured = count_measured(monkeypatch)
    extract_cohort(study, out=tmp_path)
    assert measured == ["sub-01", "sub-01"]


def test_another_configuration_or_version_measures_everything_again(study, tmp_path, monkeypatch):
    from qsmstats.voxels import session_store as store

    extract_cohort(study, out=tmp_path)
    text = (study.folder / "study.toml").read_text()
    (study.folder / "study.toml").write_text(text + "[features]\nring_mm = 3\n")
    measured = count_measured(monkeypatch)
    wider = open_study(study.folder)
    extract_cohort(wider, out=tmp_path)
    assert len(measured) == len(EVERY)
    monkeypatch.setattr(store, "__version__", "0.0.0")
    extract_cohort(wider, out=tmp_path)
    assert len(measured) == 2 * len(EVERY)
    assert collect_cohort(study, tmp_path).features.empty


def test_a_failed_session_is_tried_again(study, tmp_path, monkeypatch):
    path = study.folder / "sub-02/ses-1/MWFmap.nii.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:500])
    assert len(extract_cohort(study, out=tmp_path).failures) == 1
    path.write_bytes(whole)
    measured = count_measured(monkeypatch)
    assert extract_cohort(study, out=tmp_path).failures.empty
    assert measured == ["sub-02"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Return a study, its features, and the folder that holds them; read only."""
    folder = tmp_path_factory.mktemp("measured")
    study = open_study(write_study(folder / "study"))
    return study, extract_cohort(study, out=folder / "out").features, folder / "out"


@pytest.mark.parametrize("damage", ["table", "no table", "manifest", b"", b"\xff", b"[]", b"{}"])
def test_a_damaged_result_does_not_count(measured, tmp_path, damage):
    study, expected, out = measured
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    table = tmp_path / "features/sub-02_ses-1_features.tsv"
    manifest = tmp_path / "features/sub-02_ses-1_manifest.json"
    before = stored(tmp_path)
    if damage == "table":
        table.write_text(table.read_text().replace("lesion", "lesoin", 1))
    elif damage == "manifest":
        manifest.write_text(manifest.read_text()[:100])
    elif isinstance(damage, bytes):
        manifest.write_bytes(damage)
    else:
        table.unlink()
    assert "sub-02" in set(collect_cohort(study, tmp_path).failures["participant_id"])
    pd.testing.assert_frame_equal(extract_cohort(study, out=tmp_path).features, expected)
    assert stored(tmp_path) == before


def test_the_manifest_names_version_inputs_and_configuration(study, tmp_path):
    extract_cohort(study, out=tmp_path)
    manifest = json.loads((tmp_path / "features/sub-01_ses-2_manifest.json").read_text())
    assert set(manifest["inputs"]) == {
        "sub-01/ses-1/dseg.nii.gz",
        *(f"sub-01/ses-2/{name}.nii.gz" for name in ("dseg", "wm", "Chimap", "MWFmap")),
    }
    assert manifest["configuration"]["settings"]["ring_mm"] == study.features.ring_mm
    assert str(study.folder) not in json.dumps(manifest)


def test_killed_at_any_moment_and_started_again_leaves_the_same_bytes(tmp_path):
    visits = {f"sub-{i:02d}": ("ses-1",) for i in range(1, 9)}
    study = open_study(write_study(tmp_path / "study", visits, shape=(64, 60, 52)))
    reference, out, allowed = (tmp_path / name for name in ("reference", "out", "allowed"))
    start = time.perf_counter()
    extract_cohort(study, out=reference)
    each = (time.perf_counter() - start) / len(visits)
    rng = np.random.default_rng(2)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.voxels.workers"])
    for _ in range(2):
        before = finished(out)
        allow(allowed, before + 2)
        process = context.Process(target=extract_as_allowed, args=(study, out, allowed))
        process.start()
        # Two sessions, then anywhere in the third: it can go no further, however slow we are.
        while process.is_alive() and finished(out) < before + 2:
            time.sleep(0.001)
        allow(allowed, before + 3)
        time.sleep(rng.uniform(0, each))
        assert process.is_alive(), "ended before it was killed"
        process.kill()
        process.join()
    assert 4 <= finished(out) < len(visits)
    extract_cohort(study, out=out)
    collect_cohort(study, out)
    assert stored(out) == stored(reference)


def allow(file, sessions):
    """Write the number so that it is read whole."""
    file.with_suffix(".part").write_text(str(sessions))
    file.with_suffix(".part").replace(file)
