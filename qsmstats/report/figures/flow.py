"""Flow diagrams of the page."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from qsmstats import plot
from qsmstats.plot.diagrams import flow_height

__all__ = ["flow_diagram", "flow_height"]


def flow_diagram(frame: pd.DataFrame, axes: Axes) -> Axes:
    """Draw a box per step, as `plot.flow` does."""
    return plot.flow(frame, ax=axes)
