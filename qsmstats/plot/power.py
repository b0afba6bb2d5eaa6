"""Power curves: power against the size of a trial, one curve per effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.ticker import FixedLocator, NullFormatter, PercentFormatter
from scipy import stats

from qsmstats.plot.answers import table_of, with_columns
from qsmstats.plot.look import FAINT, Palette, axes_or_current, colours, grid_behind, is_narrow

__all__ = ["power"]

MARKERS = ("o", "s", "D", "^", "v", "P")
NO_EFFECT = "no effect (type I error)"
COLUMNS = (
    *("patients", "effect", "power", "conf_low", "conf_high", "power_expected"),
    *("type_i_error", "type_i_low", "type_i_high"),
)
# Power this close to 0 or 1 is drawn as that.
EDGE = 1e-9


def power(
    answer: Any,
    *,
    target: float | None = None,
    sizes: pd.DataFrame | None = None,
    order: Sequence[float] | None = None,
    labels: Sequence[str] = (),
    palette: Palette = "Purples",
    level_tested: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    """Draw simulated power with its Monte-Carlo interval, and the expected power as a line.

    Parameters
    ----------
    answer
        What `trial_power` returns for one design (its ``table`` is drawn), or such a table, one row
        per size and effect: patients, effect, power, conf_low, conf_high, power_expected,
        type_i_error, type_i_low, type_i_high.
    target
        The power asked for: a dashed line; None for none.
    sizes
        effect and patients: where the curves reach it, as `required_patients` returns them.
    order
        Effects to draw; by default all, in increasing order of their size.
    labels
        Name of each effect, in that order; by default the number.
    palette
        Colours of the effects, as seaborn takes them.
    level_tested
        Significance level of the test.
    ax
        Axes to draw on; by default pyplot's current ones.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidDataError
        If the table lacks a column.
    """
    axes = axes_or_current(ax)
    frame, asked = with_columns(table_of(answer, "table"), *COLUMNS), target
    if sizes is not None:
        with_columns(sizes, "effect", "patients", name="sizes")
    effects = sorted(frame["effect"].unique(), key=abs) if order is None else list(order)
    names = list(labels) or [f"{effect:.3g}" for effect in effects]
    # The lighter half of a sequential palette would not be seen on paper.
    shades = (
        sns.color_palette(palette, 2 * len(effects) + 1)[len(effects) + 1 :]
        if isinstance(palette, str)
        else list(colours([str(effect) for effect in effects], palette).values())
    )
    shown: dict[str, Any] = {}
    for effect, name, hue, mark in zip(
        effects, names, shades, MARKERS * len(effects), strict=False
    ):
        rows = frame[frame["effect"] == effect].sort_values("patients")
        shown[name] = _curve(rows, axes, hue, mark)
        if sizes is not None and asked is not None:
            _crossing(sizes.loc[sizes["effect"] == effect, "patients"], axes, asked, hue)
    shown = dict(reversed(shown.items()))
    none = _type_i(frame, axes, level_tested)
    if none is not None:
        shown[NO_EFFECT] = none
    if asked is not None:
        axes.axhline(asked, color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    # The curves are named above the axes, the steepest first.
    axes.legend(
        list(shown.values()),
        list(shown),
        loc="lower left",
        bbox_to_anchor=(0, 1.01),
        ncols=1 if is_narrow(axes) else 2,
        frameon=False,
        title="Treatment changes the slope by",
        alignment="left",
    )
    _label_axes(axes, sorted(frame["patients"].unique()))
    return axes


def _label_axes(axes: Axes, trials: list[float]) -> None:
    """Let the sizes stand on a logarithmic axis, each with its number, and power in percent."""
    axes.set_xscale("log")
    axes.set_xlim(trials[0] / 1.12, trials[-1] * 1.12)
    axes.xaxis.set_major_locator(FixedLocator([float(size) for size in trials]))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.tick_params(axis="x", which="minor", length=0)
    axes.set_ylim(0, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol="\u00a0%"))
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    grid_behind(axes, "y")
    axes.set_xlabel("patients in the control arm")
    axes.set_ylabel("power")


def _curve(rows: pd.DataFrame, axes: Axes, hue: object, mark: str) -> Any:
    """Draw one curve; return what stands for it in the legend."""
    # Expected powers are joined in probits over the root of the size, where they are near a line.
    roots = np.sqrt(rows["patients"].to_numpy(float))
    probits = stats.norm.ppf(rows["power_expected"].clip(EDGE, 1 - EDGE).to_numpy(float))
    fine = np.linspace(roots[0], roots[-1], 200)
    expected = stats.norm.cdf(np.interp(fine, roots, probits))
    (line,) = axes.plot(fine**2, expected, color=hue, linewidth=1.4, zorder=2)
    simulated = rows.dropna(subset=["power"])
    if simulated.empty:
        return line
    below = simulated["power"] - simulated["conf_low"]
    above = simulated["conf_high"] - simulated["power"]
    points = axes.errorbar(
        simulated["patients"],
        simulated["power"],
        yerr=[below, above],
        fmt=mark,
        markersize=4.5,
        color=hue,
        markeredgecolor="white",
        markeredgewidth=0.5,
        elinewidth=1.1,
        zorder=3,
    )
    return (line, points)


def _crossing(found: pd.Series, axes: Axes, asked: float, hue: object) -> None:
    """Drop a line from where a curve reaches the power asked for, with the size beside it."""
    for size in found.dropna().astype(float):
        axes.plot(
            [size, size], [0, asked], color=hue, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1
        )
        axes.annotate(
            f"{size:.0f}",
            (size, asked),
            xytext=(3, -4),
            textcoords="offset points",
            ha="left",
            va="top",
            color=hue,
            fontweight="bold",
        )


def _type_i(frame: pd.DataFrame, axes: Axes, level_tested: float) -> ErrorbarContainer | None:
    """Draw the type I error of each size in grey, beside the level it should have."""
    axes.axhline(level_tested, color=FAINT, linewidth=0.7, zorder=0)
    rows = frame.drop_duplicates("patients").dropna(subset=["type_i_error"])
    if rows.empty:
        return None
    below = rows["type_i_error"] - rows["type_i_low"]
    above = rows["type_i_high"] - rows["type_i_error"]
    return axes.errorbar(
        rows["patients"],
        rows["type_i_error"],
        yerr=[below, above],
        fmt="_",
        markersize=6,
        color=FAINT,
        elinewidth=0.9,
        zorder=2,
    )
