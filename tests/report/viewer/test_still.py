import io

import matplotlib.image as mpl_image
import numpy as np
import pytest

from qsmstats.plot.look import colour
from qsmstats.report.viewer.still import axial_planes, still_png, world_order
from qsmstats.wording.names import lesion_types


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1)])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_axes_run_to_the_right_to_the_front_and_up_whatever_the_voxels_order(signs, order):
    affine = np.eye(4)
    affine[:3, :3] = (np.diag(signs) * 2.0)[:, order]
    affine[:3, 3] = [5, -7, 3]
    shape = (4, 5, 6)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    for axis in range(3):
        turned, places = world_order(world[..., axis], affine)
        assert (np.diff(places[axis]) == 2.0).all()
        np.testing.assert_array_equal(
            turned,
            np.broadcast_to(
                np.expand_dims(places[axis], [k for k in range(3) if k != axis]), turned.shape
            ),
        )


def test_every_type_has_a_plane_with_most_of_it():
    kinds = np.zeros((8, 8, 40), dtype=np.uint8)
    for number in range(1, len(lesion_types()) + 1):
        kinds[:2, :2, 6 * number] = number
        kinds[0, 0, 6 * number + 1] = number
    planes = axial_planes(kinds)
    assert planes == sorted(planes)
    assert {6 * number for number in range(1, len(lesion_types()) + 1)} <= set(planes)


def test_no_lesion_no_type_to_choose_by():
    planes = axial_planes(np.zeros((4, 4, 30), dtype=np.uint8))
    assert len(set(planes)) == len(planes) == 6


def test_the_image_is_a_png_with_contours_in_the_types_colours():
    grey = np.full((40, 50, 30), 90, dtype=np.uint8)
    kinds = np.zeros_like(grey)
    kinds[8:30, 10:35, 10:20] = 5
    content = still_png(grey, kinds, np.diag([2.0, 2, 2, 1]))
    assert content == still_png(grey, kinds, np.diag([2.0, 2, 2, 1]))
    assert content.startswith(b"\x89PNG")
    pixels = mpl_image.imread(io.BytesIO(content))[..., :3] * 255
    hue = colour(lesion_types()[4])
    wanted = [int(hue[place : place + 2], 16) for place in (1, 3, 5)]
    assert (np.abs(pixels - wanted).max(axis=-1) < 20).sum() > 500
    other = colour(lesion_types()[0])
    absent = [int(other[place : place + 2], 16) for place in (1, 3, 5)]
    assert not (np.abs(pixels - absent).max(axis=-1) < 20).any()
