"""Lesions are read from their images once, and only what was read from these very bytes is used."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qsmstats import run_study, write_report
from qsmstats.errors import InvalidDataError
from qsmstats.study import LabelSpec
from qsmstats.voxels import stream
from qsmstats.voxels.label_store import LabelStore
from qsmstats.voxels.labels import LabelFiles, ReadLabels, open_labels, read_lesions
from tests.study_folder import TOML, tables, write_image, write_images, write_tables

INDEPENDENT = '[matching]\nlesion_ids = "independent"\n'


@pytest.fixture
def inflated(monkeypatch):
    """Return how often each image has been read to its end."""
    counts: Counter[str] = Counter()
    real = stream._pieces
    monkeypatch.setattr(
        stream, "_pieces", lambda volume: counts.update([volume.path.name]) or real(volume)
    )
    return counts


def listed(folder):
    content = tables()
    toml = TOML.replace("[labels]", '[labels]\ninstances = "components"')
    for name in ("lesions", "ratings"):
        toml = toml.replace(f'{name} = "{name}.tsv"\n', "")
    write_images(write_tables(folder, content, toml + INDEPENDENT), content)
    for path in folder.rglob("*_dseg.nii.gz"):
        write_image(path, (nib.load(path).get_fdata() > 0).astype(np.int16))
    return folder


def matched(folder):
    return write_images(write_tables(folder, toml=TOML + INDEPENDENT))


@pytest.mark.parametrize("make", [matched, listed])
def test_a_run_inflates_each_image_once(make, tmp_path, monkeypatch, inflated):
    study = make(tmp_path / "study")
    monkeypatch.setattr("qsmstats.run._questions", lambda *_: iter(()))
    monkeypatch.setattr("qsmstats.run.draw_report", lambda *_, **__: "")
    assert run_study(study, tmp_path / "out") == 0
    assert inflated == Counter(path.name for path in study.rglob("*.nii.gz"))
    inflated.clear()
    assert run_study(study, tmp_path / "out", level="group") == 0
    assert not inflated


def test_a_report_inflates_the_images_it_shows_once_and_no_label_image(
    tmp_path, monkeypatch, inflated
):
    study = matched(tmp_path / "study")
    monkeypatch.setattr("qsmstats.run._questions", lambda *_: iter(()))
    assert run_study(study, tmp_path / "out") == 0
    # Which lesions are shown is known when all have been measured.
    again = sorted(name.split("_", 2)[2] for name, times in inflated.items() if times == 2)
    assert set(again) == {"mask.nii.gz", "MWFmap.nii.gz"}
    assert set(inflated.values()) == {1, 2}
    inflated.clear()
    write_report(study, tmp_path / "out")
    assert sorted(name.split("_", 2)[2] for name in inflated.elements()) == again


def test_the_check_of_a_group_step_measures_nothing(tmp_path, inflated):
    study = matched(tmp_path / "study")
    with pytest.raises(InvalidDataError, match="no session could be measured"):
        run_study(study, tmp_path / "out", level="group")
    assert not list((tmp_path / "out").rglob("*_features.tsv"))
    maps = [name for name in inflated if name.endswith("MWFmap.nii.gz")]
    assert maps == ["sub-01_ses-01_MWFmap.nii.gz"]


def test_labels_of_a_parcellation_are_read_where_they_are_measured(tmp_path, monkeypatch, inflated):
    study = matched(tmp_path / "study")
    toml = (study / "study.toml").read_text()
    toml = re.sub(r'white_matter = (".*")', r"white_matter = { pattern = \1, labels = [1] }", toml)
    (study / "study.toml").write_text(toml)
    monkeypatch.setattr("qsmstats.run._questions", lambda *_: iter(()))
    monkeypatch.setattr("qsmstats.run.draw_report", lambda *_, **__: "")
    assert run_study(study, tmp_path / "out") == 0
    assert "labels = [1]" in toml
    assert inflated == Counter(path.name for path in study.rglob("*.nii.gz"))


def labels_in(folder: Path, values: np.ndarray, **spec) -> LabelFiles:
    folder.mkdir(exist_ok=True)
    path = folder / "labels.nii.gz"
    nib.save(nib.Nifti1Image(values, np.diag([1.0, 1.5, 2.0, 1.0])), path)
    return LabelFiles(files=(("", path),), spec=LabelSpec(pattern="labels.nii.gz", **spec))


VALUES = np.zeros((6, 5, 4), dtype=np.int16)
VALUES[1:4, 1:3, 1], VALUES[5, 4, 3] = 3, 7


@pytest.mark.parametrize("instances", ["labels", "components"])
def test_what_is_kept_is_what_was_read(instances, tmp_path, inflated):
    values = VALUES if instances == "labels" else VALUES.astype(bool).astype(np.int16)
    labels = labels_in(tmp_path, values, instances=instances, min_mm3=4.0)
    (volume,) = open_labels(labels)
    expected = read_lesions(labels, [volume])
    for _ in range(2):
        kept = LabelStore(tmp_path, lambda path: path.name).read(labels)
        assert isinstance(kept, ReadLabels)
        assert kept.volume.grid.shape == volume.grid.shape
        assert (kept.volume.grid.affine == volume.grid.affine).all()
        assert (kept.volume.name, kept.volume.flags) == (volume.name, volume.flags)
        assert (kept.voxels.flags, kept.voxels.names) == (expected.flags, expected.names)
        for name in ("index", "label", "left_out"):
            np.testing.assert_array_equal(
                getattr(kept.voxels, name), getattr(expected, name), strict=True
            )
    assert inflated["labels.nii.gz"] == 2  # once here, once by the store


def test_other_bytes_settings_and_damage_are_read_anew(tmp_path):
    store = LabelStore(tmp_path, lambda path: path.name)
    store.read(labels_in(tmp_path, VALUES))
    changed = store.read(labels_in(tmp_path, VALUES * 2))
    assert sorted({*changed.voxels.label}) == [6, 14]
    mask = labels_in(tmp_path, (VALUES > 0).astype(np.int16), instances="components")
    assert sorted({*store.read(mask).voxels.label}) == [1, 2]
    (file,) = (tmp_path / "features").iterdir()
    file.write_bytes(file.read_bytes()[:-40])
    assert sorted({*store.read(mask).voxels.label}) == [1, 2]


def test_an_image_that_cannot_be_read_is_left_to_its_reader(tmp_path):
    labels = labels_in(tmp_path, VALUES)
    labels.paths[0].write_bytes(b"damaged")
    assert LabelStore(tmp_path, lambda path: path.name).read(labels) is labels
    assert not (tmp_path / "features").exists()
