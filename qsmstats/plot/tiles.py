"""Tiles of a mosaic: a plane of a map with the contour of a lesion."""

from __future__ import annotations

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from qsmstats.arrays import Flags, Floats
from qsmstats.plot.look import Palette, axes_or_current, colours

__all__ = ["mosaic", "outline"]

FINE = 12
# What lies beyond the image, or is NaN; no grey of a map.
HIDDEN = "#DCE6F0"


def mosaic(
    plane: ArrayLike,
    lesion: ArrayLike,
    *,
    hue: str = "",
    palette: Palette | None = None,
    limits: tuple[float, float] | None = None,
    extent: tuple[float, float, float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one tile of a mosaic: a plane of a map in grey, and the lesion's contour.

    Voxels are drawn as they are, without interpolation.

    Parameters
    ----------
    plane
        Values, shape (rows, columns), the first row on top; NaN where nothing is shown.
    lesion
        True within the lesion, same shape.
    hue
        Type of the lesion, which gives the contour its colour.
    palette
        Colours of the types, as seaborn takes them; by default those of the lesion types.
    limits
        Values shown as black and as white; by default the 1st and 99th percentile.
    extent
        Left, right, lower and upper end, as in mm; by default in voxels.
    ax
        Axes to draw on; by default pyplot's current ones.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import numpy as np
    >>> axes = mosaic(np.arange(12.0).reshape(3, 4), np.eye(3, 4) > 0, hue="isointense")
    >>> axes.images[0].get_array().shape
    (3, 4)
    """
    axes = axes_or_current(ax)
    values, mask = np.asarray(plane, dtype=np.float64), np.asarray(lesion, dtype=np.bool_)
    if limits is None:
        shown = values[np.isfinite(values)]
        limits = tuple(np.percentile(shown, [1, 99])) if len(shown) else (0.0, 1.0)
    rows, columns = values.shape
    ends = (0.0, float(columns), 0.0, float(rows)) if extent is None else extent
    # "none", not "nearest": SVG and PDF then hold the voxels themselves, one pixel each.
    axes.imshow(
        values, cmap="gray", vmin=limits[0], vmax=limits[1], extent=ends, interpolation="none"
    )
    outline(mask[::-1], axes, hue=colours([hue], palette)[hue], extent=ends)
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
    left, right, lower, upper = extent
    y, lines = _around(mask, 0, (lower, upper))
    x, columns = _around(mask, 1, (left, right))
    contour = axes.contour(
        x,
        y,
        # Voxels drawn as blocks, so that the contour follows their edges and cuts no corner.
        mask[lines, columns].repeat(FINE, axis=0).repeat(FINE, axis=1),
        levels=[0.5],
        colors=[hue],
        linewidths=width,
    )
    # A thin dark edge keeps light colours visible on bright tissue.
    edge = patheffects.withStroke(linewidth=1.7 * width, foreground="#00000099")
    contour.set_path_effects([edge])
    # As paths, the corners of the blocks would outweigh the images.
    contour.set_rasterized(True)


def _around(mask: Flags, axis: int, ends: tuple[float, float]) -> tuple[Floats, slice]:
    """Return the places of the blocks around a mask along one axis, and the voxels that they are.

    Parameters
    ----------
    mask
        Shape (rows, columns), not empty.
    axis
        Along which.
    ends
        Of the whole mask along it.
    """
    inside = np.nonzero(mask)[axis]
    part = slice(max(inside.min() - 1, 0), inside.max() + 2)
    places = np.linspace(*ends, mask.shape[axis] * FINE)
    return places.reshape(-1, FINE)[part].ravel(), part
