"""`qsmstats map`, from a study folder to maps: what is written, what is left out, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import qsmstats as qs
from qsmstats.brain_maps.map_study import map_study
from qsmstats.cli import main
from qsmstats.records import source_of
from qsmstats.voxelwise import chunks
from tests.brain_maps.conftest import AFFINE, REQUEST, image_of, save
from tests.clusters import loopback_cluster

COMMAND = ["--map", "mwf_percent", "--formula", REQUEST.formula]


def table(folder, name):
    return pd.read_csv(folder / f"{name}.tsv", sep="\t", na_values="n/a")


@pytest.fixture(scope="module")
def written(mapped_study, tmp_path_factory):
    """The folder of the maps, made by the command."""
    out = tmp_path_factory.mktemp("out")
    assert main(["map", str(mapped_study), str(out), *COMMAND, "--jobs", "1", "-q"]) == 0
    return out / "voxelwise" / "mwf_percent"


def test_maps_are_those_of_fit_voxels(written, mapped_study):
    study = qs.open_study(mapped_study)
    tables = qs.read_tables(study)
    rows = tables.sessions.merge(tables.participants, on="participant_id")
    images = [
        image_of(mapped_study, row.participant_id, row.session_id) for row in rows.itertuples()
    ]
    found = qs.fit_voxels(
        REQUEST.formula, images, rows, mask=mapped_study / "mask.nii.gz", missing=0, unit="fraction"
    )
    for name, (quantity, effect) in {
        "contrast-years_stat-estimate_statmap": ("estimate", "years"),
        "contrast-groupMS_stat-stderr_statmap": ("std_error", "group[T.MS]"),
        "contrast-age_stat-log10p_statmap": ("log10_p", "age"),
        "stat-sdResidual_statmap": ("sd(Residual)", None),
        "desc-converged_mask": ("converged", None),
        "stat-nObs_statmap": ("n_obs", None),
    }.items():
        image = nib.load(written / f"{name}.nii.gz")
        np.testing.assert_array_equal(image.affine, AFFINE)
        expected = found.image(quantity, effect).get_fdata()
        np.testing.assert_allclose(image.get_fdata(), expected, rtol=1e-6)
    effects = table(written, "effects")
    assert effects["effect"].tolist() == ["group[T.MS]", "years", "age"]
    assert effects["n_fdr"].tolist() == found.effects["n_fdr"].tolist()
    assert effects.set_index("effect").loc["years", "n_fdr"] >= 15
    assert set(table(written, "clusters")["effect"]) >= {"years"}
    assert table(written, "failures").empty


def test_the_folder_says_what_it_was_made_from(written, mapped_study):
    record = json.loads((written / "provenance.json").read_text())
    assert record["formula"] == REQUEST.formula
    assert record["counts"]["n_images"] == 28
    assert "participants.tsv" in record["inputs"]
    assert "mask.nii.gz" in record["inputs"]
    assert len(record["inputs"]) > 28
    assert str(mapped_study) not in json.dumps(record)
    assert source_of(written)
    assert "restricted maximum likelihood to 28 images" in (written / "methods.txt").read_text()
    log = (written.parents[1] / "log.txt").read_text()
    assert "qsmstats map STUDY OUT --map mwf_percent" in log


def test_the_page_shows_what_was_found_and_loads_nothing(written):
    page = (written / "maps.html").read_text()
    assert "time (years)" in page
    assert page.count("<img") == 2  # years alone
    assert page.count("data:image/png;base64") == 2
    assert "http" not in page.replace("http-equiv", "")
    assert "Significant in 0 of 150 voxels" in " ".join(page.split())


@pytest.mark.slow
def test_the_same_command_gives_the_same_bytes(written, mapped_study, tmp_path):
    assert map_study(mapped_study, tmp_path, REQUEST) == 0
    again = tmp_path / "voxelwise" / "mwf_percent"
    names = {path.name for path in written.iterdir() if path.is_file()}
    assert names == {path.name for path in again.iterdir() if path.is_file()}
    different = [n for n in names if (written / n).read_bytes() != (again / n).read_bytes()]
    assert not different


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes(written, mapped_study, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "VOXELS", 40)
    with loopback_cluster(workers=2) as cluster:
        address = ["--dask", cluster.scheduler_address]
        assert main(["map", str(mapped_study), str(tmp_path), *COMMAND, "-q", *address]) == 0
    again = tmp_path / "voxelwise" / "mwf_percent"
    images = [path.name for path in written.glob("*.nii.gz")]
    assert len(images) > 20
    assert [n for n in images if (written / n).read_bytes() != (again / n).read_bytes()] == []


def test_sessions_that_cannot_be_used_are_left_out_and_named(own_study, tmp_path, capsys):
    image_of(own_study, "sub-03").unlink()
    path = image_of(own_study, "sub-04")
    path.write_bytes(path.read_bytes()[:-100])
    save(image_of(own_study, "sub-05"), np.full((6, 5, 6), 0.1), np.diag([8.0, 8, 8, 1]))
    for session in ("ses-01", "ses-02"):
        save(image_of(own_study, "sub-06", session), np.zeros((6, 5, 6)))
    # No picture is drawn of an effect that is nowhere.
    request = replace(REQUEST, contrasts=("age",))
    assert map_study(own_study, tmp_path / "out", request) == 1
    folder = tmp_path / "out" / "voxelwise" / "mwf_percent"
    failures = table(folder, "failures")
    assert failures["participant_id"].tolist() == [
        "sub-03", "sub-04", "sub-05", "sub-06", "sub-06",
    ]  # fmt: skip
    for reason, part in zip(
        failures["reason"],
        ["no such file", "damaged", "another grid", "measures no voxel", "measures no voxel"],
        strict=True,
    ):
        assert part in reason
        assert str(own_study) not in reason
    assert "sub-06 has no image that can be used" in capsys.readouterr().err
    counts = json.loads((folder / "provenance.json").read_text())["counts"]
    assert (counts["n_images"], counts["n_rows_dropped"]) == (23, 5)


def test_a_voxel_that_nobody_can_fit_is_no_answer(own_study, tmp_path, capsys):
    for path in own_study.rglob("*_space-x_MWFmap.nii.gz"):
        save(path, np.full((6, 5, 6), 0.1))
    assert map_study(own_study, tmp_path / "out", REQUEST) == 4
    assert "150 of 150 voxels could not be fitted" in capsys.readouterr().err
    page = (tmp_path / "out/voxelwise/mwf_percent/maps.html").read_text()
    assert "there is no answer" in page


@pytest.mark.slow
def test_contrasts_and_family_wise_error_are_written(mapped_study, tmp_path):
    request = replace(REQUEST, contrasts=("slope = years",), fwe=100)
    assert map_study(mapped_study, tmp_path, request) == 0
    folder = tmp_path / "voxelwise" / "mwf_percent"
    effects = table(folder, "effects")
    assert effects["effect"].tolist() == ["slope"]
    assert effects["n_fwe"][0] >= 15
    for what in ("tfce", "log10pfwe"):
        assert (folder / f"contrast-slope_stat-{what}_statmap.nii.gz").is_file()
    assert "100 sign flips (seed 1)" in (folder / "methods.txt").read_text()
    assert not (folder / "scratch" / "values.f32").exists()
    # Another question of the same map replaces the answer.
    assert map_study(mapped_study, tmp_path, REQUEST) == 0
    assert not list(folder.glob("contrast-slope*"))


@pytest.mark.slow
def test_a_killed_command_goes_on_and_ends_with_the_same_bytes(written, mapped_study, tmp_path):
    code = (
        "import sys; from qsmstats.voxelwise import chunks; chunks.VOXELS = 10\n"
        "from qsmstats.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    call = [sys.executable, "-c", code, "map", str(mapped_study), str(tmp_path), *COMMAND]
    call += ["--jobs", "1", "-q"]
    running = subprocess.Popen(call)
    folder = tmp_path / "voxelwise" / "mwf_percent"
    while len(list(folder.glob("scratch/chunks/*/*.npz"))) < 3:
        assert running.poll() is None
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    before = {path: path.stat().st_mtime_ns for path in folder.glob("scratch/chunks/*/*.npz")}
    assert 3 <= len(before) < 15
    assert not (folder / "effects.tsv").exists()
    subprocess.run(call, check=True)
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    whole = tmp_path / "whole"
    subprocess.run([*call[:5], str(whole), *call[6:]], check=True)
    for path in (whole / "voxelwise" / "mwf_percent").glob("*.*"):
        assert path.read_bytes() == (folder / path.name).read_bytes(), path.name
