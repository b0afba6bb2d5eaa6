"""Scanners: white matter on each of them, and answers from harmonised outcomes."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from qsmstats.plot.look import is_narrow
from qsmstats.plot.scanners import WHITE_MATTER, scanners
from qsmstats.report.blocks import Block, Details, FigureBlock, Notice, Paragraph, Section
from qsmstats.report.sections.context import Context, notes, study_notes
from qsmstats.report.sections.rater_uncertainty import beside, significant_in_both
from qsmstats.studies.table_one import GROUPS
from qsmstats.wording.estimates import quantity_and_unit
from qsmstats.wording.names import (
    capitalised,
    in_words,
    outcome_plain,
    outcome_short,
    outcome_words,
    short_title,
    with_unit,
)
from qsmstats.wording.numbers import fixed
from qsmstats.wording.sentences import listed

__all__ = ["harmonised", "section"]

PANELS = 3
SCANNER, TISSUE = "scanner", "tissue"


def section(context: Context) -> Section | None:
    """Return the section on scanners; None where a study has one."""
    counts = context.results.rows("cohort/scanners")
    if counts.empty or counts[SCANNER].nunique() < 2:
        return None
    tissue = context.results.rows(TISSUE)
    if {SCANNER, TISSUE} <= {*tissue}:
        tissue = tissue[tissue[TISSUE].isin(WHITE_MATTER) & tissue[SCANNER].notna()]
        maps = [name for name in context.schemas.maps if name in tissue]
    else:
        maps = []
    maps = [name for name in maps if tissue[name].notna().any()]
    blocks: list[Block] = [_figure(context, tissue, maps)] if maps else []
    if not maps:
        blocks.append(Notice(text="No white matter was measured to compare scanners by."))
    table = context.display(
        "cohort/scanners",
        "Participants and sessions by scanner and group",
        titles={"n_later_sessions": "of these, later ones"},
        keep=lambda rows: rows.replace({"group": GROUPS}),
    )
    if table:
        blocks.append(Details(summary="Participants and sessions by scanner", blocks=(table,)))
    return Section(anchor="scanners", title="Scanners", blocks=tuple(blocks))


def _figure(context: Context, tissue: pd.DataFrame, maps: list[str]) -> FigureBlock:
    """Draw the white matter of each map by scanner, side by side."""
    names = sorted(tissue[SCANNER].unique())
    levels = [one for one in WHITE_MATTER if (tissue[TISSUE] == one).any()]
    row = 0.25 + 0.25 * len(levels)
    rows = -(-len(maps) // PANELS)

    def paint(figure: Figure) -> None:
        narrow = is_narrow(figure)
        shape = (len(maps), 1) if narrow else (rows, min(PANELS, len(maps)))
        panels = list(figure.subplots(*shape, sharey=True, squeeze=False).flat)
        for axes, name in zip(panels, maps, strict=False):
            scanners(tissue, name, order=levels, ax=axes)
            axes.set_xlabel(with_unit(outcome_plain(name), name))
        for axes in panels[len(maps) :]:
            axes.set_visible(False)
        if len(levels) > 1:
            handles = panels[0].get_legend_handles_labels()
            figure.legend(*handles, loc="outside upper left", ncols=2, frameon=False, markerscale=2)

    first = tissue[tissue[TISSUE] == levels[0]]
    told = "; ".join(f"{outcome_short(name)} {_spread(first, name)}" for name in maps)
    return context.plates.draw(
        "cohort/scanners_white_matter",
        paint,
        height=(0.7 + row * len(names)) * rows + 0.2,
        narrow_height=(0.7 + row * len(names)) * len(maps) + 0.2,
        caption="White matter by scanner, before any model.",
        reading="Each point is the mean of one session in"
        f" {listed(map(short_title, levels))}; diamonds and lines: medians and quartiles."
        " Participants differ between scanners, too; the models take both into account."
        f" Largest difference between the medians of two scanners in {short_title(levels[0])}, in"
        f" standard deviations within scanners: {told}.",
        alt=f"White matter on {len(names)} scanners: {', '.join(names)}. Largest"
        f" differences between medians: {told}.",
    )


def _spread(rows: pd.DataFrame, name: str) -> str:
    """Return the largest difference between medians of scanners over the SD within scanners."""
    groups = rows.groupby(SCANNER)[name]
    medians, within = groups.median(), (rows[name] - groups.transform("mean")).std()
    return fixed((medians.max() - medians.min()) / within, 1) if within > 0 else "none"


def harmonised(context: Context, folder: str, outcome: str) -> list[Block]:
    """Return a fold with both answers; nothing where no outcome was adjusted.

    Parameters
    ----------
    context
        What the section is drawn from.
    folder
        The study whose answer was repeated: "baseline" or "trajectory".
    outcome
        The map.
    """
    of_pairs = folder == "baseline"
    name = f"{folder}_harmonised/{'contrasts' if of_pairs else 'slopes'}"
    rows = context.results.rows(name, outcome)
    if rows.empty:
        said = study_notes(context, f"{folder}_harmonised", outcome)
        return [Paragraph(text=f"Harmonised across scanners: {in_words(one)}") for one in said]
    before, after, turned = significant_in_both(rows, context.level)
    what = "differences between types" if of_pairs else "changes per year"
    summary = (
        f"With {outcome_short(outcome)} harmonised across scanners, {after} of {len(rows)}"
        f" {what} are significant (scanner in the model: {before})"
    )
    p = "plain_p_adjusted"
    tables = [
        context.display(
            f"{folder}_harmonised/{table}",
            f"{capitalised(told)} in {outcome_words(outcome)}: scanner in the model, and"
            " harmonised (adjusted intervals)",
            outcome=outcome,
            only=(first, "plain_estimate", p, "estimate", "p_adjusted"),
            titles={
                "contrast": "pair",
                "plain_estimate": "scanner in the model",
                p: "adj. p",
                "estimate": f"harmonised: {quantity_and_unit(rows)}",
                "p_adjusted": "adj. p, harmonised",
            },
            keep=beside,
        )
        for table, told, first in (
            [("contrasts", what, "contrast")]
            if of_pairs
            else [
                ("slopes", what, "lesion_type"),
                ("slope_contrasts", "differences between changes per year", "contrast"),
            ]
        )
    ]
    above: list[Block] = [Paragraph(text=" ".join(turned))] if turned else []
    above += notes(context, f"{folder}_harmonised", outcome)
    return [Details(summary=summary, blocks=(*above, *(one for one in tables if one)))]
