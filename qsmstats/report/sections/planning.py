"""Planning a trial: power curves, sizes, and the numbers they rest on; where a plan was made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from qsmstats import plot
from qsmstats.plot.look import figure_style
from qsmstats.report.blocks import (
    Block,
    Details,
    FigureBlock,
    Notice,
    Paragraph,
    Section,
)
from qsmstats.report.figures.files import Plates
from qsmstats.report.results.output_folder import Results
from qsmstats.report.sections.context import Context, notes
from qsmstats.report.tables.tables import display
from qsmstats.study import Study
from qsmstats.wording.estimates import unit_of
from qsmstats.wording.names import outcome_short, outcome_words, using_schemas
from qsmstats.wording.numbers import percent, signed

__all__ = ["draw_power_curves", "section"]

FIGURE = "planning/power_curves"
SIZES = {
    "fraction_of_slope": "of the slope",
    "patients": "patients per control arm",
    "conf": "Monte-Carlo interval",
    "patients_expected": "expected, not simulated",
    "type_i_error": "type I error",
}


def section(context: Context) -> Section | None:
    """Return the section on planning; None where no plan was made."""
    sizes = context.results.rows("planning/sizes")
    if sizes.empty:
        return None
    blocks: list[Block] = [Paragraph(text=str(text)) for text in sizes["answer"]]
    blocks.append(
        Notice(
            text="A plan is only as good as its assumptions. Quantities estimated from the data,"
            " with their confidence limits, and assumed quantities are listed in the table of"
            " assumptions below.",
            warning=False,
        )
    )
    blocks += [*notes(context, "planning"), *_figure(context), *_tables(context, sizes)]
    return Section(anchor="planning", title="Planning a trial", blocks=tuple(blocks))


def draw_power_curves(out: Path, study: Study | None = None) -> None:
    """Draw the power curves of an output folder's plan beside its tables."""
    plates = Plates(folder=out, style=figure_style("screen"))
    context = Context(results=Results(folder=out), plates=plates, study=study)
    with using_schemas(context.schemas):
        _figure(context)


def _figure(context: Context) -> list[FigureBlock]:
    power = context.results.rows("planning/power")
    sizes = context.results.rows("planning/sizes")
    if power.empty or sizes.empty:
        return []
    asked = float(sizes["power_asked"].iloc[0])
    outcome = str(power["outcome"].iloc[0])
    labels = _labels(power)

    def paint(figure: Figure) -> None:
        plot.power(
            power,
            target=asked,
            sizes=sizes,
            labels=labels,
            level_tested=float(power["significance"].iloc[0]),
            ax=figure.add_subplot(),
        )

    simulations = int(power["simulations"].max())
    dots = (
        f"Points: proportion of {simulations:,} simulated trials with a significant effect, with"
        f" {100 * context.level:g}\u00a0% Monte-Carlo interval; lines: the power expected without"
        " simulation. Grey: type I error, which should lie on the grey line."
        if simulations
        else "Lines: the power expected without simulation."
    )
    spoken = "; ".join(str(text) for text in sizes["answer"])
    visits = str(power["visits"].iloc[0])
    return [
        context.plates.draw(
            FIGURE,
            paint,
            height=4.2,
            narrow_height=4.6,
            caption=f"Power to detect a treatment effect on the slope of {outcome_words(outcome)}"
            f" in {str(power['target'].iloc[0]).replace('_', ' ')} lesions; visits at {visits}"
            f" years, dropout {power['dropout'].iloc[0]}.",
            reading=f"{dots} Numbers in colour: patients in the control arm for a power of"
            f" {percent(asked, 0)}. The curves are conditional on the assumptions.",
            alt=f"Power curves of {len(labels)} effects. {spoken}",
        )
    ]


def _labels(power: pd.DataFrame) -> list[str]:
    """Name the effects in units per year and, where there is a slope, as its share."""
    rows = power.drop_duplicates("effect")
    rows = rows.iloc[np.argsort(rows["effect"].abs().to_numpy(), kind="stable")]
    unit = unit_of(power)
    smallest = float(rows["effect"].abs().min()) or 1.0
    decimals = max(0, 1 - int(np.floor(np.log10(smallest))))
    return [
        f"{signed(row['effect'], decimals)} {unit}"
        + (
            f" ({percent(row['fraction_of_slope'], 0)} of the untreated slope)"
            if pd.notna(row["fraction_of_slope"])
            else ""
        )
        for _, row in rows.iterrows()
    ]


def _tables(context: Context, sizes: pd.DataFrame) -> list[Block]:
    short = outcome_short(str(sizes["outcome"].iloc[0]))
    asked = percent(float(sizes["power_asked"].iloc[0]), 0)
    whole = dict.fromkeys(("patients", "patients_expected"), "Int64")
    shown = display(
        sizes.drop(columns=["answer", "outcome", "power_asked", "maximum"]).astype(whole),
        slug="table-planning-sizes",
        caption=f"Patients in the control arm for a power of {asked}, by change in the slope of"
        f" {short} per year",
        file="planning/sizes.tsv",
        titles=SIZES,
    )
    captions = {
        "assumptions": "Assumptions of the plan: estimated, with confidence limits, or assumed",
        "sensitivity": "Expected power and size with one number at a confidence limit",
        "power": "Power and type I error of every size and effect, with the record of the fits",
        "models": "Trajectory model behind the assumptions, and its convergence",
    }
    folded = []
    for name, caption in captions.items():
        rows = context.results.rows(f"planning/{name}").drop(columns="outcome")
        if "quantity" in rows:
            rows = rows.assign(quantity=rows["quantity"].str.replace("_", " "))
        block = display(
            rows,
            slug=f"table-planning-{name}",
            caption=caption,
            file=f"planning/{name}.tsv",
            titles={"fraction_of_slope": "of the slope"},
            ci=context.ci,
        )
        folded.append(block)
    summary = "Assumptions, sensitivity and every size"
    return [shown, Details(summary=summary, blocks=tuple(folded))]
