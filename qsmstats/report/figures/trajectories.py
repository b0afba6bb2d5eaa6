"""Trajectories: every followed lesion, faint, and the model's mean with its interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from qsmstats.report.names import title
from qsmstats.report.style import INK, colour

__all__ = ["trajectory"]


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
    axes.set_title(f"{title(level)}\n{len(lines):,} lesions", loc="left")
    axes.grid(axis="y", color="#EAEAEA", linewidth=0.6)
    axes.set_axisbelow(True)
    return axes
