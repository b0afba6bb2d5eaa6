"""Flow diagrams: how many were there at each step, from top to bottom, and who left at the side."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from qsmstats.report.style import INK

__all__ = ["flow_diagram"]

BOX = {"boxstyle": "square,pad=0.55", "facecolor": "white", "edgecolor": INK, "linewidth": 0.9}
SIDE = {**BOX, "facecolor": "#F4F6F8", "edgecolor": "#8C8C8C"}


def flow_diagram(frame: pd.DataFrame, axes: Axes) -> Axes:
    """Draw a box per step with an arrow to the next, and boxes at the side.

    Parameters
    ----------
    frame
        Columns text (of the box) and aside (of the box between this step and the next; empty for
        none), in the order of the steps.
    axes
        Axes to draw on.

    Returns
    -------
    Axes
    """
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(-len(frame) + 0.5, 0.5)
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
    for step, (_, row) in enumerate(frame.iterrows()):
        if step + 1 < len(frame):
            axes.annotate("", xy=(0.3, -step - 0.7), xytext=(0.3, -step - 0.25), arrowprops=arrow)
        axes.text(0.3, -step, row["text"], ha="center", va="center", bbox=BOX)
        if row["aside"]:
            axes.annotate("", xy=(0.6, -step - 0.5), xytext=(0.3, -step - 0.5), arrowprops=arrow)
            axes.text(0.62, -step - 0.5, row["aside"], ha="left", va="center", bbox=SIDE)
    return axes
