"""Panels of the page's model checks."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from qsmstats import plot
from qsmstats.plot.model_checks import normal_quantiles

__all__ = ["normal_quantiles", "residuals_fitted"]


def residuals_fitted(frame: pd.DataFrame, axes: Axes, *, level: str) -> Axes:
    """Draw the residuals of one level as `plot.residuals` does; the section labels the axes."""
    plot.residuals(frame[["fitted", "residual"]].assign(level=level), ax=axes)
    axes.set(xlabel="", ylabel="")
    return axes
