"""A mosaic of axial planes of one participant, with the contour of each lesion in its colour.

It stands where the lesion viewer cannot draw: in browsers without WebGL, and on paper.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from qsmstats.arrays import Floats
from qsmstats.plot.look import STYLES, colour, drawing
from qsmstats.plot.tiles import outline
from qsmstats.wording.names import lesion_types

__all__ = ["axial_planes", "still_png", "world_order"]

COLUMNS, LINES = 3, 2
WIDTH, DPI = 5.6, 150

Bytes = NDArray[np.uint8]


def still_png(grey: Bytes, kinds: Bytes, affine: Floats) -> bytes:
    """Draw the mosaic.

    Parameters
    ----------
    grey
        The map, shape (i, j, k), 0 black to 255 white.
    kinds
        Same shape: number of the lesion type of each voxel, 1 for the schema's first, 0 for none.
    affine
        Voxel index to mm.

    Returns
    -------
    bytes
        A PNG image; the same volumes give the same bytes.
    """
    grey, axes_mm = world_order(grey, affine)
    kinds, _ = world_order(kinds, affine)
    across, along = (abs(mm[-1] - mm[0]) for mm in axes_mm[:2])
    height = WIDTH / COLUMNS * along / max(across, 1.0) * LINES
    with drawing(STYLES["screen"]):
        size = (WIDTH, height)
        # matplotlib takes "none", which its types lack.
        figure = Figure(size, facecolor="black", layout="none")  # type: ignore[arg-type]
        figure.subplots_adjust(0, 0, 1, 1, wspace=0.02, hspace=0.02)
        panels = figure.subplots(LINES, COLUMNS).flat
        for panel in panels:
            panel.set_axis_off()
        for panel, plane in zip(figure.axes, axial_planes(kinds), strict=False):
            extent = (*_ends(axes_mm[0]), *_ends(axes_mm[1]))
            panel.imshow(
                grey[:, :, plane].T,
                cmap="gray",
                vmin=0,
                vmax=255,
                extent=extent,
                origin="lower",
                interpolation="nearest",
            )
            for number, level in enumerate(lesion_types(), start=1):
                lesion = np.equal(kinds[:, :, plane].T, number)
                outline(lesion, panel, hue=colour(level), extent=extent, width=0.9)
            words: dict[str, Any] = {
                "transform": panel.transAxes,
                "color": "white",
                "size": "small",
            }
            panel.text(0.03, 0.03, f"z = {axes_mm[2][plane]:.0f} mm".replace("-", "−"), **words)
            panel.text(0.03, 0.97, "L", va="top", **words)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def world_order(volume: Bytes, affine: Floats) -> tuple[Bytes, tuple[Floats, ...]]:
    """Turn a volume so that its axes run to the right, to the front and up.

    Returns
    -------
    tuple
        The volume, and for each of its axes the mm of its planes; oblique images are shown on
        their own axes.
    """
    matrix = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    order = [int(axis) for axis in np.abs(matrix).argmax(axis=1)]
    if len(set(order)) < 3:
        order = [0, 1, 2]
    turned = volume.transpose(order)
    places = []
    for world, axis in enumerate(order):
        mm = affine[world, 3] + affine[world, axis] * np.arange(volume.shape[axis])
        if affine[world, axis] < 0:
            turned, mm = np.flip(turned, world), mm[::-1]
        places.append(mm)
    return turned, tuple(places)


def axial_planes(kinds: Bytes) -> list[int]:
    """Choose planes, upwards: for each type the one with most of it, then those with most lesion.

    Parameters
    ----------
    kinds
        As `still_png` takes them, axes as `world_order` turns them.
    """
    sizes = np.stack(
        [(kinds == number).sum(axis=(0, 1)) for number in range(1, len(lesion_types()) + 1)]
    )
    chosen = {int(size.argmax()) for size in sizes if size.any()}
    apart = max(1, kinds.shape[2] // 20)
    for plane in (int(place) for place in np.argsort(-sizes.sum(axis=0), kind="stable")):
        if len(chosen) >= COLUMNS * LINES:
            break
        if all(abs(plane - other) >= apart for other in chosen):
            chosen.add(plane)
    return sorted(chosen)[: COLUMNS * LINES]


def _ends(centres: Floats) -> tuple[float, float]:
    """Return the outer edges of voxels from their centres."""
    half = (centres[-1] - centres[0]) / max(len(centres) - 1, 1) / 2
    return float(centres[0] - half), float(centres[-1] + half)
