"""Pictures of a map: through the whole brain, and in slices over the mean of the images."""

from __future__ import annotations

import base64
import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from nilearn import plotting

from qsmstats.voxelwise.nifti import make_image
from qsmstats.voxelwise.result import VoxelFit

__all__ = ["glass_brain", "slices"]

SLICES = 7
DPI = 110
COLOURS = "RdBu_r"
SMALL = 1e-6


def glass_brain(fit: VoxelFit, effect: str, chosen: str) -> str:
    """Draw the t statistics of the voxels in which an effect is significant, seen through.

    Parameters
    ----------
    fit, effect
        What to draw.
    chosen
        "q_value" or "p_fwe": voxels in which it is at most 0.05.

    Returns
    -------
    str
        PNG as a data URL.
    """
    figure = Figure(figsize=(9.0, 2.6))
    FigureCanvasAgg(figure)
    plotting.plot_glass_brain(
        make_image(_significant(fit, effect, chosen), fit.index, fit.grid, outside=0.0),
        figure=figure,
        display_mode="lyrz",
        threshold=SMALL,
        plot_abs=False,
        colorbar=True,
        cmap=COLOURS,
        vmax=_limit(fit, effect),
        symmetric_cbar=True,
    )
    return _as_url(figure)


def slices(fit: VoxelFit, effect: str, chosen: str) -> str:
    """Draw the same in axial slices over the mean of the images; see `glass_brain`."""
    values = _significant(fit, effect, chosen)
    mean = fit.voxels["mean"]
    height = fit.grid.coordinates(fit.index) @ fit.grid.matrix[2] + fit.grid.affine[2, 3]
    cuts = np.quantile(height, np.linspace(0.12, 0.88, SLICES))
    if values.any():  # the slice with the largest statistic is among them
        peak = height[np.abs(values).argmax()]
        cuts[np.abs(cuts - peak).argmin()] = peak
    background = make_image(np.nan_to_num(mean), fit.index, fit.grid, outside=0.0)
    figure = Figure(figsize=(9.0, 2.0))
    FigureCanvasAgg(figure)
    plotting.plot_stat_map(
        make_image(values, fit.index, fit.grid, outside=0.0),
        bg_img=background,
        figure=figure,
        display_mode="z",
        cut_coords=np.unique(cuts).tolist(),
        threshold=SMALL,
        colorbar=False,
        cmap=COLOURS,
        vmax=_limit(fit, effect),
        symmetric_cbar=True,
        black_bg=False,
        dim=0,
    )
    return _as_url(figure)


def _significant(fit: VoxelFit, effect: str, chosen: str) -> np.ndarray:
    statistic = fit.quantity("statistic", effect)
    return np.where(fit.quantity(chosen, effect) <= 0.05, statistic, 0.0)


def _limit(fit: VoxelFit, effect: str) -> float:
    """Return the end of the scale of colours: the largest t, and 5 at least."""
    return max(5.0, float(np.nanmax(np.abs(fit.quantity("statistic", effect)), initial=0.0)))


def _as_url(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
