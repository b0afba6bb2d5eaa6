"""Histology: how well the type on MRI tells what the pathologist saw (STARD 2015, items 19-24)."""

from __future__ import annotations

import itertools

import pandas as pd
from matplotlib.figure import Figure

from qsmstats.accuracy.proportions import INDEPENDENT, RECOMMENDED
from qsmstats.report.blocks import Block, Details, FigureBlock, Heading, Notice, Section, TableBlock
from qsmstats.report.figures.accuracy import cluster_shares, confusion_matrix
from qsmstats.report.figures.forests import forest
from qsmstats.report.figures.style import INK, is_narrow
from qsmstats.report.frames.accuracy import (
    RATES,
    confusion_table,
    main_rows,
    unread_excluded,
)
from qsmstats.report.sections.context import Context, notes
from qsmstats.report.sections.roc import roc_blocks
from qsmstats.report.sections.stard import clustering_blocks, flow_blocks, item_blocks
from qsmstats.report.tables.tables import display
from qsmstats.report.wording.names import figure_name, method_title, short_title, title
from qsmstats.report.wording.numbers import count, share_interval, share_text

__all__ = ["section"]

# One grey level per role: what to lean on is darkest.
SHADES = {RECOMMENDED: INK, INDEPENDENT: "#D55E00"}
OTHER_SHADE = "#8C8C8C"
ALL_COLUMNS = (
    *("class_", "measure", "estimate", "numerator", "denominator", "method"),
    *("role", "note"),
)
MEASURES = {
    "dor": "DOR",
    "f1": "F1",
    "lr_negative": "negative LR",
    "lr_positive": "positive LR",
    "mcc": "MCC",
    "npv": "NPV",
    "ppv": "PPV",
    "youden": "Youden index",
}
# Steps of the flow of readings.
STEPS = {
    "index_excluded_by_policy": "type on MRI excluded beforehand",
    "index_missing": "type on MRI missing",
    "index_indeterminate": "type on MRI indeterminate",
    "index_read": "type on MRI read",
    "index_positive": "read as this class on MRI",
    "reference_excluded_by_policy": "histology excluded beforehand",
    "reference_missing": "histology missing",
    "reference_indeterminate": "histology indeterminate",
    "reference_positive": "this class in histology",
}


def section(context: Context) -> Section:
    """Return the section on accuracy against histology."""
    accuracy = context.results.rows("histology/accuracy")
    blocks: list[Block] = [*notes(context, "histology")]
    if accuracy.empty:
        text = "This study has no histology; accuracy was not analysed."
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
        axes.set_ylabel("type on MRI (index test)")
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
        narrow_height=1.9 + 0.55 * len(wide),
        caption="Type on MRI by histological class, all lesions.",
        reading="Each cell gives the number of lesions and the row percentage (darker: larger)."
        " Indeterminate and missing readings have separate rows and columns.",
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
            "share": [
                # Without a line break among the counts.
                f"{share_text(k, n)} "
                + f"({count(k)} of {count(n)})".replace(" ", "\N{NO-BREAK SPACE}")
                for k, n in zip(rows["numerator"], rows["denominator"], strict=True)
            ],
            "recommended": _limits(rows, "recommended"),
            "independent": _limits(rows, "independent"),
        }
    )
    level = f"{100 * context.level:g} %"
    block = display(
        shown,
        slug="table-histology-main",
        caption=f"One class against the rest: proportions, counts and {level} intervals",
        file="histology/accuracy.tsv",
        titles={
            "share": "proportion (counts)",
            "recommended": "recommended interval",
            "independent": "interval assuming independent lesions",
        },
        note="PPV and NPV apply to the prevalence in these brains only.",
    )
    return [block]


def _limits(rows: pd.DataFrame, prefix: str) -> list[str]:
    return [
        share_interval(row[f"{prefix}_low"], row[f"{prefix}_high"], row["denominator"])
        for _, row in rows.iterrows()
    ]


def _measure(name: str) -> str:
    return MEASURES.get(name, name.replace("_", " "))


def _intervals(context: Context) -> list[FigureBlock]:
    accuracy = context.results.rows("histology/accuracy")
    rows = accuracy[
        accuracy["measure"].isin(RATES) & unread_excluded(accuracy) & accuracy["conf_low"].notna()
    ]
    if rows.empty:
        return []
    classes = list(dict.fromkeys(rows["class_"]))
    rows = rows.assign(
        label=[method_title(str(name)) for name in rows["method"]],
        colour=[SHADES.get(str(role), OTHER_SHADE) for role in rows["role"]],
    )

    def paint(figure: Figure) -> None:
        narrow = is_narrow(figure)
        # Room for the ends of the axes' labels, which would meet between the columns.
        figure.set_layout_engine("constrained", wspace=0.06, hspace=0.06)
        shape = (len(classes) * len(RATES), 1) if narrow else (len(classes), len(RATES))
        panels = figure.subplots(*shape, squeeze=False, sharex=True).flat
        for axes, (name, measure) in zip(panels, itertools.product(classes, RATES), strict=True):
            mine = rows[(rows["class_"] == name) & (rows["measure"] == measure)]
            forest(mine, axes, reference=None)
            named = short_title(str(name)) if narrow else title(str(name))
            axes.set_title(f"{figure_name(named, lines=1)}: {measure}", loc="left")
            axes.set_xlim(-0.02, 1.02)
            axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
            axes.tick_params(labelleft=narrow or measure == RATES[0])

    methods = rows["method"].nunique()
    block = context.plates.draw(
        "histology/intervals",
        paint,
        height=0.4 + len(classes) * (0.6 + 0.22 * methods),
        narrow_height=0.4 + len(classes) * len(RATES) * (0.5 + 0.22 * methods),
        caption=f"Sensitivity and specificity: {100 * context.level:g} % intervals by method.",
        reading="Black: the method recommended for this number of brains. Orange: interval assuming"
        " independent lesions, too narrow if lesions within a brain are correlated. Grey: other"
        " methods. The marker of a Bayesian interval is the posterior median, not the observed"
        " proportion.",
        alt="Intervals of sensitivity and specificity by method, one panel per class. "
        + _spoken(main_rows(accuracy)),
    )
    return [block]


def _spoken(rows: pd.DataFrame) -> str:
    rates = rows[rows["measure"].isin(RATES)]
    return "; ".join(
        f"{short_title(str(row['class']))} {row['measure']}"
        f" {share_text(row['numerator'], row['denominator'])},"
        f" {share_interval(row['recommended_low'], row['recommended_high'], row['denominator'])}"
        for _, row in rates.iterrows()
    )


def _brains(context: Context) -> list[FigureBlock]:
    counts = context.results.rows("histology/clusters")
    if counts.empty:
        return []
    counts = counts.assign(label=[title(str(name)) for name in counts["class_"]])

    def paint(figure: Figure) -> None:
        narrow = is_narrow(figure)
        shape = (len(RATES), 1) if narrow else (1, len(RATES))
        for axes, measure in zip(figure.subplots(*shape), RATES, strict=True):
            cluster_shares(counts[counts["measure"] == measure], axes)
            axes.set_title(measure, loc="left")
            axes.tick_params(labelleft=narrow or measure == RATES[0])

    classes, brains = counts["class_"].nunique(), counts["cluster"].nunique()
    height = classes * max(0.5, 0.22 * brains)
    block = context.plates.draw(
        "histology/brains",
        paint,
        height=0.6 + height,
        narrow_height=0.6 + len(RATES) * (0.4 + height),
        caption="Sensitivity and specificity in each brain.",
        reading="One dot per brain; its area increases with the number of lesions, given beside it."
        " Large differences between brains suggest that lesions within a brain are correlated.",
        alt="Counts per brain: "
        + "; ".join(
            f"{title(str(row['class_']))} {row['measure']} {row['cluster']} {row['numerator']} of"
            f" {row['denominator']}"
            for _, row in counts.iterrows()
        ),
    )
    return [block]


def _tables(context: Context) -> list[Block]:
    blocks: list[Block] = [Heading(slug="histology-tables", text="Counts")]
    table = context.display(
        "histology/flow",
        "Lesions and brains at each step",
        titles={"n": "lesions"},
        keep=lambda rows: rows.assign(step=rows["step"].replace(STEPS)),
    )
    blocks += [table] if table else []
    accuracy = context.results.rows("histology/accuracy")
    for policy, heading in (
        ("exclude", "All measures and methods, missing and indeterminate readings excluded"),
        (
            "worst",
            "All measures and methods, missing and indeterminate readings counted as incorrect",
        ),
        ("best", "All measures and methods, missing and indeterminate readings counted as correct"),
    ):
        rows = accuracy[(accuracy["missing"] == policy) & (accuracy["indeterminate"] == policy)]
        if not rows.empty:
            table = display(
                rows.assign(
                    class_=[title(str(name)) for name in rows["class_"]],
                    measure=[_measure(str(name)) for name in rows["measure"]],
                ),
                slug=f"table-histology-{policy}",
                caption=heading,
                file="histology/accuracy.tsv",
                only=ALL_COLUMNS,
                titles={"class_": "class", "numerator": "n", "denominator": "of"},
                ci=context.ci,
            )
            blocks.append(Details(summary=heading, blocks=(table,)))
    return blocks
