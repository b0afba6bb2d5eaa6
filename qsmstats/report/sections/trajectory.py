"""Trajectories: change per year, and over the years that the model was asked for, by type."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qsmstats import plot
from qsmstats.plot.look import is_narrow
from qsmstats.plot.over_time import BAND, EXAMPLES, LESION, MOST_LINES, mean_lines
from qsmstats.report.blocks import (
    Block,
    Details,
    FigureBlock,
    Heading,
    Notice,
    Paragraph,
    Section,
    TableBlock,
)
from qsmstats.report.figures.style import columns_without_hole, label_lowest
from qsmstats.report.sections.context import (
    Context,
    failed_checks,
    model_details,
    notes,
    refusals,
    remarks,
)
from qsmstats.report.sections.lost_lesions import lost_lesions
from qsmstats.report.sections.rater_uncertainty import imputed_types
from qsmstats.report.sections.scanners import harmonised
from qsmstats.wording.estimates import (
    ABOUT,
    on_own_scale,
    quantity_and_unit,
    quantity_of,
    unit_of,
    with_pairs_titled,
)
from qsmstats.wording.names import (
    figure_name,
    outcome_plain,
    outcome_short,
    outcome_title,
    outcome_words,
    present_levels,
    short_title,
    title,
    unit_text,
    with_unit,
)
from qsmstats.wording.numbers import counted
from qsmstats.wording.sentences import change_sentence

__all__ = ["section"]

COLUMNS, NARROW_COLUMNS = 3, 2


def section(context: Context) -> Section:
    """Return the section on change over time."""
    outcomes = context.outcomes("trajectory")
    blocks: list[Block] = []
    if not outcomes:
        blocks.append(
            Notice(
                text="Change over time was not analysed.",
                warning=False,
            )
        )
        blocks += notes(context, "trajectory")
    blocks += remarks(context, "trajectory")
    for outcome in outcomes:
        blocks += _outcome(context, outcome)
    blocks += refusals(context, "trajectory")
    return Section(anchor="trajectories", title="Change over time", blocks=tuple(blocks))


def _outcome(context: Context, outcome: str) -> list[Block]:
    slopes = context.results.rows("trajectory/slopes", outcome)
    sentence = change_sentence(slopes, outcome, 1 - context.level, context.ci)
    heading = f"{outcome_title(outcome)}: change over time"
    return [
        Heading(slug=f"trajectory-{outcome}", text=heading),
        *([Paragraph(text=sentence)] if sentence else []),
        *_panels(context, outcome),
        *failed_checks(context, "trajectory", outcome),
        *imputed_types(context, "trajectory", outcome),
        *harmonised(context, "trajectory", outcome),
        *lost_lesions(context, outcome),
        Details(
            summary=f"Change over time, {outcome_words(outcome)}: all numbers",
            blocks=tuple(_tables(context, outcome)),
        ),
        *model_details(context, "trajectory", outcome),
    ]


def _tables(context: Context, outcome: str) -> list[TableBlock]:
    """Return the changes per year, their differences, and the changes from first to last."""
    words = outcome_words(outcome)
    changes = context.results.rows("trajectory/changes", outcome)
    over = "".join(
        f" from {float(first):g} to {float(last):g} years"
        for first, last in changes[["second", "first"]].drop_duplicates().to_numpy()
    )
    captions = {
        "slopes": f"Change per year in {words}, by type",
        "slope_contrasts": f"Differences between types in the change per year in {words}",
        "changes": f"Change in {words}{over}, by type",
    }
    tables = []
    for name, caption in captions.items():
        rows = context.results.rows(f"trajectory/{name}", outcome)
        table = context.display(
            f"trajectory/{name}",
            caption,
            outcome=outcome,
            # The caption says which years are compared; the statistic is the ratio of two columns.
            without=("statistic", *ABOUT, *(["contrast"] if name == "changes" else [])),
            titles={"contrast": "pair", "estimate": quantity_and_unit(rows)},
            keep=with_pairs_titled if name == "slope_contrasts" else None,
        )
        tables += [table] if table else []
    return tables


def _panels(context: Context, outcome: str) -> list[FigureBlock]:
    lesions = context.results.rows("trajectory/residuals", outcome)  # the very rows of the model
    means = context.results.rows("trajectory/means", outcome)
    if lesions.empty or means.empty:
        return []
    levels = present_levels(means["lesion_type"])
    own = on_own_scale(means, unit_text(outcome))
    drawn = means if own else means.iloc[:0]
    wide, slim = (columns_without_hole(len(levels), most) for most in (COLUMNS, NARROW_COLUMNS))
    # One more panel for the means of all types, where it fills a hole and leaves none.
    together = own and len(levels) > 1 and (len(levels) + 1) % wide == 0
    together = together and bool(means["estimate"].notna().any())
    cells = len(levels) + together

    def paint(figure: Figure) -> None:
        columns = slim if is_narrow(figure) else wide
        shape = (-(-cells // columns), columns)
        panels = list(figure.subplots(*shape, sharex=True, sharey=True, squeeze=False).flat)
        for axes, level in zip(panels, levels, strict=False):
            mine = lesions[lesions["level"] == level]
            _panel(mine, drawn[drawn["lesion_type"] == level], axes, level)
        if together:
            mean_lines(means, panels[cells - 1], by="lesion_type")
            panels[cells - 1].set_title("all types\nmeans of the model", loc="left")
        for axes in panels[cells:]:
            axes.set_visible(False)
        label_lowest(panels[:cells], columns, "years")
        figure.supylabel(with_unit(outcome_plain(outcome), outcome), size="medium")
        low, high = lesions["value"].quantile([0.002, 0.998])
        low = np.nanmin([low, *drawn["conf_low"]])
        high = np.nanmax([high, *drawn["conf_high"]])
        panels[0].set_ylim(low - 0.04 * (high - low), high + 0.04 * (high - low))

    block = context.plates.draw(
        f"trajectory/{outcome}_trajectories",
        paint,
        height=0.5 + 1.65 * -(-cells // wide),
        narrow_height=0.5 + 1.9 * -(-cells // slim),
        caption=f"{outcome_title(outcome)} over time, by type at the first session.",
        reading="Thin lines are single lesions with data from two or more sessions. Of more than"
        f" {MOST_LINES} lesions {EXAMPLES} are drawn; the coloured band holds the middle"
        f" {BAND} % of all of them, with their median (dashed). "
        + (
            f"The thick line is the marginal {quantity_of(means)} with its {context.ci} (shaded),"
            " with the marker of the type at its ends."
            if own
            else f"Marginal means are on another scale ({unit_of(means)}) and not drawn."
        )
        + (" The last panel shows the means of all types." if together else "")
        + " The vertical axis omits the most extreme 0.4 % of the values.",
        alt=f"Trajectories of {outcome_short(outcome)} in {len(levels)} panels, one per type.",
    )
    return [block]


def _panel(lesions: pd.DataFrame, means: pd.DataFrame, axes: Axes, level: str) -> None:
    """Draw the lesions of one type over time, and title the panel."""
    named = lesions.assign(lesion_type=level)
    plot.trajectories(named, "value", order=[level], means=means, ax=axes)
    seen = lesions.dropna(subset=["value", "years"]).groupby(LESION, observed=True).size()
    name = figure_name((short_title if is_narrow(axes) else title)(level), 22)
    axes.set_title(f"{name}\n{counted(int((seen > 1).sum()), 'lesion')}", loc="left")
    axes.set(xlabel="", ylabel="")
