"""Baseline: differences between lesion types, and between lesions and white matter."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from qsmstats import plot
from qsmstats.plot.distributions import FEWEST
from qsmstats.plot.look import is_narrow
from qsmstats.plot.pairs import pair_triangle
from qsmstats.report.blocks import (
    Block,
    Board,
    Details,
    FigureBlock,
    Heading,
    Notice,
    Paragraph,
    Section,
    TableBlock,
)
from qsmstats.report.figures.files import sample_sentence
from qsmstats.report.frames.estimates import with_white_matter
from qsmstats.report.sections.context import (
    Context,
    failed_checks,
    model_details,
    refusals,
    remarks,
    study_notes,
)
from qsmstats.report.sections.grids import tissue_grids
from qsmstats.report.sections.rater_uncertainty import imputed_types
from qsmstats.report.sections.scanners import harmonised
from qsmstats.wording.estimates import (
    ABOUT,
    no_effect,
    on_own_scale,
    quantity_and_unit,
    quantity_of,
    unit_of,
    with_pairs_titled,
)
from qsmstats.wording.names import (
    outcome_plain,
    outcome_short,
    outcome_title,
    outcome_words,
    present_levels,
    short_title,
    unit_text,
    with_unit,
)
from qsmstats.wording.numbers import decimals_of_errors, fixed
from qsmstats.wording.sentences import difference_sentence

__all__ = ["section"]

QUESTIONS = {
    "baseline": "Differences between lesion types",
    "tissue": "Differences between lesions and white matter",
}
CAPTIONS = {
    "baseline": "Contrasts between lesion types: marginal means of",
    "tissue": "Contrasts with white matter: marginal means of",
}


def section(context: Context) -> Section:
    """Return the section on differences at the first session."""
    blocks: list[Block] = []
    for folder, heading in QUESTIONS.items():
        outcomes = context.outcomes(folder)
        if not outcomes:
            reasons = " ".join(study_notes(context, folder))
            text = f"{heading}: not analysed in this run. {reasons}".strip()
            blocks.append(Notice(text=text, warning=False))
            continue
        each = _white_matter if folder == "tissue" else _types
        blocks += [*each(context), *refusals(context, folder)]
    return Section(anchor="baseline", title="Differences at baseline", blocks=tuple(blocks))


def _types(context: Context) -> list[Block]:
    """Return the differences between types: a sentence and a figure for each map."""
    blocks = remarks(context, "baseline")
    for outcome in context.outcomes("baseline"):
        contrasts = context.results.rows("baseline/contrasts", outcome)
        said = difference_sentence(contrasts, outcome, 1 - context.level, context.ci)
        words = outcome_words(outcome)
        blocks += [
            Heading(slug=f"baseline-{outcome}", text=f"{outcome_title(outcome)}: lesion types"),
            *([Paragraph(text=said)] if said else []),
            *_clouds(context, outcome),
            *failed_checks(context, "baseline", outcome),
            *imputed_types(context, "baseline", outcome),
            *harmonised(context, "baseline", outcome),
            Details(
                summary=f"Differences between lesion types, {words}: all numbers",
                blocks=tuple(_tables(context, "baseline", outcome)),
            ),
            *model_details(context, "baseline", outcome),
        ]
    return blocks


def _white_matter(context: Context) -> list[Block]:
    """Return the differences from white matter: one grid of all maps, and the numbers folded."""
    outcomes = context.outcomes("tissue")
    grids = tissue_grids(context)
    numbers = [table for outcome in outcomes for table in _tables(context, "tissue", outcome)]
    return [
        Heading(slug="tissue", text=QUESTIONS["tissue"]),
        *([Board(blocks=grids)] if grids else []),
        *(block for outcome in outcomes for block in failed_checks(context, "tissue", outcome)),
        *remarks(context, "tissue"),
        Details(summary=f"{QUESTIONS['tissue']}: all numbers", blocks=tuple(numbers), lazy=True),
        *(block for outcome in outcomes for block in model_details(context, "tissue", outcome)),
    ]


def _tables(context: Context, folder: str, outcome: str) -> list[TableBlock]:
    """Return counts, marginal means and contrasts of one map."""
    level = "tissue" if folder == "tissue" else "type"
    means, contrasts = (
        context.results.rows(f"{folder}/{name}", outcome) for name in ("means", "contrasts")
    )
    tables = (
        context.display(
            f"{folder}/counts",
            f"Raw counts, means and SDs of {outcome_words(outcome)}",
            outcome=outcome,
            titles={
                "level": level,
                "n": "regions" if folder == "tissue" else "lesions",
                "mean": with_unit("mean", outcome),
                "sd": with_unit("SD", outcome),
            },
        ),
        context.display(
            f"{folder}/means",
            f"Marginal means of {outcome_words(outcome)}",
            outcome=outcome,
            # Whether a mean is zero is no question of this study: no test of it is shown.
            only=("level", "estimate", "std_error", "df"),
            titles={"level": level, "estimate": quantity_and_unit(means)},
        ),
        context.display(
            f"{folder}/contrasts",
            f"{CAPTIONS[folder]} {outcome_words(outcome)}",
            outcome=outcome,
            titles={"contrast": "pair", "estimate": quantity_and_unit(contrasts)},
            # The ratio of two columns that are shown.
            without=("statistic", *ABOUT),
            keep=lambda rows: with_pairs_titled(
                with_white_matter(rows) if folder == "tissue" else rows
            ),
        ),
    )
    return [table for table in tables if table is not None]


def _clouds(context: Context, outcome: str) -> list[FigureBlock]:
    lesions = context.results.rows("baseline/residuals", outcome)  # the very rows of the model
    means = context.results.rows("baseline/means", outcome)
    contrasts = context.results.rows("baseline/contrasts", outcome)
    if lesions.empty or means.empty:
        return []
    levels = present_levels(lesions["level"])
    own = on_own_scale(means, unit_text(outcome))

    def paint(figure: Figure) -> None:
        narrow = is_narrow(figure)
        if contrasts.empty:
            panels = [figure.add_subplot()]
        elif narrow:
            panels = list(figure.subplots(2, 1, height_ratios=[1.25, 1]))
        else:
            panels = list(figure.subplots(1, 2, sharey=True, width_ratios=[1.15, 1]))
        clouds, *beside = panels
        plot.rainclouds(lesions, "value", hue="level", means=means if own else None, ax=clouds)
        clouds.set_xlabel(with_unit(outcome_plain(outcome), outcome))
        for pairs in beside:
            alpha = 1 - context.level
            pair_triangle(contrasts, pairs, levels=levels, alpha=alpha, name_rows=narrow)
            pairs.set_xlabel(f"{_row_to_column(contrasts)}\nadjusted p")

    block = context.plates.draw(
        f"baseline/{outcome}_rainclouds",
        paint,
        height=1.0 + 0.6 * len(levels),
        narrow_height=1.6 + 1.25 * len(levels),
        caption=f"{outcome_title(outcome)} of every lesion in the model at the first session, by"
        f" type, with the estimated {quantity_of(contrasts)}s of all pairs.",
        reading="Each dot is one lesion; the curve above shows the density of"
        f" {FEWEST} or more, the thick bar the interquartile range with the median in white"
        + (
            f", and the diamond the marginal {quantity_of(means)} at average covariates"
            f" with its {context.ci}."
            if own
            else f". Marginal means are on another scale ({unit_of(means)}) and not drawn."
        )
        + " Lesions are nested in participants and not independent. Each cell gives the estimated"
        f" {quantity_of(contrasts)}, {_row_to_column(contrasts)}, above its adjusted p; shaded"
        f" cells: adjusted p < {1 - context.level:.2g}."
        + sample_sentence(lesions["level"].value_counts(), "lesions of a type"),
        alt=f"Rainclouds of {outcome_short(outcome)} by lesion type. Marginal means:"
        f" {_spoken(means)}.",
    )
    return [block]


def _row_to_column(contrasts: pd.DataFrame) -> str:
    unit = unit_of(contrasts)
    sign = "/" if no_effect(contrasts) else "−"
    return f"row {sign} column" + (f" ({unit})" if unit else "")


def _spoken(means: pd.DataFrame) -> str:
    decimals = decimals_of_errors(means["std_error"])
    return "; ".join(
        f"{short_title(str(row['level']))}"
        f" {fixed(row['estimate'], decimals)} {unit_of(means)}".rstrip()
        for _, row in means.iterrows()
    )
