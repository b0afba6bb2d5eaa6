import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import ImageError
from qsmstats.report.images.margins import read_shown
from qsmstats.report.images.mosaic import TileCutter, cut_tile, exemplary_lesions
from qsmstats.voxels.label_store import LabelStore
from tests.report.made_images import LESION, study_with


def tile_of(study):
    """Return the tile of the study's only lesion."""
    kept = LabelStore(study.folder / "out", study.name_of)
    return cut_tile(read_shown(study, ("sub-1", "ses-1"), kept), LESION)


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
    tile = tile_of(study)
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
    tile = tile_of(study_with(tmp_path, affine, white_matter=False))
    shown = np.isfinite(tile.maps["susceptibility_ppb"])
    # Voxels of 2 mm: the lesion's radius of 4 mm, and 5 mm around it.
    across = np.flatnonzero(shown[shown.shape[0] // 2])
    assert (across[-1] - across[0] + 1) * 2 == 2 * (4 + 4) + 2
    assert (shown | ~tile.lesion).all()


def test_beyond_the_image_there_is_nothing(tmp_path):
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = [-10, -10, -10]
    study = study_with(tmp_path, affine)
    values = tile_of(study).maps["susceptibility_ppb"]
    assert np.isnan(values[:, 0]).all()
    assert np.isfinite(values[:, -1]).any()


def test_a_session_that_several_pictures_show_is_read_once(tmp_path):
    study, read = study_with(tmp_path, np.diag([2.0, 2, 2, 1])), []
    kept = LabelStore(tmp_path / "out", study.name_of)
    cutter = TileCutter(
        lambda who: read.append(who) or read_shown(study, who, kept), pd.DataFrame([LESION] * 2)
    )
    cutter.read(("sub-1", "ses-1"))  # as the viewer does
    first, second = cutter.tiles()
    assert read == [("sub-1", "ses-1")]
    np.testing.assert_array_equal(first.lesion, second.lesion)


def test_a_missing_image_is_an_error_with_its_name(tmp_path):
    study = study_with(tmp_path, np.diag([2.0, 2, 2, 1]))
    (tmp_path / "sub-1_ses-1_Chimap.nii.gz").unlink()
    with pytest.raises(ImageError, match=r"Chimap\.nii\.gz: no such file"):
        tile_of(study)


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


def test_the_exemplary_lesion_lies_off_the_midline_where_one_does():
    lesions = pd.DataFrame(
        {
            "lesion_type": "isointense",
            "volume_mm3": 100.0,
            # Of images whose left edge is at 0 mm.
            "centroid_x": [90.0, 91.0, 89.0, 70.0, 115.0],
            "centroid_y": 0.0,
            "centroid_z": 0.0,
            "m_shell": [5.0, 5.0, 5.0, 2.0, 6.0],
            "m_core": 0.0,
        }
    )
    assert exemplary_lesions(lesions, "m")["centroid_x"].tolist() == [115.0]
    assert exemplary_lesions(lesions.iloc[:3], "m")["centroid_x"].tolist() == [90.0]


def test_a_voxel_that_is_zero_on_every_map_is_outside(tmp_path):
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -30
    study = study_with(tmp_path, affine)
    tile = tile_of(study)
    # The ramp passes zero in the middle of the image, 4 mm to the right of the lesion.
    middle = tile.maps["susceptibility_ppb"].shape[1] // 2
    empty = np.isnan(tile.maps["susceptibility_ppb"])
    assert (empty | tile.lesion)[:, middle + 2].all()
    assert not empty[:, middle + 3].all()
