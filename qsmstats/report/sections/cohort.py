"""Who was studied: flow of participants (STROBE item 13), Table 1 (item 14), census of lesions."""

from __future__ import annotations

from qsmstats.report.blocks import Block, Notice, Section
from qsmstats.report.sections.context import Context

__all__ = ["census", "flow", "participants"]


def flow(context: Context) -> Section:
    """Return the section that counts participants, sessions and lesions at each stage."""
    table = context.display(
        "cohort/flow",
        "Participants, sessions and lesions at each stage, and why some were left out",
    )
    return _section(
        "flow", "Study flow", table, "This run holds no counts of the flow of participants."
    )


def participants(context: Context) -> Section:
    """Return Table 1."""
    table = context.display("cohort/participants", "Participants by group")
    return _section(
        "participants", "Participants", table, "This run holds no table of participants."
    )


def census(context: Context) -> Section:
    """Return the section that counts lesions by type."""
    table = context.display("cohort/lesions", "Lesions by type")
    return _section("lesions", "Lesions by type", table, "This run holds no census of lesions.")


def _section(anchor: str, title: str, table: Block | None, sentence: str) -> Section:
    block = table or Notice(text=sentence, warning=False)
    return Section(anchor=anchor, title=title, blocks=(block,))
