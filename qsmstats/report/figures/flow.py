"""Flow diagrams: how many were there at each step, from top to bottom, and who left at the side."""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.axes import Axes

from qsmstats.report.figures.style import INK, is_narrow

__all__ = ["ARROW", "BOX", "CHAIN", "SIDE", "flow_diagram", "flow_height"]

# Inches from one step to the next; narrow figures break the lines of the boxes.
STEP_INCHES, NARROW_STEP_INCHES = 0.85, 1.25
LONGEST_LINE = 26
# Where the chain of boxes and those beside it stand, in shares of the width.
CHAIN, BESIDE = 0.3, 0.6

BOX = {"boxstyle": "square,pad=0.55", "facecolor": "white", "edgecolor": INK, "linewidth": 0.9}
SIDE = {**BOX, "facecolor": "#F4F6F8", "edgecolor": "#8C8C8C"}
ARROW = {"arrowstyle": "-|>", "color": INK, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}


def flow_height(steps: float) -> tuple[float, float]:
    """Return the height in inches of a figure of so many steps: wide, and narrow."""
    return STEP_INCHES * steps, NARROW_STEP_INCHES * steps


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
    narrow = is_narrow(axes)
    for step, (_, row) in enumerate(frame.iterrows()):
        if step + 1 < len(frame):
            # The boxes of narrow figures have more lines.
            head = (CHAIN, -step - (0.63 if narrow else 0.7))
            axes.annotate("", xy=head, xytext=(CHAIN, -step - 0.25), arrowprops=ARROW)
        text, aside = row["text"], row["aside"]
        if narrow:
            text, aside = _broken(text), _broken(aside)
        axes.text(CHAIN, -step, text, ha="center", va="center", bbox=BOX, zorder=4)
        if aside:
            start = (CHAIN, -step - 0.5)
            axes.annotate("", xy=(BESIDE, start[1]), xytext=start, arrowprops=ARROW)
            axes.text(BESIDE + 0.02, start[1], aside, ha="left", va="center", bbox=SIDE)
    return axes


def _broken(text: str) -> str:
    """Break a box's text at its commas, and lines that are still long between words."""
    lines = [line for part in text.split("\n") for line in part.split(", ")]
    return "\n".join(textwrap.fill(line, LONGEST_LINE) for line in lines)
