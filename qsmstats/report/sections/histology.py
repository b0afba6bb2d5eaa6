"""Histology: how well the type on MRI tells what the pathologist saw (STARD 2015, items 19-24)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from qsmstats import plot
from qsmstats.plot.agreement import RATES, cluster_shares, confusion_table
from qsmstats.plot.forests import forest, forest_height
from qsmstats.plot.look import is_narrow
from qsmstats.report.blocks import Block, Details, FigureBlock, ListBlock, Notice, Section
from qsmstats.report.frames.accuracy import main_rows
from qsmstats.report.sections.context import Context, notes
from qsmstats.report.sections.roc import roc_blocks
from qsmstats.report.sections.stard import clustering_blocks, flow_blocks, item_blocks
from qsmstats.report.tables.tables import display
from qsmstats.wording.names import method_title, title
from qsmstats.wording.numbers import count, share_interval, share_text
from qsmstats.wording.sentences import accuracy_sentences, interval_title

__all__ = ["section"]

POLICIES = {
    "exclude": "excluded",
    "worst": "counted as incorrect",
    "best": "counted as correct",
}
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
    said = notes(context, "histology")
    blocks: list[Block] = []
    if accuracy.empty:
        blocks += said
        text = "This study has no histology; accuracy was not analysed."
        blocks.append(Notice(text=text, warning=False))
    else:
        level = f"{100 * context.level:g}\N{NO-BREAK SPACE}%"
        blocks.append(ListBlock(items=tuple(accuracy_sentences(main_rows(accuracy), level))))
        blocks += [*_confusion(context), *_intervals(context)]
        below = "What was left out or assumed"
        blocks += [Details(summary=below, blocks=tuple(said))] if said else []
        blocks += [*_folded_figures(context), *clustering_blocks(context)]
        blocks += [*_tables(context), *item_blocks(context)]
    return Section(anchor="histology", title="Accuracy against histology", blocks=tuple(blocks))


def _folded_figures(context: Context) -> list[Block]:
    """Return the flow of the readings, the counts in each brain and the ROC curves, folded."""
    folds: dict[str, Sequence[Block]] = {
        "Flow of post-mortem lesions": flow_blocks(context),
        "Sensitivity and specificity in each brain": _brains(context),
        "Continuous features: ROC curves, areas and cut-offs": roc_blocks(context),
    }
    return [Details(summary=name, blocks=tuple(inside)) for name, inside in folds.items() if inside]


def _confusion(context: Context) -> list[FigureBlock]:
    wide = confusion_table(context.results.rows("histology/confusion"))
    if wide.empty:
        return []

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        plot.confusion(wide, ax=axes)
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
        height=1.2 + 0.47 * len(wide),
        narrow_height=1.9 + 0.55 * len(wide),
        caption="Type on MRI by histological class, all lesions.",
        reading="Each cell gives the number of lesions and the row percentage (darker: larger)."
        " Indeterminate and missing readings have separate rows and columns.",
        alt=f"Confusion matrix. {spoken}.",
    )
    return [block]


def _measure(name: str) -> str:
    return MEASURES.get(name, name.replace("_", " "))


def _intervals(context: Context) -> list[FigureBlock]:
    """Draw the observed proportions, each with the interval that the sentences give."""
    rows = main_rows(context.results.rows("histology/accuracy"))
    rows = rows[rows["measure"].isin(RATES) & rows["low"].notna()] if len(rows) else rows
    if rows.empty:
        return []
    rows = rows.rename(columns={"share": "estimate", "low": "conf_low", "high": "conf_high"})
    rows = rows.assign(
        label=[title(str(name)) for name in rows["class"]],
        text=[
            f"{share_text(k, n)} ({share_interval(low, high, n)})"
            for k, n, low, high in zip(
                rows["numerator"], rows["denominator"], rows["conf_low"], rows["conf_high"],
                strict=True,
            )
        ],
    )  # fmt: skip

    def paint(figure: Figure) -> None:
        shape = (len(RATES), 1)
        for axes, measure in zip(figure.subplots(*shape, sharex=True), RATES, strict=True):
            forest(rows[rows["measure"] == measure], axes, reference=None)
            axes.set_title(measure, loc="left")
            # Room for the whole of a marker at 0 or 100 %.
            axes.set_xlim(-0.04, 1.04)
            axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])

    classes = rows["class"].nunique()
    wide, narrow = forest_height(classes)
    methods = " or ".join(map(method_title, dict.fromkeys(rows["method"].astype(str))))
    kinds = " or ".join(dict.fromkeys(map(interval_title, rows["method"].astype(str))))
    block = context.plates.draw(
        "histology/intervals",
        paint,
        height=len(RATES) * wide,
        narrow_height=len(RATES) * narrow,
        caption="Sensitivity and specificity, each class against the rest.",
        reading=f"Markers: observed proportion. Lines: {100 * context.level:g} % {kinds}"
        f" ({methods}). All other methods stand in the tables below.",
        alt="Sensitivity and specificity with their intervals. "
        + "; ".join(f"{row['label']} {row['measure']} {row['text']}" for _, row in rows.iterrows()),
    )
    return [block]


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
    """Return the counts, and every measure by every method, folded."""
    counts = context.display(
        "histology/flow",
        "Lesions and brains at each step",
        titles={"n": "lesions"},
        keep=lambda rows: rows.assign(step=rows["step"].replace(STEPS)),
    )
    blocks: list[Block] = []
    blocks += [Details(summary="Counts at each step", blocks=(counts,))] if counts else []
    accuracy = context.results.rows("histology/accuracy")
    for policy, how in POLICIES.items():
        rows = accuracy[(accuracy["missing"] == policy) & (accuracy["indeterminate"] == policy)]
        if not rows.empty:
            heading = f"All measures and methods, missing and indeterminate readings {how}"
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
                note="PPV and NPV apply to the prevalence in these brains only. The estimate of a"
                " Bayesian interval is the posterior median, not the observed proportion.",
            )
            blocks.append(Details(summary=heading, blocks=(table,)))
    return blocks
