"""Panels of the page: the lesions of one type over time, the means of all types, and profiles."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from qsmstats import plot
from qsmstats.plot import over_time
from qsmstats.plot.over_time import BAND, EXAMPLES, MOST_LINES
from qsmstats.report.figures.style import is_narrow
from qsmstats.wording.names import figure_name, short_title, title
from qsmstats.wording.numbers import counted

__all__ = ["BAND", "EXAMPLES", "MOST_LINES", "layer_profile", "mean_lines", "trajectory"]


def trajectory(
    lesions: pd.DataFrame, means: pd.DataFrame, axes: Axes, *, value: str, level: str
) -> Axes:
    """Draw the lesions of one type as `plot.trajectories` does, and title the panel."""
    named = {"lesion_type": level}
    plot.trajectories(
        lesions.assign(**named), value, order=[level], means=means.assign(**named), ax=axes
    )
    seen = lesions.dropna(subset=[value, "years"]).groupby(over_time.LESION, observed=True).size()
    name = short_title if is_narrow(axes) else title
    followed = counted(int((seen > 1).sum()), "lesion")
    axes.set_title(f"{figure_name(name(level), 22)}\n{followed}", loc="left")
    axes.set(xlabel="", ylabel="")
    return axes


def mean_lines(means: pd.DataFrame, axes: Axes, *, by: str) -> Axes:
    """Draw the means of all types, and title the panel."""
    over_time.mean_lines(means, axes, by=by)
    axes.set_title("all types\nmeans of the model", loc="left")
    return axes


def layer_profile(frame: pd.DataFrame, axes: Axes) -> Axes:
    """Draw one line per type as `plot.profiles` does; the section labels the axis."""
    plot.profiles(frame, ax=axes)
    axes.set_xlabel("")
    return axes
