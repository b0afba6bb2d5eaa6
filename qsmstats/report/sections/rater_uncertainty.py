"""Answers over imputed lesion types, beside those that take the types as known."""

from __future__ import annotations

import pandas as pd

from qsmstats.report.blocks import Block, Details, Paragraph
from qsmstats.report.sections.context import Context, notes
from qsmstats.wording.estimates import (
    is_told,
    quantity_and_unit,
    shown,
    with_pairs_titled,
)
from qsmstats.wording.names import capitalised, outcome_words, short_title
from qsmstats.wording.numbers import fixed

__all__ = ["beside", "imputed_types", "significant_in_both"]

PLAIN = "plain_"


def imputed_types(context: Context, folder: str, outcome: str) -> list[Block]:
    """Return a fold whose heading says the answer; nothing where no types were imputed.

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
    name = f"{folder}_raters/{'contrasts' if of_pairs else 'slopes'}"
    rows = context.results.rows(name, outcome)
    if rows.empty:
        return notes(context, f"{folder}_raters", outcome)
    before, after, turned = significant_in_both(rows, context.level)
    what = "differences between types" if of_pairs else "changes per year"
    summary = (
        f"With the raters' disagreement carried along, {after} of {len(rows)} {what} are"
        f" significant (types taken as known: {before})"
    )
    text = f"The largest fraction of missing information is {fixed(rows['fmi'].max(), 2)}."
    caption = (
        f"{capitalised(what)} in {outcome_words(outcome)}: types known, and imputed"
        " (adjusted intervals)"
    )
    p = f"{PLAIN}p_adjusted"
    first = "contrast" if of_pairs else "lesion_type"
    table = context.display(
        name,
        caption,
        outcome=outcome,
        only=(first, f"{PLAIN}estimate", p, "estimate", "p_adjusted", "fmi"),
        titles={
            "contrast": "pair",
            f"{PLAIN}estimate": "types known",
            p: "adj. p",
            "estimate": f"types imputed: {quantity_and_unit(rows)}",
            "p_adjusted": "adj. p, imputed",
            "fmi": "missing information",
        },
        keep=beside,
    )
    text = " ".join([text, *turned])
    above: list[Block] = [Paragraph(text=text), *notes(context, f"{folder}_raters", outcome)]
    return [Details(summary=summary, blocks=(*above, *([table] if table else [])))]


def _plain_answer(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the answer beside which a variant stands, under the names of an answer."""
    told = rows[["null", *(name for name in map(str, rows) if name.startswith(PLAIN))]]
    return told.rename(columns=lambda name: name.removeprefix(PLAIN))


def significant_in_both(rows: pd.DataFrame, level: float) -> tuple[int, int, list[str]]:
    """Count what is significant in the answer and in its variant, and say what turned."""
    before, after = (is_told(table, 1 - level) for table in (_plain_answer(rows), rows))
    turned = [
        f"{said} significant: {'; '.join(_names_of(rows[which]))}."
        for which, said in ((before & ~after, "No longer"), (~before & after, "Newly"))
        if which.any()
    ]
    return int(before.sum()), int(after.sum()), turned


def beside(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the intervals that are shown, of both answers."""
    plain = shown(_plain_answer(rows))[["conf_low", "conf_high"]].add_prefix(PLAIN)
    names = [f"{PLAIN}{name}" for name in ("conf_low", "conf_high")]
    made = shown(rows)
    made[names] = plain[names]
    return with_pairs_titled(made) if "first" in made else made


def _names_of(rows: pd.DataFrame) -> list[str]:
    """Return what pairs or types are called."""
    if "first" in rows:
        return list(with_pairs_titled(rows)["contrast"])
    return [short_title(str(level)) for level in rows["lesion_type"]]
