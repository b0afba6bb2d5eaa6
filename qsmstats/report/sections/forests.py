"""The forest of the estimates of one outcome, as several sections show it."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from qsmstats.report.blocks import FigureBlock
from qsmstats.report.figures.forests import forest, forest_height
from qsmstats.report.sections.context import Context
from qsmstats.report.wording.estimates import ci_name, no_effect, quantity_of, with_scale
from qsmstats.report.wording.names import outcome_short

__all__ = ["estimates_forest"]


def estimates_forest(
    context: Context,
    name: str,
    estimates: pd.DataFrame,
    rows: pd.DataFrame,
    *,
    outcome: str,
    per: str = "",
    caption: str,
    reading: str,
    alt: str,
) -> FigureBlock:
    """Draw the estimates of one outcome as a forest.

    Parameters
    ----------
    context
        What the section is drawn from.
    name
        Of the figure's file, as `Plates.draw` takes it.
    estimates
        quantity, unit, null, and limits and p as `wording.estimates.shown` takes them.
    rows
        The same, as `frames.estimates.forest_rows` returns them.
    outcome
        The map.
    per
        Added to the quantity over the numbers, as " per year".
    caption, reading, alt
        As `Plates.draw` takes them; what the lines and markers mean, and the numbers, are added.
    """
    ci = ci_name(estimates, context.ci)
    wide, narrow = forest_height(len(rows))

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        title = f"{quantity_of(estimates)}{per} ({ci}), adjusted p"
        forest(rows, axes, reference=no_effect(estimates), column_title=title)
        axes.set_xlabel(with_scale(estimates, outcome_short(outcome)))

    space, alpha = "\N{NO-BREAK SPACE}", f"{1 - context.level:.2g}"
    below, above = (f"adjusted p{space}{sign}{space}{alpha}" for sign in "<≥")
    spoken = "; ".join(f"{row['label']} {row['text']}" for _, row in rows.iterrows())
    return context.plates.draw(
        name,
        paint,
        height=wide,
        narrow_height=narrow,
        caption=caption,
        reading=f"{reading} Lines: {ci}. Filled: {below}; hollow: {above}.",
        alt=f"{alt}: {spoken}.",
    )
