"""Rainclouds: every value, its density, its quartiles and the model's mean, per level.

The density is a Gaussian kernel estimate with Scott's bandwidth (Scott 1992, Multivariate Density
Estimation), scaled so that the highest point of each cloud has the same height: it shows shape,
and the counts beside the labels show size. Allen et al. 2019, Wellcome Open Res 4:63.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.stats import gaussian_kde

from qsmstats.arrays import Floats
from qsmstats.report.figures.style import INK, colour, is_narrow
from qsmstats.report.wording.names import figure_name, present_levels, short_title, title
from qsmstats.report.wording.numbers import counted

__all__ = ["rainclouds"]

CLOUD_HEIGHT = 0.42
RAIN_DEPTH = 0.24
FEWEST = 10
GOLDEN = 0.6180339887498949
# Share of values at each end that the axis may leave out, so that one wild voxel does not
# flatten every cloud; what lies outside is counted on the figure.
TAIL = 0.001


def rainclouds(
    frame: pd.DataFrame, axes: Axes, *, value: str, by: str, means: pd.DataFrame | None = None
) -> Axes:
    """Draw one raincloud per level, the first level on top.

    Parameters
    ----------
    frame
        Columns `value` (number) and `by` (level); rows without either are left out.
    axes
        Axes to draw on.
    value, by
        Names of the columns.
    means
        Marginal means: columns level, estimate, conf_low, conf_high; drawn as diamonds.

    Returns
    -------
    Axes
    """
    rows = frame[[by, value]].dropna()
    levels = present_levels(rows[by])
    name = short_title if is_narrow(axes) else title
    labels = []
    for position, level in enumerate(reversed(levels)):
        values = rows.loc[rows[by] == level, value].to_numpy(dtype=np.float64)
        _raincloud(values, axes, position, colour(level))
        labels.append(f"{figure_name(name(level))}\nn = {len(values):,}")
        if means is not None:
            for _, row in means[means["level"] == level].iterrows():
                ends = [row["conf_low"], row["conf_high"]]
                axes.plot(ends, [position + 0.08] * 2, color=INK, linewidth=1.2)
                axes.plot(
                    [row["estimate"]],
                    [position + 0.08],
                    marker="D",
                    markersize=4.5,
                    color=INK,
                    markeredgecolor="white",
                    markeredgewidth=0.8,
                )
    axes.set_yticks(range(len(levels)), labels)
    axes.set_ylim(-0.5, len(levels) - 0.3)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color="#E4E4E4", linewidth=0.6)
    axes.set_axisbelow(True)
    if len(rows) < 2:
        return axes
    shown = [rows[value].quantile([TAIL, 1 - TAIL])]
    if means is not None:  # the intervals of few values reach beyond them
        shown += [means[name].dropna() for name in ("conf_low", "conf_high")]
    low, high = pd.concat(shown).agg(["min", "max"])
    margin = 0.06 * (high - low) or 1.0
    axes.set_xlim(low - margin, high + margin)
    outside = int((~rows[value].between(low - margin, high + margin)).sum())
    if outside:
        note = f"{counted(outside, 'value')} beyond the axis"
        axes.text(1.0, 1.0, note, transform=axes.transAxes, ha="right", va="bottom", size="small")
    return axes


def _raincloud(values: Floats, axes: Axes, position: float, hue: str) -> None:
    """Draw the density of one level's values, below it the values, and their quartiles."""
    if not len(values):
        return
    # A density of fewer values would show the kernel, not the data.
    if len(values) >= FEWEST and np.ptp(values) > 0:
        kernel = gaussian_kde(values)
        reach = 3 * kernel.factor * values.std(ddof=1)
        grid = np.linspace(values.min() - reach, values.max() + reach, 200)
        density = kernel(grid)
        top = position + 0.08 + CLOUD_HEIGHT * density / density.max()
        axes.fill_between(grid, position + 0.08, top, color=hue, alpha=0.75, linewidth=0)
    # Multiples of the golden ratio spread evenly at every count, without a random number.
    jitter = (np.arange(len(values)) * GOLDEN) % 1.0
    size = float(np.clip(1500 / len(values), 1.2, 9.0))
    axes.scatter(
        values,
        position - 0.12 - RAIN_DEPTH * jitter,
        s=size,
        color=hue,
        alpha=float(np.clip(150 / len(values), 0.25, 0.8)),
        linewidth=0,
        rasterized=True,
    )
    low, middle, high = np.percentile(values, [25, 50, 75])
    axes.plot([low, high], [position, position], color=hue, linewidth=5, solid_capstyle="butt")
    axes.plot([middle], [position], marker="|", color="white", markersize=6, markeredgewidth=1.6)
