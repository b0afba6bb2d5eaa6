"""Alluvial diagrams: how many go from each state at one visit to each state at the next.

Each state is a block on either side, as high as its number, and each flow a band between two
blocks. Bands of states that stay are faint, those of states that change are drawn over them. Names
and numbers stand beside the blocks, so that colour is never the only sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.plot.answers import table_of, with_columns
from qsmstats.plot.look import axes_or_current, colour, is_narrow
from qsmstats.wording.names import figure_name, lesion_types, present_levels, short_title
from qsmstats.wording.numbers import count

__all__ = ["ABSENT", "alluvial", "alluvial_height"]

# Shares of the height between two blocks, so that their names do not meet; width of a block.
GAP, WIDTH = 0.09, 0.04
FAINT, STRONG = 0.25, 0.85
# What is no lesion type; below the types.
ABSENT = ("untyped", "new", "vanished")
# Height in shares of all below which a band could not be seen.
LEAST = 0.004
CURVE = (Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4)
BACK = (Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4)


def alluvial_height(states: int) -> tuple[float, float]:
    """Return the height in inches of a figure with so many states on a side: wide, and narrow."""
    return 1.8 + 0.3 * states, 2.0 + 0.4 * states


def alluvial(
    answer: Any,
    *,
    order: Sequence[str] = (),
    titles: tuple[str, str] = ("at a visit", "at the next visit"),
    ax: Axes | None = None,
) -> Axes:
    """Draw the lesions of each type at a visit, and what they are at the next.

    Parameters
    ----------
    answer
        What `type_transitions` returns, or its table ``flows``: columns from_type, to_type and
        n_intervals, one row per pair.
    order
        All states in their order, the first on top; by default the lesion types, then lesions
        without a type, new and vanished ones.
    titles
        What stands above either side.
    ax
        Axes to draw on; by default pyplot's current ones.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidDataError
        If a column is missing, or `order` lacks a state that occurs.
    """
    axes = axes_or_current(ax)
    flows = with_columns(table_of(answer, "flows"), "from_type", "to_type", "n_intervals")
    flows = flows[flows["n_intervals"] > 0]
    found = [*flows["from_type"], *flows["to_type"]]
    states = order or present_levels(found, (*lesion_types(), *ABSENT))
    if strange := [name for name in dict.fromkeys(found) if name not in states]:
        problem = f"holds {', '.join(map(str, strange))}; add it to order: {', '.join(states)}"
        raise InvalidDataError(
            [Problem(table="the table to draw", column="from_type, to_type", problem=problem)]
        )
    total = float(flows["n_intervals"].sum())
    place = {name: number for number, name in enumerate(states)}
    left, right = (
        _tops(flows.groupby(side)["n_intervals"].sum() / total, place)
        for side in ("from_type", "to_type")
    )
    for x, tops in ((0.0, left), (1.0, right)):
        _blocks(axes, x, tops, total)
    ordered = flows.sort_values(["from_type", "to_type"], key=lambda names: names.map(place))
    used = {("from_type", name): top for name, (top, _) in left.items()}
    used |= {("to_type", name): top for name, (top, _) in right.items()}
    for start, end, number in ordered[["from_type", "to_type", "n_intervals"]].itertuples(
        index=False, name=None
    ):
        share = number / total
        upper = used["from_type", start], used["to_type", end]
        used["from_type", start] -= share
        used["to_type", end] -= share
        band = PathPatch(_band(*upper, max(share, LEAST)))
        # What is new has the colour of what it becomes.
        hue = colour(end if start == "new" else start)
        stays = start == end
        band.set(facecolor=hue, edgecolor="none", alpha=FAINT if stays else STRONG)
        band.set_zorder(2 if stays else 3)
        axes.add_patch(band)
    lowest = min(top - share for tops in (left, right) for top, share in tops.values())
    axes.set(xlim=(-WIDTH, 1 + WIDTH), ylim=(lowest - 0.02, 1.02))
    axes.xaxis.tick_top()
    axes.set_xticks([0, 1], titles)
    axes.tick_params(length=0)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return axes


def _blocks(axes: Axes, x: float, tops: dict[str, tuple[float, float]], total: float) -> None:
    """Draw the blocks of one side, with their names and numbers outside."""
    narrow, left = is_narrow(axes), x == 0.0
    for name, (top, share) in tops.items():
        box = Rectangle((x - WIDTH / 2, top - share), WIDTH, share)
        box.set(facecolor=colour(name), edgecolor="none", zorder=4)
        axes.add_patch(box)
        said = figure_name(short_title(name), 13 if narrow else 24)
        text = f"{said}\n{count(round(share * total))}"
        at = (x + (-1 if left else 1) * (WIDTH / 2 + 0.02), top - share / 2)
        text = text if narrow else text.replace("\n", " ")
        axes.text(*at, text, ha="right" if left else "left", va="center")


def _tops(shares: pd.Series, place: dict[str, int]) -> dict[str, tuple[float, float]]:
    """Return the upper edge of each block, from 1 downwards, and its height."""
    tops, edge = {}, 1.0
    for name in sorted(map(str, shares.index), key=lambda name: place[name]):
        tops[name] = (edge, float(shares[name]))
        edge -= float(shares[name]) + GAP
    return tops


def _band(start: float, end: float, share: float) -> Path:
    """Return a band from the upper edge `start` at the left to `end` at the right."""
    x0, x1 = WIDTH / 2, 1 - WIDTH / 2
    upper = [(x0, start), (0.5, start), (0.5, end), (x1, end)]
    low, lower = start - share, end - share
    back = [(x1, lower), (0.5, lower), (0.5, low), (x0, low)]
    return Path([*upper, *back], [*CURVE, *BACK])
