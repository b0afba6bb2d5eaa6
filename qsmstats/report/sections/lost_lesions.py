"""What the slopes would be if lost lesions differed from what was expected of them."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from qsmstats.plot.look import INK, colour, is_narrow
from qsmstats.report.blocks import Block, Details, FigureBlock, ListBlock, Paragraph
from qsmstats.report.figures.style import columns_without_hole, label_lowest
from qsmstats.report.sections.context import Context, notes, study_notes
from qsmstats.studies.missing_visits import NOTHING_LOST
from qsmstats.wording.estimates import (
    ci_name,
    no_effect,
    quantity_and_unit,
    quantity_of,
    shown,
    unit_of,
)
from qsmstats.wording.names import (
    capitalised,
    outcome_short,
    outcome_words,
    short_title,
    title,
    written_unit,
)
from qsmstats.wording.numbers import count, counted, fixed, signed
from qsmstats.wording.sentences import listed

__all__ = ["lost_lesions", "tipping_sentence"]

FOLDER = "trajectory_delta"
NONE_LOST = (
    "No lesion was lost: every lesion of the model has a value at each later session of its"
    " participant, and the change per year does not depend on missing visits."
)


def lost_lesions(context: Context, outcome: str) -> list[Block]:
    """Return how far the answer depends on lost lesions: a sentence, and the rest folded."""
    slopes = context.results.rows(f"{FOLDER}/slopes", outcome)
    tipping = context.results.rows(f"{FOLDER}/tipping", outcome)
    if slopes.empty or tipping.empty:
        if NOTHING_LOST in " ".join(study_notes(context, FOLDER, outcome)):
            return [Paragraph(text=NONE_LOST)]
        return notes(context, FOLDER, outcome)
    caption = f"Change in {outcome_words(outcome)} per year, by delta and type (adjusted intervals)"
    table = context.display(
        f"{FOLDER}/slopes",
        caption,
        outcome=outcome,
        only=("lesion_type", "delta", "estimate", "p_adjusted", "fmi", "mc_error"),
        titles={"estimate": quantity_and_unit(slopes), "mc_error": "Monte-Carlo error"},
        keep=shown,
    )
    depend = [title(str(level)) for level in tipping.loc[tipping["delta"].notna(), "lesion_type"]]
    lost = tipping[tipping["n_lost"] > 0]
    summary = (
        f"{count(lost['n_lost'].sum())} of {counted(tipping['n_lesions'].sum(), 'lesion')} were"
        " lost: had they differed from what is expected, significance would change "
        + (f"in {listed(depend)}" if depend else "in no type")
    )
    return [
        Details(
            summary=summary,
            blocks=(
                ListBlock(items=tuple(tipping_sentence(row) for _, row in tipping.iterrows())),
                _figure(context, outcome, slopes, tipping),
                *notes(context, FOLDER, outcome),
                *([table] if table else []),
            ),
            lazy=True,
        ),
    ]


def tipping_sentence(row: pd.Series) -> str:
    """Say at which value of lost lesions the answer for one type changes.

    Parameters
    ----------
    row
        A row of the table `tipping`.
    """
    name = capitalised(title(str(row["lesion_type"])))
    counts = f"{name} ({row['n_lost']} of {row['n_lesions']} lost): the"
    held = str(row["significant"]).lower() == "true"
    stays = f"{counts} change per year stays {'' if held else 'non-'}significant"
    if not row["n_lost"]:
        return f"{counts} change per year does not depend on delta."
    unit = written_unit(str(row["unit"]))
    if pd.isna(row["delta"]):
        low, high = signed(row["lowest"], 2), signed(row["highest"], 2)
        return f"{stays} for every delta from {low} to {high} {unit}".rstrip() + "."
    delta, expected = float(row["delta"]), float(row["expected"])
    side = "or more" if delta > 0 else "or less"
    mean = f"{fixed(expected + delta, 2)} {unit}".rstrip()
    return (
        f"{stays} unless the mean of the lost lesions was {mean} {side}, instead of the"
        f" {fixed(expected, 2)} expected (delta {signed(delta, 2)})."
    )


def _figure(
    context: Context, outcome: str, slopes: pd.DataFrame, tipping: pd.DataFrame
) -> FigureBlock:
    rows = shown(slopes)
    levels = [str(level) for level in tipping["lesion_type"]]
    points = tipping.set_index("lesion_type")["delta"]
    unit = written_unit(str(tipping["unit"].iloc[0]))
    wide, narrow = (columns_without_hole(len(levels), most) for most in (3, 2))

    def paint(figure: Figure) -> None:
        columns = narrow if is_narrow(figure) else wide
        shape = (-(-len(levels) // columns), columns)
        panels = list(figure.subplots(*shape, sharex=True, sharey=True, squeeze=False).flat)
        for axes, level in zip(panels, levels, strict=False):
            mine = rows[rows["lesion_type"] == level]
            axes.axhline(no_effect(slopes), color=INK, linewidth=0.8, linestyle="--")
            axes.fill_between(
                mine["delta"], mine["conf_low"], mine["conf_high"], color=colour(level), alpha=0.3
            )
            axes.plot(mine["delta"], mine["estimate"], color=colour(level))
            if pd.notna(points[level]):
                axes.axvline(points[level], color=INK, linewidth=0.8, linestyle=":")
            axes.set_title(short_title(level), size="medium")
        for axes in panels[len(levels) :]:
            axes.set_visible(False)
        label_lowest(panels[: len(levels)], columns, f"delta ({unit})" if unit else "delta")
        per = f"{quantity_of(slopes)} ({unit_of(slopes)})"
        figure.supylabel(per, size="medium")

    spoken = "; ".join(tipping_sentence(row) for _, row in tipping.iterrows())
    return context.plates.draw(
        f"{FOLDER}/{outcome}_delta",
        paint,
        height=0.6 + 1.6 * -(-len(levels) // wide),
        narrow_height=0.6 + 1.5 * -(-len(levels) // narrow),
        caption=f"Change in {outcome_words(outcome)} per year if lost lesions were delta higher or"
        " lower than expected.",
        reading=f"Bands: {ci_name(slopes, context.ci)}; dashed: no change; dotted: the delta"
        " nearest to 0 at which significance changes.",
        alt=f"Change of {outcome_short(outcome)} per year against delta, by type. {spoken}",
    )
