"""Tiles: a plane of a map with the contour of a lesion."""

from __future__ import annotations

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes

from qsmstats.arrays import Flags
from qsmstats.report.figures.style import colour
from qsmstats.report.images.mosaic import Tile

__all__ = ["draw_tile", "outline"]

FINE = 12
# What lies beyond the image or its margin; no grey of a map.
HIDDEN = "#DCE6F0"


def draw_tile(
    tile: Tile, axes: Axes, *, name: str, level: str, limits: tuple[float, float]
) -> Axes:
    """Draw one map of a tile and the lesion's contour in the colour of its type.

    Parameters
    ----------
    tile
        The plane.
    axes
        Axes to draw on.
    name
        Map to draw.
    level
        Lesion type.
    limits
        Values shown as black and as white.

    Returns
    -------
    Axes
    """
    axes.imshow(
        tile.maps[name],
        cmap="gray",
        vmin=limits[0],
        vmax=limits[1],
        extent=tile.extent,
        interpolation="nearest",
    )
    outline(tile.lesion[::-1], axes, hue=colour(level), extent=tile.extent)
    axes.set_facecolor(HIDDEN)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return axes


def outline(
    mask: Flags,
    axes: Axes,
    *,
    hue: str,
    extent: tuple[float, float, float, float],
    width: float = 1.3,
) -> None:
    """Draw the edges of the voxels of a mask against those outside.

    Parameters
    ----------
    mask
        Shape (rows, columns), rows from the lower end of `extent` upwards; empty masks draw
        nothing.
    axes
        Axes to draw on.
    hue
        Colour.
    extent
        Left, right, lower and upper end.
    width
        Of the line, in points.
    """
    if not mask.any():
        return
    contour = axes.contour(
        # Voxels drawn as blocks, so that the contour follows their edges and cuts no corner.
        np.kron(mask, np.ones((FINE, FINE))),
        levels=[0.5],
        colors=[hue],
        linewidths=width,
        extent=extent,
    )
    # A thin dark edge keeps light colours visible on bright tissue.
    edge = patheffects.withStroke(linewidth=1.7 * width, foreground="#00000099")
    contour.set_path_effects([edge])
    # As paths, the corners of the blocks would outweigh the images.
    contour.set_rasterized(True)
