"""Tiles of the page's mosaic."""

from __future__ import annotations

from matplotlib.axes import Axes

from qsmstats import plot
from qsmstats.plot.tiles import outline
from qsmstats.report.images.mosaic import Tile

__all__ = ["draw_tile", "outline"]


def draw_tile(
    tile: Tile, axes: Axes, *, name: str, level: str, limits: tuple[float, float]
) -> Axes:
    """Draw one map of a tile and the lesion's contour, as `plot.mosaic` does."""
    return plot.mosaic(
        tile.maps[name], tile.lesion, hue=level, limits=limits, extent=tile.extent, ax=axes
    )
