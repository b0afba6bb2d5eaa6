"""Tiles: a plane of a map with the contour of a lesion."""

from __future__ import annotations

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes

from qsmstats.report.mosaic import Tile
from qsmstats.report.style import colour

__all__ = ["draw_tile"]

FINE = 12


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
    if tile.lesion.any():
        contour = axes.contour(
            # Voxels drawn as blocks, so that the contour follows their edges and cuts no corner.
            np.kron(tile.lesion[::-1], np.ones((FINE, FINE))),
            levels=[0.5],
            colors=[colour(level)],
            linewidths=1.3,
            extent=tile.extent,
        )
        # A thin dark edge keeps light colours visible on bright tissue.
        contour.set_path_effects([patheffects.withStroke(linewidth=2.2, foreground="#00000099")])
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return axes
