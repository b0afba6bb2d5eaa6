import numpy as np

from qsmstats.plot.look import colour
from qsmstats.plot.tiles import mosaic


def test_a_tile_shows_its_voxels_as_they_are_and_the_edge_of_the_lesion(axes):
    plane = np.arange(20.0).reshape(4, 5)
    plane[0, 0] = np.nan
    lesion = np.zeros((4, 5), dtype=bool)
    lesion[1, 2] = True
    mosaic(plane, lesion, hue="isointense", extent=(0, 10, 0, 8), ax=axes)
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array().filled(np.nan), plane)
    assert image.get_clim() == tuple(np.nanpercentile(plane, [1, 99]))
    (contour,) = axes.collections
    corners = contour.get_paths()[0].vertices
    # The second row from the top, the third column, of voxels 2 wide.
    np.testing.assert_allclose(
        [corners.min(axis=0), corners.max(axis=0)], [[4, 4], [6, 6]], atol=0.2
    )
    red, green, blue, _ = contour.get_edgecolor()[0]
    assert "#{:02X}{:02X}{:02X}".format(*(round(255 * part) for part in (red, green, blue))) == (
        colour("isointense")
    )


def test_a_plane_without_values_or_lesion_is_drawn_empty(axes):
    mosaic(np.full((2, 2), np.nan), np.zeros((2, 2)), ax=axes)
    assert len(axes.images) == 1
    assert len(axes.collections) == 0
