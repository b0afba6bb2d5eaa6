"""Histology: how well the QSM type tells what the pathologist saw (STARD 2015, items 19-24)."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from qsmstats.accuracy.proportions import INDEPENDENT, RECOMMENDED
from qsmstats.report.accuracy_frames import (
    RATES,
    confusion_table,
    main_rows,
    unread_excluded,
)
from qsmstats.report.blocks import Block, Details, FigureBlock, Heading, Notice, Section, TableBlock
from qsmstats.report.figures.accuracy import cluster_shares, confusion_matrix
from qsmstats.report.figures.forests import forest
from qsmstats.report.names import short_title, title
from qsmstats.report.numbers import count, percent
from qsmstats.report.sections.context import Context, notes
from qsmstats.report.sections.roc import roc_blocks
from qsmstats.report.sections.stard import clustering_blocks, flow_blocks, item_blocks
from qsmstats.report.style import INK
from qsmstats.report.tables import display

__all__ = ["section"]

# One grey level per role: what to lean on is darkest.
SHADES = {RECOMMENDED: INK, INDEPENDENT: "#D55E00"}
OTHER_SHADE = "#8C8C8C"
METHODS = {
    "bayes_uniform": "Bayes, uniform prior",
    "bayes_beta_1_4": "Bayes, Beta(1, 4) prior",
    "wilson": "Wilson",
    "rao_scott_wilson_t": "Rao-Scott Wilson t",
    "beta_binomial_profile": "beta-binomial, profile",
}


def section(context: Context) -> Section:
    """Return the section on accuracy against histology."""
    accuracy = context.results.rows("histology/accuracy")
    blocks: list[Block] = [*notes(context, "histology")]
    if accuracy.empty:
        text = "This study holds no histology, so that accuracy cannot be told."
        blocks.append(Notice(text=text, warning=False))
    else:
        blocks += [*flow_blocks(context), *_confusion(context), *_main_table(context)]
        blocks += _intervals(context)
        blocks += [*_brains(context), *clustering_blocks(context), *roc_blocks(context)]
        blocks += [*_tables(context), *item_blocks(context)]
    return Section(anchor="histology", title="Accuracy against histology", blocks=tuple(blocks))


def _confusion(context: Context) -> list[FigureBlock]:
    wide = confusion_table(context.results.rows("histology/confusion"))
    if wide.empty:
        return []

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        confusion_matrix(wide, axes)
        axes.set_ylabel("type on QSM (index test)")
        axes.set_xlabel("histology (reference standard)", labelpad=8)

    spoken = "; ".join(
        f"{title(str(row))}: "
        + ", ".join(f"{count(value)} {title(str(name))}" for name, value in counts.items())
        for row, counts in wide.iterrows()
    )
    block = context.plates.draw(
        "histology/confusion",
        paint,
        height=1.2 + 0.55 * len(wide),
        caption="Type on QSM against histology, all lesions.",
        reading="Each cell holds the number of lesions and their share of the row; the darker, the"
        " larger the share. Lesions that could not be read have rows and columns of their own.",
        alt=f"Confusion matrix. {spoken}.",
    )
    return [block]


def _main_table(context: Context) -> list[TableBlock]:
    rows = main_rows(context.results.rows("histology/accuracy"))
    if rows.empty:
        return []
    shown = pd.DataFrame(
        {
            "class": rows["class"],
            "measure": [_measure(str(name)) for name in rows["measure"]],
            "counts": [
                f"{count(k)} of {count(n)}"
                for k, n in zip(rows["numerator"], rows["denominator"], strict=True)
            ],
            "share": [percent(share) for share in rows["share"]],
            "recommended": _limits(rows, "recommended"),
            "independent": _limits(rows, "independent"),
        }
    )
    block = display(
        shown,
        slug="table-histology-main",
        caption="One class against the rest: counts, share and intervals",
        file="histology/accuracy.tsv",
        titles={
            "recommended": f"{100 * context.level:g} % interval, recommended",
            "independent": f"{100 * context.level:g} % interval if lesions were independent",
        },
        note="PPV and NPV hold at the share of each class in these brains, not elsewhere.",
    )
    return [block]


def _limits(rows: pd.DataFrame, prefix: str) -> list[str]:
    return [
        f"{percent(low)} to {percent(high)}" if pd.notna(low) else "–"
        for low, high in zip(rows[f"{prefix}_low"], rows[f"{prefix}_high"], strict=True)
    ]


def _measure(name: str) -> str:
    return name.upper() if name in {"ppv", "npv", "mcc", "dor"} else name.replace("_", " ")


def _intervals(context: Context) -> list[FigureBlock]:
    accuracy = context.results.rows("histology/accuracy")
    rows = accuracy[
        accuracy["measure"].isin(RATES) & unread_excluded(accuracy) & accuracy["conf_low"].notna()
    ]
    if rows.empty:
        return []
    classes = list(dict.fromkeys(rows["class_"]))

    def paint(figure: Figure) -> None:
        # Room for the ends of the axes' labels, which would meet between the columns.
        figure.set_layout_engine("constrained", wspace=0.06)
        panels = figure.subplots(len(classes), len(RATES), squeeze=False, sharex=True)
        for line, name in zip(panels, classes, strict=True):
            for axes, measure in zip(line, RATES, strict=True):
                mine = rows[(rows["class_"] == name) & (rows["measure"] == measure)]
                forest(_method_rows(mine), axes, reference=None)
                axes.set_title(f"{title(str(name))}: {measure}", loc="left")
                axes.set_xlim(-0.02, 1.02)
                axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
                axes.tick_params(labelleft=measure == RATES[0])

    methods = rows["method"].nunique()
    block = context.plates.draw(
        "histology/intervals",
        paint,
        height=0.4 + len(classes) * (0.55 + 0.22 * methods),
        caption=f"Sensitivity and specificity: {100 * context.level:g} % intervals by method.",
        reading="Black: the method recommended for this number of brains. Orange: the interval that"
        " assumes independent lesions, too narrow where lesions of one brain are alike. Grey: other"
        " methods. A Bayesian marker is the posterior median, not the observed share.",
        alt="Intervals of sensitivity and specificity by method, one panel per class. "
        + _spoken(main_rows(accuracy)),
    )
    return [block]


def _method_rows(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(
        label=[METHODS.get(str(name), str(name).replace("_", " ")) for name in rows["method"]],
        colour=[SHADES.get(str(role), OTHER_SHADE) for role in rows["role"]],
    )


def _spoken(rows: pd.DataFrame) -> str:
    rates = rows[rows["measure"].isin(RATES)]
    return "; ".join(
        f"{short_title(str(row['class']))} {row['measure']} {percent(row['share'])},"
        f" {percent(row['recommended_low'])} to {percent(row['recommended_high'])}"
        for _, row in rates.iterrows()
    )


def _brains(context: Context) -> list[FigureBlock]:
    counts = context.results.rows("histology/clusters")
    if counts.empty:
        return []
    counts = counts.assign(label=[title(str(name)) for name in counts["class_"]])

    def paint(figure: Figure) -> None:
        for axes, measure in zip(figure.subplots(1, len(RATES)), RATES, strict=True):
            cluster_shares(counts[counts["measure"] == measure], axes)
            axes.set_title(measure, loc="left")
            axes.tick_params(labelleft=measure == RATES[0])

    classes, brains = counts["class_"].nunique(), counts["cluster"].nunique()
    block = context.plates.draw(
        "histology/brains",
        paint,
        height=0.6 + classes * max(0.5, 0.22 * brains),
        caption="Sensitivity and specificity in each brain.",
        reading="One dot per brain; its area grows with the number of lesions, and the counts stand"
        " beside it. Dots far apart mean that lesions of one brain are alike.",
        alt="Counts per brain: "
        + "; ".join(
            f"{row['label']} {row['measure']} {row['cluster']} {row['numerator']} of"
            f" {row['denominator']}"
            for _, row in counts.iterrows()
        ),
    )
    return [block]


def _tables(context: Context) -> list[Block]:
    blocks: list[Block] = [Heading(slug="histology-tables", text="Counts")]
    table = context.display("histology/flow", "Lesions and brains at each step")
    blocks += [table] if table else []
    accuracy = context.results.rows("histology/accuracy")
    for policy, heading in (
        ("exclude", "Every measure and method, unread lesions left out"),
        ("worst", "Every measure and method, unread lesions counted as wrong"),
        ("best", "Every measure and method, unread lesions counted as right"),
    ):
        rows = accuracy[(accuracy["missing"] == policy) & (accuracy["indeterminate"] == policy)]
        if not rows.empty:
            blocks.append(_whole_table(context, rows, policy, heading))
    return blocks


def _whole_table(context: Context, rows: pd.DataFrame, policy: str, heading: str) -> Details:
    keep = ["class_", "measure", "estimate", "conf_low", "numerator", "denominator", "method"]
    table = display(
        rows.assign(
            class_=[title(str(name)) for name in rows["class_"]],
            measure=[_measure(str(name)) for name in rows["measure"]],
        ),
        slug=f"table-histology-{policy}",
        caption=heading,
        file="histology/accuracy.tsv",
        only=[*keep, "role", "note"],
        titles={"class_": "class", "numerator": "n", "denominator": "of"},
        ci=context.ci,
    )
    return Details(summary=heading, blocks=(table,))
