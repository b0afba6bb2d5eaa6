"""Power curves of the page and of a plan."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from qsmstats import plot

__all__ = ["power_curves"]


def power_curves(
    frame: pd.DataFrame,
    axes: Axes,
    *,
    asked: float | None = None,
    sizes: pd.DataFrame | None = None,
    labels: Sequence[str] = (),
    level_tested: float = 0.05,
) -> Axes:
    """Draw power against the size of the trial, as `plot.power` does."""
    return plot.power(
        frame, target=asked, sizes=sizes, labels=labels, level_tested=level_tested, ax=axes
    )
