"""Clinical variables of patients with no, few and many lesions of one type."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from qsmstats.plot.look import sampled

__all__ = ["MOST_SWARM", "by_group"]

# Points of one group; of more, a sample of so many.
MOST_SWARM = 200


def by_group(
    frame: pd.DataFrame,
    axes: Axes,
    *,
    variable: str,
    groups: Sequence[str],
    hue: str,
    logarithmic: bool = False,
) -> Axes:
    """Draw a box per group of patients (quartiles) and a point per patient, of many a sample.

    Parameters
    ----------
    frame
        One row per patient: `group`, and `variable`, a number.
    axes
        Axes to draw on.
    variable
        Column.
    groups
        The groups in order; those without patients keep their place.
    hue
        Colour of the points.
    logarithmic
        Whether the vertical axis is logarithmic; values of zero and below are then left out.

    Returns
    -------
    Axes
    """
    rows = frame.dropna(subset=[variable]).astype({variable: float})
    if logarithmic:
        rows = rows[rows[variable] > 0]
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    samples = [rows.loc[rows["group"] == name, variable] for name in groups]
    boxes = axes.boxplot(samples, positions=range(len(groups)), widths=0.7, showfliers=False)
    for line in (line for lines in boxes.values() for line in lines):
        line.set(color="#777777", linewidth=0.9)
    # A swarm of many takes long to find its places, and has no room.
    places = [np.flatnonzero(rows["group"] == name) for name in groups]
    dots = rows.iloc[np.concatenate([at[sampled(len(at), MOST_SWARM)] for at in places])]
    # Where many have one value, their points may overlap at the edge of the group.
    points = {"order": list(groups), "size": 3.2, "warn_thresh": 1.0, "ax": axes}
    sns.swarmplot(dots, x="group", y=variable, color=hue, **points)
    names = [f"{name}\nn = {len(values)}" for name, values in zip(groups, samples, strict=True)]
    axes.set_xticks(range(len(groups)), names)
    axes.set(xlabel="", ylabel="")
    axes.grid(axis="y", color="#EAEAEA", linewidth=0.6)
    axes.set_axisbelow(True)
    return axes
