"""Raters: how far they agree on the type of a lesion, and where they do not."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from qsmstats.accuracy.proportions import INDEPENDENT, RECOMMENDED, REFUSED
from qsmstats.plot.forests import forest, forest_height
from qsmstats.plot.look import INK, colour, marker
from qsmstats.report.blocks import Block, Details, FigureBlock, Notice, Paragraph, Section
from qsmstats.report.sections.context import Context, notes
from qsmstats.voxels.lesion_types import KNOWN_TYPES, QSM, not_suggested
from qsmstats.wording.names import (
    capitalised,
    coefficient_title,
    in_words,
    lesion_types,
    title,
)
from qsmstats.wording.numbers import fixed, interval

__all__ = ["agreement_rows", "section"]

ROLES = (RECOMMENDED, INDEPENDENT)
# Coefficients whose values per type are drawn; the others stand in the table.
PER_TYPE = "fleiss_kappa"
COLUMNS = (
    *("coefficient", "category", "raters", "estimate", "std_error", "n_units"),
    *("method", "role", "note"),
)
FOLDED = {
    "disagreements": "Lesions on which the raters disagree",
    "differs_from_consensus": "Lesions whose type in the lesions table differs from the consensus",
}
IMAGES = {
    "types/disputed": "Lesions whose images suggest a type other than that in the lesions table",
    "types/confusion": "Types in the lesions table by types that a rule derives from the images",
}


def section(context: Context) -> Section:
    """Return the section on agreement between raters."""
    blocks: list[Block] = [*notes(context, "raters"), *_figure(context)]
    rows = context.results.rows("raters/agreement")
    if not rows.empty:
        caption = "All agreement coefficients"
        blocks += _folded(context, "raters/agreement", caption, COLUMNS)
        for name, caption in FOLDED.items():
            blocks += _folded(context, f"raters/{name}", caption)
    for name, caption in IMAGES.items():
        blocks += _folded(context, name, caption)
    types = context.schemas.lesion_types
    if QSM in context.maps("baseline") and set(types) != set(KNOWN_TYPES):
        text = f"{capitalised(not_suggested(map(title, types)))}."
        blocks.append(Paragraph(text=in_words(text)))
    if not blocks:
        text = (
            "This study has no ratings by several raters: the types of lesions are taken as known."
        )
        blocks.append(Notice(text=text, warning=False))
    return Section(anchor="raters", title="Agreement between raters", blocks=tuple(blocks))


def agreement_rows(agreement: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the forest: coefficients over all types, then one kappa per type.

    Parameters
    ----------
    agreement
        Frame of `qsmstats.agreement`.

    Returns
    -------
    DataFrame
        Rows of `agreement`, each coefficient once with its recommended interval (where there is
        none, with the one that assumes independent lesions), and their label, colour and marker.
    """
    usable = agreement[agreement["role"] != REFUSED].copy()
    order = {role: place for place, role in enumerate(ROLES)}
    usable["place"] = usable["role"].map(order).fillna(len(order))
    usable = usable.sort_values("place", kind="stable").sort_index(kind="stable")
    best = usable.loc[
        usable.groupby(["coefficient", "category", "raters"], sort=False)["place"].idxmin()
    ]
    typed = best["category"].isin(lesion_types())
    chosen = pd.concat([best[~typed], best[typed & (best["coefficient"] == PER_TYPE)]])
    levels = [str(level) for level in chosen["category"]]
    return chosen.assign(
        label=[_label(row) for _, row in chosen.iterrows()],
        colour=[colour(level) if level in lesion_types() else INK for level in levels],
        marker=[marker(level) for level in levels],
        text=[
            f"{fixed(row['estimate'], 2)} ({interval(row['conf_low'], row['conf_high'], 2)})"
            for _, row in chosen.iterrows()
        ],
    )


def _label(row: pd.Series) -> str:
    name = coefficient_title(str(row["coefficient"]))
    if row["category"] in lesion_types():
        return f"{title(str(row['category']))}: {name}"
    pair = str(row["raters"])
    return f"{name}, {pair.replace(' - ', ' and ')}" if " - " in pair else name


def _figure(context: Context) -> list[FigureBlock]:
    agreement = context.results.rows("raters/agreement")
    rows = agreement_rows(agreement).dropna(subset=["estimate"])
    if rows.empty:
        return []
    wide, narrow = forest_height(len(rows))

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        forest(rows, axes, column_title=f"estimate ({context.ci})")
        axes.set_xlim(min(0.0, float(rows["conf_low"].min())), 1.0)
        axes.set_xlabel("agreement")

    spoken = "; ".join(f"{row['label']} {row['text']}" for _, row in rows.iterrows())
    block = context.plates.draw(
        "raters/agreement",
        paint,
        height=wide,
        narrow_height=narrow,
        caption="Agreement between raters, over all types and for each type against the others.",
        reading="1: perfect agreement; 0: agreement expected by chance (except for the observed"
        " agreement). Intervals come from resampling participants where there are enough of them.",
        alt=f"Forest of agreement coefficients: {spoken}.",
    )
    return [block]


def _folded(context: Context, name: str, caption: str, only: tuple[str, ...] = ()) -> list[Block]:
    table = context.display(name, caption, only=only)
    return [Details(summary=caption, blocks=(table,), lazy=True)] if table else []
