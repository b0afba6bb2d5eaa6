"""Flow diagrams: how many were there at each step, from top to bottom, and who left at the side."""

from __future__ import annotations

import textwrap
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from qsmstats.plot.answers import one_outcome, table_of
from qsmstats.plot.look import INK, axes_or_current, is_narrow
from qsmstats.wording.numbers import counted

__all__ = ["CHAIN", "SIDE", "box", "flow", "flow_height"]

# Inches from one step to the next; narrow figures break the lines of the boxes.
STEP_INCHES, NARROW_STEP_INCHES = 0.85, 1.25
LONGEST_LINE, NARROW_LINE = 26, 18
# Where the chain of boxes and those beside it stand, in shares of the width.
CHAIN, BESIDE = 0.3, 0.62

BOX = {"boxstyle": "square,pad=0.55", "facecolor": "white", "edgecolor": INK, "linewidth": 0.9}
SIDE = {**BOX, "edgecolor": "#8C8C8C"}
# From the box to what is above it, with the head at the box.
ARROW = {"arrowstyle": "<|-", "color": INK, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}


def flow_height(steps: float) -> tuple[float, float]:
    """Return the height in inches of a figure of so many steps: wide, and narrow."""
    return STEP_INCHES * steps, NARROW_STEP_INCHES * steps


def flow(answer: Any, *, ax: Axes | None = None) -> Axes:
    r"""Draw a box per step with an arrow to the next, and boxes at the side.

    Parameters
    ----------
    answer
        What a study returns (its ``flow`` is drawn), such a table (stage, and counts in columns
        n_participants, n_observations, ...), or texts: columns text (of the box) and aside (of the
        box between this step and the next; empty for none), in the order of the steps.
    ax
        Axes to draw on; by default pyplot's current ones.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import pandas as pd
    >>> stages = {"stage": ["enrolled", "followed"], "n_participants": [12, 5]}
    >>> axes = flow(pd.DataFrame(stages))
    >>> [text.get_text() for text in axes.texts if text.get_text()]
    ['enrolled\n12 participants', '7 participants less', 'followed\n5 participants']
    """
    axes = axes_or_current(ax)
    frame = table_of(answer, "flow")
    if "text" not in frame:
        frame = _steps(one_outcome(frame, "stage"))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(-len(frame) + 0.5, 0.5)
    narrow = is_narrow(axes)
    for step, (_, row) in enumerate(frame.iterrows()):
        text, aside = row["text"], row.get("aside", "")
        if narrow:
            text, aside = _broken(text), _broken(aside, NARROW_LINE)
        # An arrow begins behind the box above.
        box(text, axes, (CHAIN, -step), above=(CHAIN, 1 - step) if step else None, depth=step)
        if aside:
            start, end = (CHAIN, -step - 0.5), (BESIDE, -step - 0.5)
            box(aside, axes, end, above=start, look=SIDE, ha="left", relpos=(0, 0.5))
    return axes


def box(
    text: str,
    axes: Axes,
    place: tuple[float, float],
    *,
    above: tuple[float, float] | None = None,
    look: Any = None,
    depth: int = 0,
    relpos: tuple[float, float] = (0.5, 0.5),
    **letters: Any,
) -> None:
    """Write a box, and let an arrow from `above` end at its edge.

    Parameters
    ----------
    text
        What stands in the box.
    axes
        Axes to draw on.
    place
        Where its text stands.
    above
        Where the arrow begins; None for no arrow.
    look
        The box as matplotlib takes it; by default that of a step.
    depth
        Boxes of less depth cover the arrows of those of more.
    relpos
        Where in the box the arrow aims, in shares of its width and height.
    **letters
        As `Axes.annotate` takes them.
    """
    axes.annotate(
        text,
        xy=place if above is None else above,
        xytext=place,
        arrowprops=None if above is None else {**ARROW, "relpos": relpos},
        bbox=BOX if look is None else look,
        zorder=5 - depth / 100,
        **{"ha": "center", "va": "center", **letters},
    )


def _steps(stages: pd.DataFrame) -> pd.DataFrame:
    """Return the texts of a table of counts: what there was at each stage, and how many left."""
    kinds = {
        name: str(name).removeprefix("n_").removesuffix("s").replace("_", " ")
        for name in stages.columns
        if str(name).startswith("n_")
    }
    after = stages[list(kinds)].shift(-1)
    rows = []
    for (_, row), (_, later) in zip(stages.iterrows(), after.iterrows(), strict=True):
        counts = [counted(row[name], kind) for name, kind in kinds.items() if row[name] > 0]
        lost = [
            f"{counted(row[name] - later[name], kind)} less"
            for name, kind in kinds.items()
            if row[name] > later[name]
        ]
        text = f"{row['stage']}\n{', '.join(counts) or 'none'}"
        rows.append({"text": text, "aside": "\n".join(lost)})
    return pd.DataFrame(rows)


def _broken(text: str, longest: int = LONGEST_LINE) -> str:
    """Break a box's text at its commas, and lines that are still long between words."""
    lines = [line for part in text.split("\n") for line in part.split(", ")]
    return "\n".join(textwrap.fill(line, longest) for line in lines)
