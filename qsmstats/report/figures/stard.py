"""The STARD diagram: the flow of lesions, and what histology said of each result on QSM."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from qsmstats.report.figures.flow import BOX, SIDE, flow_diagram
from qsmstats.report.style import INK

__all__ = ["STARD_ROWS", "stard_diagram"]

# Heights of the two lower rows in units of one step: results on QSM, and histology below.
STARD_ROWS = (1.15, 1.55)


def stard_diagram(steps: pd.DataFrame, branches: pd.DataFrame, axes: Axes) -> Axes:
    """Draw the steps from top to bottom, and below the last one box per result on QSM.

    Parameters
    ----------
    steps
        As `flow_diagram` takes them.
    branches
        Columns result (text of a box) and outcome (text of the box below it), left to right.
    axes
        Axes to draw on; its height should be that of the steps and `STARD_ROWS`.

    Returns
    -------
    Axes
    """
    flow_diagram(steps, axes)
    if branches.empty:
        return axes
    last = -(len(steps) - 1)
    upper = last - STARD_ROWS[0]
    top = upper - 0.85
    axes.set_ylim(last - sum(STARD_ROWS) - 0.5, 0.5)
    places = (np.arange(len(branches)) + 0.5) / len(branches)
    bar = last - 0.5
    axes.plot([0.3, 0.3], [last - 0.25, bar], color=INK, linewidth=0.9)
    axes.plot([min(places[0], 0.3), max(places[-1], 0.3)], [bar, bar], color=INK, linewidth=0.9)
    arrow = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "color": INK, "linewidth": 0.9}
    for place, (_, row) in zip(places, branches.iterrows(), strict=True):
        axes.annotate("", xy=(place, upper + 0.35), xytext=(place, bar), arrowprops=arrow)
        axes.annotate("", xy=(place, top + 0.1), xytext=(place, upper), arrowprops=arrow)
        axes.text(place, upper, row["result"], ha="center", va="center", bbox=BOX, size="small")
        axes.text(place, top, row["outcome"], ha="center", va="top", bbox=SIDE, size="small")
    return axes
