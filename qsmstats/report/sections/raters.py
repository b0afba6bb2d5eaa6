"""Raters: how far they agree on the type of a lesion."""

from __future__ import annotations

from qsmstats.report.blocks import Block, Notice, Section
from qsmstats.report.sections.context import Context, notes

__all__ = ["section"]

CAPTIONS = {
    "agreement": "Agreement between raters on the type of a lesion",
    "disagreements": "Lesions on which raters disagree",
}
# Said elsewhere on the page, or part of the notes.
SKIPPED = {"raters/notes"}


def section(context: Context) -> Section:
    """Return the section on agreement between raters."""
    blocks: list[Block] = [*notes(context, "raters")]
    for name in context.results.names("raters"):
        short = name.removeprefix("raters/")
        caption = CAPTIONS.get(short, short.replace("_", " ").capitalize())
        table = None if name in SKIPPED else context.display(name, caption)
        blocks += [table] if table else []
    if not blocks:
        text = "This study holds no ratings by several raters."
        blocks.append(Notice(text=text, warning=False))
    return Section(anchor="raters", title="Agreement between raters", blocks=tuple(blocks))
