"""Trajectories: change per year and over two years, by lesion type."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from qsmstats.report.blocks import Block, FigureBlock, Heading, Notice, Section
from qsmstats.report.figures.style import (
    colour,
    columns_without_hole,
    is_narrow,
    label_lowest,
    marker,
)
from qsmstats.report.figures.trajectories import (
    BAND,
    EXAMPLES,
    MOST_LINES,
    mean_lines,
    trajectory,
)
from qsmstats.report.frames.estimates import forest_rows
from qsmstats.report.sections.context import (
    Context,
    check_details,
    model_details,
    notes,
    refusals,
)
from qsmstats.report.sections.forests import estimates_forest
from qsmstats.report.sections.lost_lesions import lost_lesions
from qsmstats.report.sections.rater_uncertainty import imputed_types
from qsmstats.report.wording.estimates import (
    ABOUT,
    no_effect,
    on_own_scale,
    quantity_and_unit,
    quantity_of,
    unit_of,
    with_pairs_titled,
)
from qsmstats.report.wording.names import (
    outcome_plain,
    outcome_short,
    outcome_title,
    outcome_words,
    present_levels,
    title,
    unit_text,
    with_unit,
)

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
    for outcome in outcomes:
        blocks += _outcome(context, outcome)
    blocks += refusals(context, "trajectory")
    return Section(anchor="trajectories", title="Change over time", blocks=tuple(blocks))


def _outcome(context: Context, outcome: str) -> list[Block]:
    name = outcome_title(outcome)
    words = outcome_words(outcome)
    blocks: list[Block] = [Heading(slug=f"trajectory-{outcome}", text=f"{name}: change over time")]
    blocks += notes(context, "trajectory", outcome)
    blocks += _panels(context, outcome)
    slopes = context.results.rows("trajectory/slopes", outcome)
    if not slopes.empty:
        levels = [str(level) for level in slopes["lesion_type"]]
        null = no_effect(slopes)
        rows = forest_rows(slopes, map(title, levels), 1 - context.level, signs=not null)
        forest = estimates_forest(
            context,
            f"trajectory/{outcome}_slopes",
            slopes,
            rows.assign(colour=[*map(colour, levels)], marker=[*map(marker, levels)]),
            outcome=outcome,
            per=" per year",
            caption=f"Change in {words} per year, by type.",
            reading="Estimates to the right of the dashed line: the map value increases. An"
            f" interval that includes {null:g} is compatible with no change.",
            alt="Forest of changes per year",
        )
        blocks.append(forest)
    captions = {
        "slopes": f"Change per year in {words}, by type",
        "slope_contrasts": f"Differences between types in the change per year in {words}",
        "changes": f"Change over two years in {words}, by type",
    }
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
        blocks += [table] if table else []
    blocks += imputed_types(context, "trajectory", outcome)
    blocks += lost_lesions(context, outcome)
    blocks += check_details(context, "trajectory", outcome)
    return blocks + model_details(context, "trajectory", outcome)


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
    cells = len(levels) + together

    def paint(figure: Figure) -> None:
        columns = slim if is_narrow(figure) else wide
        shape = (-(-cells // columns), columns)
        panels = list(figure.subplots(*shape, sharex=True, sharey=True, squeeze=False).flat)
        for axes, level in zip(panels, levels, strict=False):
            mine = lesions[lesions["level"] == level]
            trajectory(mine, drawn[drawn["lesion_type"] == level], axes, value="value", level=level)
        if together:
            mean_lines(means, panels[cells - 1], by="lesion_type")
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
        height=0.5 + 2.0 * -(-cells // wide),
        narrow_height=0.5 + 1.9 * -(-cells // slim),
        caption=f"{outcome_title(outcome)} over time, by type at the first session.",
        reading="Thin lines are single lesions with data from two or more sessions. Of more than"
        f" {MOST_LINES} lesions {EXAMPLES} are drawn; the coloured band holds the middle"
        f" {BAND} % of all of them, with their median (dashed). "
        + (
            f"The black line is the marginal {quantity_of(means)} with its {context.ci} (shaded),"
            " with the marker of the type at its ends."
            if own
            else f"Marginal means are on another scale ({unit_of(means)}) and not drawn."
        )
        + (" The last panel shows the means of all types." if together else "")
        + " The vertical axis omits the most extreme 0.4 % of the values.",
        alt=f"Trajectories of {outcome_short(outcome)} in {len(levels)} panels, one per type.",
    )
    return [block]
