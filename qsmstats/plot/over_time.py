"""Values of lesions along an axis, by type: over time, and by depth.

Over time the middle 80 % of the followed lesions stand as a band, with a few lesions as examples
and the model's mean with its interval; by depth the mean of a map inside the lesion's edge, and at
the ring around it. The band is that of the lesions' own lines: each lesion is interpolated
linearly between its sessions, and at each time those that were followed past it give the quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from qsmstats.plot.answers import means_of_levels, with_columns
from qsmstats.plot.look import (
    FAINT,
    INK,
    Palette,
    axes_or_current,
    colours,
    grid_behind,
    marker,
)
from qsmstats.wording.names import figure_name, present_levels, short_title, title

__all__ = ["mean_lines", "profiles", "trajectories"]

LESION = ["participant_id", "lesion_id"]
# So many lesions are drawn one by one; of more, the band and these examples.
MOST_LINES, EXAMPLES = 24, 8
# Share of the lesions within the band, in percent, and at how many times it is computed.
BAND, TIMES = 80, 9
# A quantile of fewer lesions is left out.
FEWEST = 10


def trajectories(
    data: pd.DataFrame,
    value: str,
    *,
    hue: str = "lesion_type",
    order: Sequence[str] | None = None,
    palette: Palette | None = None,
    means: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw lesions over time, by type, and what the model says of their mean.

    Parameters
    ----------
    data
        participant_id, lesion_id, years, `hue` and `value`, as `tidy_lesions` returns them; lesions
        with one value are left out.
    value
        Column to draw.
    hue
        Column of the types; they give the colours.
    order
        Types to draw; by default those that occur, in their order.
    palette
        Colours, as seaborn takes them; by default those of the lesion types.
    means
        Marginal means, as ``answer.means``: `hue` (or lesion_type), years, estimate, conf_low,
        conf_high.
    ax
        Axes to draw on; by default pyplot's current ones.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidDataError
        If a table lacks a column, or the means are of other types.

    Examples
    --------
    >>> import pandas as pd
    >>> seen = {"participant_id": "sub-1", "lesion_id": "a", "lesion_type": "isointense"}
    >>> axes = trajectories(pd.DataFrame({**seen, "years": [0.0, 2.0], "ndi": [0.5, 0.4]}), "ndi")
    >>> axes.lines[0].get_xydata().tolist()
    [[0.0, 0.5], [2.0, 0.4]]
    """
    axes = axes_or_current(ax)
    rows = with_columns(data, *LESION, "years", hue, value)
    rows = rows.dropna(subset=[hue, value, "years"]).sort_values("years", kind="stable")
    rows = rows[rows.groupby(LESION, observed=True)[value].transform("size") > 1]
    rows = rows.astype({hue: "str"})
    found, kind, told = [*rows[hue].unique()], hue, rows.iloc[:0]
    if means is not None:
        kind = hue if hue in means else "lesion_type"
        told = means_of_levels(means, kind, [*data[hue].dropna().astype("str").unique()], "years")
        # Of a type that nobody followed there may be a mean.
        found += [*told[kind]]
    levels = list(order) if order is not None else present_levels(found)
    hues = colours(levels, palette)
    for level in levels:
        _lesions(rows[rows[hue] == level], axes, value=value, hue=hues[level])
    for level in levels:
        # Over the band of its own colour one mean stands out in black.
        line = INK if len(levels) == 1 else hues[level]
        _mean(told[told[kind] == level], axes, level, line=line, hue=hues[level])
    axes.set(xlabel="years", ylabel=value)
    grid_behind(axes, "y")
    return axes


def _lesions(rows: pd.DataFrame, axes: Axes, *, value: str, hue: str) -> None:
    """Draw the lesions of one type: each, or the band of the middle ones and a few examples."""
    # Rows of one lesion in turn; a frame for each of many lesions would take a minute.
    lesion = rows.groupby(LESION, observed=True, sort=True).ngroup().to_numpy()
    turn = np.argsort(lesion, kind="stable")
    points = rows[["years", value]].to_numpy(dtype=np.float64)[turn]
    lines = np.split(points, np.flatnonzero(np.diff(lesion[turn])) + 1) if len(rows) else []
    if len(lines) > MOST_LINES:
        times = np.linspace(rows["years"].min(), rows["years"].max(), TIMES)
        at = np.array(
            [np.interp(times, line[:, 0], line[:, 1], left=np.nan, right=np.nan) for line in lines]
        )
        dense = np.isfinite(at).sum(axis=0) >= FEWEST
        long = pd.DataFrame(at[:, dense], columns=times[dense]).melt(
            var_name="years", value_name=value
        )
        sns.lineplot(
            long.astype("float64").dropna(),
            x="years",
            y=value,
            estimator="median",
            errorbar=("pi", BAND),
            color=hue,
            linewidth=1.0,
            linestyle="--",
            err_kws={"alpha": 0.22, "linewidth": 0},
            ax=axes,
        )
        # Evenly through the ranks of their first values.
        ranked = sorted(range(len(lines)), key=lambda number: lines[number][0, 1])
        places = np.linspace(0, len(lines) - 1, EXAMPLES + 2)[1:-1].round().astype(int)
        lines = [lines[ranked[place]] for place in places]
    for line in lines:
        axes.plot(*line.T, color=hue, linewidth=0.6, alpha=0.55)


def mean_lines(means: pd.DataFrame, axes: Axes, *, by: str) -> Axes:
    """Draw the model's means of all types over time, with their intervals, and name the lines.

    Parameters
    ----------
    means
        Marginal means: `by`, years, estimate, conf_low, conf_high.
    axes
        Axes to draw on.
    by
        Column that holds the type.

    Returns
    -------
    Axes
    """
    levels = present_levels(means[by])
    for level, hue in colours(levels).items():
        _mean(means[means[by] == level], axes, level, line=hue, hue=hue)
    grid_behind(axes, "y")
    return axes


def _mean(means: pd.DataFrame, axes: Axes, level: str, *, line: str, hue: str) -> None:
    """Draw a mean over time with its interval, and the marker of its type at its ends."""
    rows = means.sort_values("years")
    if rows.empty:
        return
    axes.fill_between(
        rows["years"], rows["conf_low"], rows["conf_high"], color=line, alpha=0.2, linewidth=0
    )
    axes.plot(rows["years"], rows["estimate"], color="white", linewidth=3.2)
    axes.plot(rows["years"], rows["estimate"], color=line, linewidth=1.8)
    ends = rows.iloc[[0, -1]]
    axes.plot(
        ends["years"],
        ends["estimate"],
        marker=marker(level),
        markersize=6,
        color=hue,
        markeredgecolor="white",
        markeredgewidth=0.8,
        linestyle="none",
        label=short_title(level),
        clip_on=False,
        zorder=3,
    )


def profiles(
    data: pd.DataFrame,
    *,
    hue: str = "lesion_type",
    order: Sequence[str] | None = None,
    palette: Palette | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one line per lesion type: mean and interval of each layer.

    Parameters
    ----------
    data
        Columns `hue`, depth_mm (positive inside the lesion), mean, conf_low, conf_high, as
        `layer_profiles` returns them.
    hue
        Column of the types.
    order
        Types to draw; by default those that occur, in their order.
    palette
        Colours, as seaborn takes them; by default those of the lesion types.
    ax
        Axes to draw on; by default pyplot's current ones.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidDataError
        If the table lacks a column.

    Examples
    --------
    >>> import pandas as pd
    >>> layers = pd.DataFrame({"lesion_type": "isointense", "depth_mm": [0, 1], "mean": [2, 3]})
    >>> axes = profiles(layers.assign(conf_low=1, conf_high=4))
    >>> axes.lines[0].get_ydata().tolist()
    [2, 3]
    """
    axes = axes_or_current(ax)
    with_columns(data, hue, "depth_mm", "mean", "conf_low", "conf_high")
    levels = list(order) if order is not None else present_levels(data[hue].astype("str"))
    for level, shade in colours(levels, palette).items():
        rows = data[data[hue] == level].sort_values("depth_mm")
        axes.fill_between(
            rows["depth_mm"],
            rows["conf_low"],
            rows["conf_high"],
            color=shade,
            alpha=0.18,
            linewidth=0,
        )
        axes.plot(
            rows["depth_mm"],
            rows["mean"],
            color=shade,
            marker=marker(level),
            markersize=4.5,
            linewidth=1.6,
            label=figure_name(title(level)),
        )
    axes.axhline(0, color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    axes.set_xlabel("depth (mm)")
    grid_behind(axes, "y")
    return axes
