"""Trajectories: change per year and over two years, by lesion type."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from qsmstats.report.blocks import Block, FigureBlock, Heading, Notice, Section, TableBlock
from qsmstats.report.figures.forests import forest, forest_height
from qsmstats.report.figures.panels import columns_without_hole, label_lowest
from qsmstats.report.figures.trajectories import mean_lines, trajectory
from qsmstats.report.names import (
    comma_unit,
    outcome_plain,
    outcome_short,
    outcome_title,
    outcome_words,
    present_levels,
    title,
    with_unit,
)
from qsmstats.report.numbers import decimals_of_errors, interval, p_value, signed
from qsmstats.report.sections.context import Context, marker_key, model_details, notes
from qsmstats.report.style import colour, is_narrow, marker

__all__ = ["section"]

COLUMNS, NARROW_COLUMNS = 3, 2


def section(context: Context) -> Section:
    """Return the section on change over time."""
    outcomes = context.outcomes("trajectory")
    blocks: list[Block] = []
    if not outcomes:
        blocks.append(
            Notice(
                text="Change over time was not analysed: it requires participants with two or more"
                " sessions.",
                warning=False,
            )
        )
        blocks += notes(context, "trajectory")
    for outcome in outcomes:
        blocks += _outcome(context, outcome)
    return Section(anchor="trajectories", title="Change over time", blocks=tuple(blocks))


def _outcome(context: Context, outcome: str) -> list[Block]:
    name = outcome_title(outcome)
    words = outcome_words(outcome)
    blocks: list[Block] = [Heading(slug=f"trajectory-{outcome}", text=f"{name}: change over time")]
    blocks += notes(context, "trajectory", outcome)
    blocks += _panels(context, outcome)
    blocks += _slopes(context, outcome)
    yearly = {"estimate": comma_unit("change", outcome, " per year")}
    between = {"contrast": "pair", "estimate": comma_unit("difference", outcome, " per year")}
    tables = (
        _table(context, "slopes", f"Change per year of {words}, by type", outcome, yearly),
        _table(
            context,
            "slope_contrasts",
            f"Differences between the types' changes per year of {words}",
            outcome,
            between,
        ),
        _table(
            context,
            "changes",
            f"Change over two years of {words}, by type",
            outcome,
            {"estimate": comma_unit("change", outcome)},
        ),
    )
    blocks += [table for table in tables if table is not None]
    return blocks + model_details(context, "trajectory", outcome)


def _table(
    context: Context, name: str, caption: str, outcome: str, titles: dict[str, str]
) -> TableBlock | None:
    # The caption says which years are compared; the statistic is the ratio of two columns.
    without = ("contrast", "statistic") if name == "changes" else ("statistic",)
    return context.display(
        f"trajectory/{name}", caption, outcome=outcome, without=without, titles=titles
    )


def followed(lesions: pd.DataFrame) -> pd.DataFrame:
    """Return the lesions of participants with two sessions, typed by their first session."""
    needed = {"participant_id", "lesion_id", "years", "lesion_type"}
    if not needed <= set(lesions.columns):
        return pd.DataFrame()
    sessions = lesions.groupby("participant_id")["years"].transform("nunique")
    rows = lesions[sessions >= 2].sort_values("years")
    first = rows.groupby(["participant_id", "lesion_id"])["lesion_type"].transform("first")
    return rows.assign(lesion_type=first).dropna(subset=["lesion_type"])


def _panels(context: Context, outcome: str) -> list[FigureBlock]:
    lesions = followed(context.results.rows("tidy"))
    means = context.results.rows("trajectory/means", outcome)
    column = "lesion_type" if "lesion_type" in means else "level"
    if outcome not in lesions or means.empty or "years" not in means:
        return []
    levels = present_levels(means[column])
    # One more panel for the means of all types, where it fills a hole and leaves none.
    wide = columns_without_hole(len(levels), COLUMNS)
    slim = columns_without_hole(len(levels), NARROW_COLUMNS)
    together = len(levels) > 1 and (len(levels) + 1) % wide == 0
    cells = len(levels) + together

    def paint(figure: Figure) -> None:
        columns = slim if is_narrow(figure) else wide
        grid = figure.subplots(
            -(-cells // columns), columns, sharex=True, sharey=True, squeeze=False
        )
        panels = list(grid.flat)
        for axes, level in zip(panels, levels, strict=False):
            mine = lesions[lesions["lesion_type"] == level]
            trajectory(mine, means[means[column] == level], axes, value=outcome, level=level)
        if together:
            mean_lines(means, panels[cells - 1], by=column)
        for axes in panels[cells:]:
            axes.set_visible(False)
        label_lowest(panels[:cells], columns, "years")
        figure.supylabel(with_unit(outcome_plain(outcome), outcome), size="medium")
        panels[0].set_ylim(*_limits(lesions[outcome], means))

    block = context.plates.draw(
        f"trajectory/{outcome}_trajectories",
        paint,
        height=0.5 + 2.0 * -(-cells // wide),
        narrow_height=0.5 + 1.9 * -(-cells // slim),
        caption=f"{outcome_title(outcome)} over time, by the type at the first session.",
        reading="Each thin line is one lesion seen at two sessions or more; the black line is the"
        f" marginal mean with its {context.ci} (shaded), with the marker of the type at its ends."
        f"{' The last panel shows the means of all types.' if together else ''} The vertical axis"
        " omits the most extreme 0.4 % of the values.",
        alt=f"Trajectories of {outcome_short(outcome)} in {len(levels)} panels, one per type.",
    )
    return [block]


def _limits(values: pd.Series, means: pd.DataFrame) -> tuple[float, float]:
    low, high = values.quantile([0.002, 0.998])
    low, high = min(low, means["conf_low"].min()), max(high, means["conf_high"].max())
    margin = 0.04 * (high - low)
    return low - margin, high + margin


def _slopes(context: Context, outcome: str) -> list[FigureBlock]:
    slopes = context.results.rows("trajectory/slopes", outcome)
    column = "lesion_type" if "lesion_type" in slopes else "level"
    if slopes.empty or column not in slopes:
        return []
    levels = [str(level) for level in slopes[column]]
    decimals = decimals_of_errors(slopes["std_error"])
    p = slopes["p_adjusted"] if "p_adjusted" in slopes else slopes["p_value"]
    numbers = [
        f"{signed(row['estimate'], decimals)}"
        f" ({interval(row['conf_low'], row['conf_high'], decimals)})"
        for _, row in slopes.iterrows()
    ]
    rows = pd.DataFrame(
        {
            "label": [title(level) for level in levels],
            "colour": [colour(level) for level in levels],
            "marker": [marker(level) for level in levels],
            "text": [f"{text}, {p_value(q)}" for text, q in zip(numbers, p, strict=True)],
            "brief": numbers,
            "filled": p < 1 - context.level,
            **{name: slopes[name] for name in ("estimate", "conf_low", "conf_high")},
        }
    )

    wide, narrow = forest_height(len(rows))

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        forest(rows, axes, column_title=f"change per year ({context.ci}), adjusted p")
        axes.set_xlabel(with_unit(f"change in {outcome_short(outcome)}", outcome, " per year"))

    spoken = "; ".join(f"{row['label']} {row['text']}" for _, row in rows.iterrows())
    block = context.plates.draw(
        f"trajectory/{outcome}_slopes",
        paint,
        height=wide,
        narrow_height=narrow,
        caption=f"Change of {outcome_words(outcome)} per year, by type.",
        reading="Estimates to the right of the dashed line: the map value increases. An interval"
        f" that includes zero is compatible with no change. {marker_key(context)}",
        alt=f"Forest of changes per year: {spoken}.",
    )
    return [block]
