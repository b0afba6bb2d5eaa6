"""Rainclouds of the page's sections."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from qsmstats import plot
from qsmstats.plot.distributions import FEWEST

__all__ = ["FEWEST", "rainclouds"]


def rainclouds(
    frame: pd.DataFrame, axes: Axes, *, value: str, by: str, means: pd.DataFrame | None = None
) -> Axes:
    """Draw one raincloud per level of `by`, as `plot.rainclouds` does."""
    return plot.rainclouds(frame, value, hue=by, means=means, ax=axes)
