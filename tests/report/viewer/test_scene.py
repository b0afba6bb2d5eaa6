import base64
import gzip
import io
import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import ImageError
from qsmstats.plot.look import colour
from qsmstats.report.images.margins import read_shown
from qsmstats.report.sections.lesions import thinned
from qsmstats.report.viewer.packing import nifti_bytes, packed_niivue
from qsmstats.report.viewer.scene import build_scene, exemplary_participant
from qsmstats.voxels.label_store import LabelStore
from tests.report.made_images import LESION, study_with

AFFINE = np.array([[0, -2.0, 0, 20], [1.5, 0, 0, -30], [0, 0, 3.0, 5], [0, 0, 0, 1]])


def scene_of(study, lesions):
    kept = LabelStore(study.folder / "out", study.name_of)
    maps = [spec.name for spec in study.maps]
    return build_scene(lambda who: read_shown(study, who, kept), lesions, maps)


def read(packed):
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(packed)))


def test_what_is_written_nibabel_reads():
    volume = np.random.default_rng(1).integers(0, 255, (4, 5, 6), dtype=np.uint8)
    image = nib.Nifti1Image.from_stream(io.BytesIO(nifti_bytes(volume, AFFINE)))
    np.testing.assert_array_equal(np.asarray(image.dataobj), volume)
    np.testing.assert_array_equal(image.affine, AFFINE)
    np.testing.assert_array_equal(image.header.get_zooms(), [1.5, 2.0, 3.0])
    assert image.header.get_xyzt_units()[0] == "mm"


def test_the_session_with_the_most_types_is_shown():
    lesions = pd.DataFrame(
        {
            "participant_id": ["a"] * 9 + ["b"] * 3 + ["c"] * 2,
            "session_id": "ses-1",
            "lesion_type": ["isointense"] * 9 + ["isointense", "hypointense"] * 2 + ["hypointense"],
        }
    )
    assert set(exemplary_participant(lesions)["participant_id"]) == {"b"}
    assert set(exemplary_participant(lesions, followed={"a", "c"})["participant_id"]) == {"c"}
    assert exemplary_participant(lesions.iloc[:0]).empty


def test_a_scene_holds_the_lesion_where_it_is_in_the_colour_of_its_type(tmp_path):
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -30
    study = study_with(tmp_path, affine)
    kind = "paramagnetic_rim"
    lesions = pd.DataFrame([LESION]).assign(lesion_type=kind)
    scene = scene_of(study, lesions)
    assert scene.data == scene_of(study, lesions).data
    assert scene.step == 1
    assert thinned(scene) == ""
    data = json.loads(scene.data)
    (session,) = data["sessions"]
    image = read(session["lesions"])
    values = np.asarray(image.dataobj)
    # Labels, which the viewer outlines; 1 is the first lesion of the table.
    assert int(image.header["intent_code"]) == 1002
    assert set(np.unique(values)) == {0, 1}
    assert scene.lesions["number"].tolist() == [1]
    centre = image.affine[:3, :3] @ np.argwhere(values).mean(axis=0) + image.affine[:3, 3]
    np.testing.assert_allclose(centre, [LESION[f"centroid_{axis}"] for axis in "xyz"])
    colours = data["colours"]
    shown = "#" + "".join(f"{colours[channel][1]:02X}" for channel in "RGB")
    assert shown == colour(kind)
    (shown,) = session["maps"]
    assert shown["name"] == "QSM"
    assert shown["low"].endswith(" ppb")
    grey = np.asarray(read(shown["image"]).dataobj)
    assert grey.min() == 0
    assert grey.max() >= 252


def test_every_session_is_shown_in_the_grey_levels_of_the_first(tmp_path):
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -30
    study = study_with(tmp_path, affine)
    for path in list(tmp_path.glob("sub-1_ses-1_*")):
        shutil.copy(path, tmp_path / path.name.replace("ses-1", "ses-2"))
    first = nib.load(tmp_path / "sub-1_ses-1_Chimap.nii.gz")
    risen = nib.Nifti1Image(first.get_fdata(dtype=np.float32) + np.float32(0.02), affine)
    nib.save(risen, tmp_path / "sub-1_ses-2_Chimap.nii.gz")
    lesions = pd.DataFrame([LESION] * 3).assign(
        session_id=["ses-1", "ses-2", "ses-3"], lesion_type="isointense"
    )
    scene = scene_of(study, lesions)
    assert scene.sessions == ("ses-1", "ses-2")
    assert list(scene.left_out) == ["ses-3"]
    assert "sub-1_ses-3_dseg.nii.gz: no such file" in scene.left_out["ses-3"]
    assert str(tmp_path) not in scene.left_out["ses-3"]
    assert scene.lesions["number"].tolist() == [1, 2]
    before, after = json.loads(scene.data)["sessions"]
    assert (before["name"], after["name"]) == ("sub-1 ses-1", "sub-1 ses-2")
    for end in ("name", "low", "high"):
        assert before["maps"][0][end] == after["maps"][0][end]
    # Each row of the table has its own number.
    labels = [np.asarray(read(one["lesions"]).dataobj) for one in (before, after)]
    assert [label.max() for label in labels] == [1, 2]
    # 20 ppb of a window of 57: a third of the grey levels, where neither is at an end.
    greys = [np.asarray(read(one["maps"][0]["image"]).dataobj) for one in (before, after)]
    risen = int(greys[1][10, 15, 15]) - int(greys[0][10, 15, 15])
    assert risen == pytest.approx(20 / 57 * 254, abs=5)
    with pytest.raises(ImageError, match="sub-1_ses-3_dseg"):
        scene_of(study, lesions.iloc[2:])


def test_voxels_far_from_lesions_and_white_matter_are_zero(tmp_path):
    """A map of the whole head would show the face."""
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -30
    study = study_with(tmp_path, affine, white_matter=False)
    lesions = pd.DataFrame([LESION]).assign(lesion_type="isointense")
    data = json.loads(scene_of(study, lesions).data)
    image = read(data["sessions"][0]["maps"][0]["image"])
    places = np.argwhere(np.asarray(image.dataobj)) @ image.affine[:3, :3].T + image.affine[:3, 3]
    distance = np.linalg.norm(places - [LESION[f"centroid_{axis}"] for axis in "xyz"], axis=1)
    corner = np.linalg.norm(places + 30, axis=1)
    # Of the lesion's radius of 4 mm and the margin of 5 mm, or around the mask's only voxel.
    assert ((distance <= 9) | (corner <= 5)).all()
    assert (distance > 7).any()
    assert (corner <= 4).any()


def test_large_images_are_thinned_and_stay_in_place(tmp_path, monkeypatch):
    monkeypatch.setattr("qsmstats.report.viewer.scene.MOST_VOXELS", 30**3 // 8)
    affine = np.diag([2.0, 2, 2, 1])
    study = study_with(tmp_path, affine)
    lesions = pd.DataFrame([LESION]).assign(lesion_type="isointense")
    scene = scene_of(study, lesions)
    assert (scene.step, scene.spacing_mm) == (2, (4.0, 4.0, 4.0))
    assert "blocks of 2 × 2 × 2 voxels are shown as one of 4 × 4 × 4 mm" in thinned(scene)
    (session,) = json.loads(scene.data)["sessions"]
    image, kinds = read(session["maps"][0]["image"]), read(session["lesions"])
    assert image.shape == kinds.shape == (15, 15, 15)
    np.testing.assert_array_equal(np.diag(image.affine), [4, 4, 4, 1])
    # A block's centre lies between its voxels, at 0 and 2 mm.
    np.testing.assert_array_equal(image.affine[:3, 3], [1, 1, 1])
    # Blocks that hold any voxel of the lesion are shown as lesion.
    assert np.asarray(kinds.dataobj).any()


def test_a_lesion_smaller_than_a_block_is_still_shown(tmp_path, monkeypatch):
    monkeypatch.setattr("qsmstats.report.viewer.scene.MOST_VOXELS", 30**3 // 27)
    affine = np.diag([2.0, 2, 2, 1])
    study = study_with(tmp_path, affine)
    single = np.zeros((30, 30, 30), dtype=np.int16)
    single[10, 20, 5] = 7
    nib.save(nib.Nifti1Image(single, affine), tmp_path / "sub-1_ses-1_dseg.nii.gz")
    lesions = pd.DataFrame([LESION]).assign(lesion_type="hypointense")
    scene = scene_of(study, lesions)
    kinds = read(json.loads(scene.data)["sessions"][0]["lesions"])
    # The ramp's first plane is zero, as outside the head, and cut off.
    np.testing.assert_array_equal(kinds.affine[:3, 3], [4, 2, 2])
    values = np.asarray(kinds.dataobj)
    assert np.count_nonzero(values) == 1
    centre = kinds.affine @ [*np.argwhere(values)[0], 1]
    # Within the block of 6 mm that is centred there.
    assert np.abs(centre[:3] - [20, 40, 10]).max() <= 3


def test_niivue_is_where_nilearn_keeps_it():
    script = gzip.decompress(base64.b64decode(packed_niivue()))
    assert b"loadFromBase64" in script
    # WebAssembly is for volumes of another kind.
    assert b'"AGFzb' not in script
    assert len(packed_niivue()) < 500_000
