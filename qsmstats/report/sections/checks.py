"""Model checks: whether residuals and random effects look normal, and their spread even."""

from __future__ import annotations

from collections.abc import Sized

from matplotlib.figure import Figure

from qsmstats import plot
from qsmstats.plot.look import is_narrow
from qsmstats.plot.model_checks import normal_quantiles
from qsmstats.report.blocks import Block, Details, FigureBlock, Heading, Notice, Section
from qsmstats.report.figures.files import sample_sentence
from qsmstats.report.figures.style import columns_without_hole
from qsmstats.report.sections.context import Context
from qsmstats.wording.names import (
    figure_name,
    outcome_title,
    outcome_words,
    present_levels,
    short_title,
    tissues,
)
from qsmstats.wording.terms import group_title, term_titler

__all__ = ["section"]

STUDIES = {
    "baseline": "lesion types at baseline",
    "tissue": "lesion types and white matter",
    "trajectory": "change over time",
}
COLUMNS, NARROW_COLUMNS = 3, 2
# Of a panel's title, in letters.
LONGEST_LINE = 20


def section(context: Context) -> Section:
    """Return the section with the checks of every mixed model."""
    blocks: list[Block] = []
    for folder, study in STUDIES.items():
        inner: list[Block] = []
        for outcome in context.outcomes(folder):
            figures = [*_quantiles(context, folder, outcome), *_spread(context, folder, outcome)]
            if figures:
                slug = f"checks-{folder}-{outcome}"
                text = f"{outcome_title(outcome)}: {study}"
                inner += [Heading(slug=slug, text=text), *figures]
        if inner:
            blocks.append(Details(summary=f"Models of {study}", blocks=tuple(inner)))
    if not blocks:
        text = "This run has no residuals; the models' assumptions cannot be checked."
        blocks.append(Notice(text=text, warning=False))
    return Section(anchor="checks", title="Model checks", blocks=tuple(blocks))


def _columns(figure: Figure, panels: Sized) -> int:
    most = NARROW_COLUMNS if is_narrow(figure) else COLUMNS
    # Few panels keep the size that they have among many.
    return columns_without_hole(max(len(panels), most), most)


def _lines(panels: Sized, columns: int) -> int:
    return -(-len(panels) // columns)


def _quantiles(context: Context, folder: str, outcome: str) -> list[FigureBlock]:
    residuals = context.results.rows(f"{folder}/residuals", outcome)
    if residuals.empty:
        return []
    panels = {"residuals": residuals["residual"]}
    effects = context.results.rows(f"{folder}/random_effects", outcome)
    for (group, term), rows in effects.groupby(["group", "term"], sort=False):
        whose = figure_name(group_title(str(group)), LONGEST_LINE, lines=3)
        said = figure_name(term_titler([str(term)])(term), LONGEST_LINE, lines=3)
        panels[f"{said},\n{whose}"] = rows["estimate"]

    def paint(figure: Figure) -> None:
        columns = _columns(figure, panels)
        flat = list(figure.subplots(_lines(panels, columns), columns, squeeze=False).flat)
        for axes, (name, values) in zip(flat, panels.items(), strict=False):
            normal_quantiles(values, axes)
            axes.set_title(f"{name}\nn = {len(values):,}", loc="left")
        for axes in flat[len(panels) :]:
            axes.set_visible(False)

    block = context.plates.draw(
        f"{folder}/{outcome}_quantiles",
        paint,
        height=2.6 * _lines(panels, columns_without_hole(len(panels), COLUMNS)),
        narrow_height=2.3 * _lines(panels, NARROW_COLUMNS),
        caption=f"Normal quantile plots, {outcome_words(outcome)}.",
        reading="Dots on the grey line: as expected under normality. Ends that bend away indicate"
        " heavier or lighter tails. With many lesions, means are robust to this, individual"
        " predictions are not." + sample_sentence(map(len, panels.values()), "values the ends and"),
        alt=f"Normal quantile plots of {', '.join(panels)}.".replace("\n", " "),
    )
    return [block]


def _spread(context: Context, folder: str, outcome: str) -> list[FigureBlock]:
    residuals = context.results.rows(f"{folder}/residuals", outcome)
    if residuals.empty:
        return []
    levels = present_levels(residuals["level"], tissues())

    def paint(figure: Figure) -> None:
        columns = _columns(figure, levels)
        shape = (_lines(levels, columns), columns)
        panels = list(figure.subplots(*shape, squeeze=False, sharey=True).flat)
        for axes, level in zip(panels, levels, strict=False):
            mine = residuals.loc[residuals["level"] == level, ["fitted", "residual", "level"]]
            plot.residuals(mine, ax=axes)
            axes.set_title(figure_name(short_title(level), LONGEST_LINE), loc="left")
            axes.set(xlabel="", ylabel="")
        for axes in panels[len(levels) :]:
            axes.set_visible(False)
        figure.supxlabel("fitted value", size="medium")
        figure.supylabel("residual", size="medium")

    block = context.plates.draw(
        f"{folder}/{outcome}_residuals",
        paint,
        height=0.4 + 1.7 * _lines(levels, columns_without_hole(len(levels), COLUMNS)),
        narrow_height=0.4 + 1.5 * _lines(levels, NARROW_COLUMNS),
        caption=f"Residuals against fitted values, {outcome_words(outcome)}, by type.",
        reading="Black line: mean residual along the fitted values; a flat line indicates no"
        " residual trend. A constant vertical spread, within and across panels, indicates"
        " homogeneous variance."
        + sample_sentence(residuals["level"].value_counts(), "residuals of a type"),
        alt=f"Residuals against fitted values in {len(levels)} panels, one per lesion type.",
    )
    return [block]
