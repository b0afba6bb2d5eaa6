"""Rainclouds: every value, its density, its quartiles and the model's mean, per level.

The density is seaborn's `violinplot`: a Gaussian kernel estimate with Scott's bandwidth (Scott
1992, Multivariate Density Estimation), scaled so that the highest point of each cloud has the same
height: it shows shape, and the counts beside the labels show size. Allen et al. 2019, Wellcome Open
Res 4:63.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from qsmstats.arrays import Floats
from qsmstats.plot.answers import means_of_levels, with_columns
from qsmstats.plot.look import (
    INK,
    Palette,
    axes_or_current,
    colours,
    grid_behind,
    is_narrow,
    letters,
    sampled,
)
from qsmstats.wording.names import figure_name, present_levels, short_title, title
from qsmstats.wording.numbers import counted

__all__ = ["FEWEST", "rainclouds"]

# Clouds stand on this height above the middle of their level, the rain falls below it.
FOOT = 0.08
CLOUD_HEIGHT = 0.42
RAIN_DEPTH = 0.24
# A density of fewer values would show the kernel, not the data.
FEWEST = 10
GOLDEN = 0.6180339887498949
# Share of values at each end that the axis may leave out, so that one wild voxel does not
# flatten every cloud; what lies outside is counted on the figure.
TAIL = 0.001
# A cloud ends where its density falls below this share of its highest point.
THIN = 0.005


def rainclouds(
    data: pd.DataFrame,
    value: str,
    *,
    hue: str = "lesion_type",
    order: Sequence[str] | None = None,
    palette: Palette | None = None,
    means: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw one raincloud per level, the first level on top.

    Of a level with more than 2,000 values a random sample of 2,000 is drawn as dots, the same each
    time; density and quartiles are those of all.

    Parameters
    ----------
    data
        Columns `value` (number) and `hue` (level), as `tidy_lesions` returns them; rows without
        either are left out.
    value
        Column to draw.
    hue
        Column of the levels; they give rows and colours.
    order
        Levels to draw, from the top; by default those that occur, lesion types in their order.
    palette
        Colours, as seaborn takes them; by default those of the lesion types.
    means
        Marginal means, as ``answer.means``: columns level, estimate, conf_low, conf_high; drawn as
        diamonds with their intervals.
    ax
        Axes to draw on; by default pyplot's current ones.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidDataError
        If a table lacks a column, or the means are of other levels.

    Examples
    --------
    >>> import pandas as pd
    >>> lesions = pd.DataFrame({"lesion_type": ["isointense"] * 3, "ndi": [0.4, 0.5, 0.7]})
    >>> axes = rainclouds(lesions, "ndi")
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['isointense\nn = 3']
    """
    axes = axes_or_current(ax)
    rows = (
        with_columns(data, hue, value)[[hue, value]].dropna().astype({hue: "str", value: "float64"})
    )
    levels = list(order) if order is not None else present_levels(rows[hue])
    rows = rows[rows[hue].isin(levels)]
    hues = colours(levels, palette)
    name = short_title if is_narrow(axes) else title
    upwards = levels[::-1]
    shown = _clouds(rows, axes, value=value, level=hue, upwards=upwards, hues=hues)
    if means is not None:
        means = means_of_levels(means, "level", levels)
    for position, level in enumerate(upwards):
        _rain(rows.loc[rows[hue] == level, value].to_numpy(), axes, position, hues[level])
        if means is not None:
            shown += _mean(means[means["level"] == level], axes, position + FOOT)
    sizes = rows[hue].value_counts()
    labels = [f"{figure_name(name(level))}\nn = {sizes.get(level, 0):,}" for level in upwards]
    axes.set_yticks(range(len(levels)), labels)
    axes.set_ylim(-0.5, len(levels) - 0.3)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set(xlabel=value, ylabel="")
    grid_behind(axes, "x")
    if len(rows) > 1:
        _limit(rows[value], shown, axes)
    return axes


def _clouds(
    rows: pd.DataFrame,
    axes: Axes,
    *,
    value: str,
    level: str,
    upwards: list[str],
    hues: dict[str, Any],
) -> list[float]:
    """Draw the densities; return where they begin and end."""
    kinds = rows.groupby(level, sort=False)[value].agg(["size", "nunique"])
    kinds = kinds[(kinds["size"] >= FEWEST) & (kinds["nunique"] > 1)]
    clear = [one for one in upwards if one in kinds.index]
    if not clear:
        return []
    before = len(axes.collections)
    sns.violinplot(
        rows[rows[level].isin(clear)].assign(half="upper"),
        x=value,
        y=level,
        order=upwards,
        # Of two halves the second, with its back below, has the values.
        hue="half",
        hue_order=["lower", "upper"],
        split=True,
        inner=None,
        cut=3,
        gridsize=200,
        density_norm="width",
        width=CLOUD_HEIGHT,
        linewidth=0,
        legend=False,
        ax=axes,
    )
    ends = []
    for one, cloud in zip(clear, axes.collections[before:], strict=True):
        corners: Any = cloud.get_paths()[0].vertices
        height = corners[:, 1] - corners[:, 1].min()
        corners[:, 1] += FOOT + CLOUD_HEIGHT / 2  # seaborn has it around the level's middle
        thick = corners[height >= THIN * height.max(), 0]
        ends += [float(thick.min()), float(thick.max())]
        cloud.set(facecolor=hues[one], alpha=0.75)
    return ends


def _rain(values: Floats, axes: Axes, position: int, hue: str) -> None:
    """Draw the values of one level below its cloud, of many a sample, and their quartiles."""
    if not len(values):
        return
    rain = values[sampled(len(values))]
    # Multiples of the golden ratio spread evenly at every count, without a random number.
    jitter = (np.arange(len(rain)) * GOLDEN) % 1.0
    axes.scatter(
        rain,
        position - 0.12 - RAIN_DEPTH * jitter,
        s=float(np.clip(1500 / len(rain), 1.2, 9.0)),
        color=hue,
        alpha=float(np.clip(150 / len(rain), 0.25, 0.8)),
        linewidth=0,
        rasterized=True,
    )
    low, middle, high = np.percentile(values, [25, 50, 75])
    axes.plot([low, high], [position, position], color=hue, linewidth=5, solid_capstyle="butt")
    axes.plot([middle], [position], marker="|", color="white", markersize=6, markeredgewidth=1.6)


def _mean(means: pd.DataFrame, axes: Axes, height: float) -> list[float]:
    """Draw the model's mean of one level; return the ends of its interval."""
    for _, row in means.iterrows():
        axes.plot([row["conf_low"], row["conf_high"]], [height] * 2, color=INK, linewidth=1.2)
        axes.plot(
            [row["estimate"]],
            [height],
            marker="D",
            markersize=4.5,
            color=INK,
            markeredgecolor="white",
            markeredgewidth=0.8,
        )
    return [*means["conf_low"].dropna(), *means["conf_high"].dropna()]


def _limit(values: pd.Series, shown: list[float], axes: Axes) -> None:
    """Let the axis end where clouds, means and all but wild values do; count those beyond."""
    ends = [*values.quantile([TAIL, 1 - TAIL]), *shown]
    low, high = min(ends), max(ends)
    margin = 0.03 * (high - low) or 1.0
    axes.set_xlim(low - margin, high + margin)
    outside = int((~values.between(low - margin, high + margin)).sum())
    if outside:
        note = f"{counted(outside, 'value')} beyond the axis"
        where: dict[str, Any] = {"transform": axes.transAxes, "ha": "right", "va": "bottom"}
        axes.text(1.0, 1.0, note, size=letters(), **where)
