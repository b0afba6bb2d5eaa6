import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import ImageError
from qsmstats.report.figures.mosaic import cut_tile, exemplary_lesions
from qsmstats.study_file import open_study

TOML = """
[labels]
pattern = "{participant}_{session}_dseg.nii.gz"
[tissue]
white_matter = "{participant}_{session}_WM.nii.gz"
[maps.susceptibility_ppb]
pattern = "{participant}_{session}_Chimap.nii.gz"
unit = "ppm"
[tables]
participants = "participants.tsv"
sessions = "sessions.tsv"
lesions = "lesions.tsv"
"""


def study_with(folder, affine, *, white_matter=True):
    """A study of one session: a ramp from left to right, and a lesion at the front left.

    White matter is everywhere, or nowhere but in the farthest corner.
    """
    (folder / "study.toml").write_text(TOML)
    grid = np.stack(np.meshgrid(*[np.arange(30)] * 3, indexing="ij"), axis=-1)
    world = grid @ affine[:3, :3].T + affine[:3, 3]
    ramp = (world[..., 0] / 1000).astype(np.float32)  # ppm; 1 ppb per mm
    near = np.linalg.norm(world - [-4, 6, 2], axis=-1) <= 4
    mask = np.full(near.shape, white_matter, dtype=np.uint8)
    mask[0, 0, 0] = 1
    for name, data in (("Chimap", ramp), ("dseg", near.astype(np.int16) * 7), ("WM", mask)):
        nib.save(nib.Nifti1Image(data, affine), folder / f"sub-1_ses-1_{name}.nii.gz")
    return open_study(folder)


LESION = pd.Series(
    {
        "participant_id": "sub-1",
        "session_id": "ses-1",
        "label": 7,
        "centroid_x": -4.0,
        "centroid_y": 6.0,
        "centroid_z": 2.0,
    }
)


@pytest.mark.parametrize(
    "signs", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, -1)], ids=["RAS", "LAS", "RPS", "LPI"]
)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_the_left_side_is_shown_left_and_the_lesion_in_the_middle_whatever_the_voxels_order(
    tmp_path, signs, order
):
    affine = np.eye(4)
    affine[:3, :3] = (np.diag(signs) * 2.0)[:, order]
    affine[:3, 3] = -affine[:3, :3] @ [15, 15, 15]
    study = study_with(tmp_path, affine)
    tile = cut_tile(study, LESION, study.maps)
    values = tile.maps["susceptibility_ppb"]
    steps = np.diff(values, axis=1)
    np.testing.assert_allclose(steps[np.isfinite(steps)], 2.0, rtol=1e-4)  # float32 voxels
    rows, columns = np.nonzero(tile.lesion)
    middle = (np.array(values.shape) - 1) / 2
    np.testing.assert_allclose([rows.mean(), columns.mean()], middle)
    assert values[tuple(middle.astype(int))] == pytest.approx(-4.0, rel=1e-4)
    assert tile.extent == (-19, 19, -19, 19)


def test_what_is_far_from_lesion_and_white_matter_is_not_shown(tmp_path):
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -30
    tile = cut_tile(study := study_with(tmp_path, affine, white_matter=False), LESION, study.maps)
    shown = np.isfinite(tile.maps["susceptibility_ppb"])
    # Voxels of 2 mm: the lesion's radius of 4 mm, and 5 mm around it.
    across = np.flatnonzero(shown[shown.shape[0] // 2])
    assert len(across) * 2 == 2 * (4 + 4) + 2
    assert (shown | ~tile.lesion).all()


def test_beyond_the_image_there_is_nothing(tmp_path):
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = [-10, -10, -10]
    study = study_with(tmp_path, affine)
    values = cut_tile(study, LESION, study.maps).maps["susceptibility_ppb"]
    assert np.isnan(values[:, 0]).all()
    assert np.isfinite(values[:, -1]).any()


def test_a_missing_image_is_an_error_with_its_name(tmp_path):
    study = study_with(tmp_path, np.diag([2.0, 2, 2, 1]))
    (tmp_path / "sub-1_ses-1_Chimap.nii.gz").unlink()
    with pytest.raises(ImageError, match=r"Chimap\.nii\.gz: no such file"):
        cut_tile(study, LESION, study.maps)


def test_the_exemplary_lesion_is_large_and_near_its_types_median():
    lesions = pd.DataFrame(
        {
            "participant_id": "sub-1",
            "session_id": "ses-1",
            "label": range(8),
            "lesion_type": "isointense",
            "volume_mm3": [1, 2, 3, 4, 5, 100, 110, 120],
            "centroid_x": 0.0,
            "centroid_y": 0.0,
            "centroid_z": 0.0,
            "m_shell": [0, 0, 0, 0, 0, 5.0, 9.0, 1.0],
            "m_core": [0, 0, 0, 0, 0, 5.0, 4.0, 6.0],
        }
    )
    chosen = exemplary_lesions(lesions, "m")
    assert list(chosen["label"]) == [6]
    assert exemplary_lesions(lesions.drop(columns="m_core"), "m").empty
