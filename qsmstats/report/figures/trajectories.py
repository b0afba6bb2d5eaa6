"""Values of lesions along an axis, by type: over time, and by depth.

Over time every followed lesion is drawn, faint, with the model's mean and its interval; by depth
the mean of a map inside the lesion's edge, and at the ring around it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from qsmstats.report.figures.style import INK, colour, is_narrow, marker
from qsmstats.report.wording.names import figure_name, present_levels, short_title, title
from qsmstats.report.wording.numbers import counted

__all__ = ["layer_profile", "mean_lines", "trajectory"]


def trajectory(
    lesions: pd.DataFrame, means: pd.DataFrame, axes: Axes, *, value: str, level: str
) -> Axes:
    """Draw the lesions of one type over time, and what the model says of their mean.

    Parameters
    ----------
    lesions
        Rows of one type: participant_id, lesion_id, years and `value`.
    means
        Marginal means of the type: years, estimate, conf_low, conf_high.
    axes
        Axes to draw on.
    value
        Column to draw.
    level
        The type; gives colour and title.

    Returns
    -------
    Axes
    """
    hue = colour(level)
    lines = [
        np.column_stack([rows["years"], rows[value]])
        for _, rows in lesions.dropna(subset=[value, "years"])
        .sort_values("years")
        .groupby(["participant_id", "lesion_id"], observed=True)
        if len(rows) > 1
    ]
    alpha = float(np.clip(25 / max(len(lines), 1), 0.12, 0.5))
    axes.add_collection(
        LineCollection(lines, colors=hue, linewidths=0.6, alpha=alpha, rasterized=True)
    )
    axes.autoscale_view()
    order = means.sort_values("years")
    if not order.empty:
        axes.fill_between(
            order["years"],
            order["conf_low"],
            order["conf_high"],
            color=INK,
            alpha=0.25,
            linewidth=0,
        )
        axes.plot(order["years"], order["estimate"], color="white", linewidth=3.2)
        axes.plot(order["years"], order["estimate"], color=INK, linewidth=1.8)
        _ends(order, axes, level)
    name = short_title if is_narrow(axes) else title
    axes.set_title(f"{figure_name(name(level), 22)}\n{counted(len(lines), 'lesion')}", loc="left")
    axes.grid(axis="y", color="#EAEAEA", linewidth=0.6)
    axes.set_axisbelow(True)
    return axes


def mean_lines(means: pd.DataFrame, axes: Axes, *, by: str) -> Axes:
    """Draw the model's means of all types over time, with their intervals, and name the lines.

    Parameters
    ----------
    means
        Marginal means: `by`, years, estimate, conf_low, conf_high.
    axes
        Axes to draw on.
    by
        Column that holds the type.

    Returns
    -------
    Axes
    """
    for level in present_levels(means[by]):
        rows = means[means[by] == level].sort_values("years")
        hue = colour(level)
        axes.fill_between(
            rows["years"], rows["conf_low"], rows["conf_high"], color=hue, alpha=0.18, linewidth=0
        )
        axes.plot(rows["years"], rows["estimate"], color=hue, linewidth=1.6)
        _ends(rows, axes, level, label=short_title(level))
    axes.set_title("all types\nmeans of the model", loc="left")
    axes.grid(axis="y", color="#EAEAEA", linewidth=0.6)
    axes.set_axisbelow(True)
    return axes


def _ends(rows: pd.DataFrame, axes: Axes, level: str, label: str = "") -> None:
    """Mark the ends of a mean with the marker of its type."""
    ends = rows.iloc[[0, -1]]
    axes.plot(
        ends["years"],
        ends["estimate"],
        marker=marker(level),
        markersize=6,
        color=colour(level),
        markeredgecolor="white",
        markeredgewidth=0.8,
        linestyle="none",
        label=label or None,
        clip_on=False,
        zorder=3,
    )


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
