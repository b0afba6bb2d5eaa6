"""Agreement with histology, as the page's sections draw it."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from qsmstats import plot
from qsmstats.plot.agreement import cluster_shares

__all__ = ["cluster_shares", "confusion_matrix", "roc_curves"]


def confusion_matrix(table: pd.DataFrame, axes: Axes) -> Axes:
    """Draw counts and row percent, as `plot.confusion` does."""
    return plot.confusion(table, ax=axes)


def roc_curves(frame: pd.DataFrame, axes: Axes) -> Axes:
    """Draw one curve per class, as `plot.roc` does."""
    return plot.roc(frame, ax=axes)
