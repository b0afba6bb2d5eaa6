from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from qsmstats.errors import UsageError
from qsmstats.simulate.anatomy import load_anatomy


def voxel(anatomy, point):
    inverse = np.linalg.inv(anatomy.affine)
    return tuple(np.rint(inverse @ [*point, 1.0]).astype(int)[:3])


# Landmarks of the MNI space that any atlas shows.
@pytest.mark.parametrize(
    ("point", "is_white"),
    [
        ((0, 26, 8), True),  # genu of the corpus callosum
        ((26, -10, 28), True),  # corona radiata
        ((-26, -10, 28), True),
        ((8, 0, 20), False),  # lateral ventricle
        ((10, -18, 8), False),  # thalamus, at most half white
        ((0, 60, 60), False),  # outside the head
    ],
)
@pytest.mark.parametrize("resolution", [2.0, 3.0])
def test_landmarks_lie_in_their_tissue(point, is_white, resolution):
    anatomy = load_anatomy(resolution)
    try:
        found = bool(anatomy.white_matter[voxel(anatomy, point)])
    except IndexError:
        found = False
    assert found == is_white


@pytest.mark.parametrize("resolution", [2.0, 3.0, 4.0])
def test_volumes_hardly_depend_on_the_voxel_size(resolution):
    anatomy = load_anatomy(resolution)
    litres = np.array([anatomy.brain.sum(), anatomy.white_matter.sum()]) * resolution**3 / 1e6
    # The template's own voxels of 1 mm: brain 1.89 l, white matter above one half 0.62 l, counted
    # with nibabel; coarse voxels blur narrow white matter.
    np.testing.assert_allclose(litres, [1.89, 0.62], rtol=0.08)
    np.testing.assert_allclose(np.diag(anatomy.affine)[:3], resolution)


def test_parts_agree_with_one_another(anatomy):
    assert not (anatomy.white_matter & ~anatomy.brain).any()
    assert (anatomy.white[anatomy.white_matter] == 1.0).all()
    assert ((anatomy.white + anatomy.grey)[anatomy.brain] < 1.35).all()
    assert not anatomy.iron[anatomy.white_matter].any()
    assert anatomy.texture[anatomy.white_matter].mean() == pytest.approx(0.0, abs=1e-12)
    assert ((anatomy.preference > 0) == anatomy.white_matter).all()
    np.testing.assert_array_equal(
        anatomy.depth, distance_transform_edt(anatomy.white_matter, sampling=3.0)
    )


def test_lesions_prefer_the_ventricles(anatomy):
    near, far = voxel(anatomy, (24, -34, 24)), voxel(anatomy, (36, 30, 20))
    assert anatomy.preference[near] > 2.0 * anatomy.preference[far] > 0.0


def test_the_template_is_read_once():
    assert load_anatomy(3.0) is load_anatomy(3.0)


@pytest.mark.parametrize("resolution", [0.5, 4.5, float("nan")])
def test_a_voxel_size_that_cannot_be_is_named(resolution):
    with pytest.raises(UsageError, match=f"{resolution:g} mm lies outside 0.8 to 4 mm"):
        load_anatomy(resolution)
