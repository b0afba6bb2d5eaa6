"""Layer profiles: the mean of a map by depth inside (and distance outside) the lesion's edge."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from qsmstats.report.figures.style import colour, marker
from qsmstats.report.wording.names import figure_name, present_levels, title

__all__ = ["layer_profile"]


def layer_profile(frame: pd.DataFrame, axes: Axes) -> Axes:
    """Draw one line per lesion type: mean and interval of each layer.

    Parameters
    ----------
    frame
        Columns lesion_type, depth_mm (positive inside the lesion), mean, conf_low, conf_high.
    axes
        Axes to draw on.

    Returns
    -------
    Axes
    """
    for level in present_levels(frame["lesion_type"]):
        rows = frame[frame["lesion_type"] == level].sort_values("depth_mm")
        hue = colour(level)
        axes.fill_between(
            rows["depth_mm"],
            rows["conf_low"],
            rows["conf_high"],
            color=hue,
            alpha=0.18,
            linewidth=0,
        )
        axes.plot(
            rows["depth_mm"],
            rows["mean"],
            color=hue,
            marker=marker(level),
            markersize=4.5,
            linewidth=1.6,
            label=figure_name(title(level)),
        )
    axes.axhline(0, color="#999999", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    axes.grid(axis="y", color="#EAEAEA", linewidth=0.6)
    axes.set_axisbelow(True)
    return axes
