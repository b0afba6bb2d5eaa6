"""What was asked, and the answer of each study in sentences with numbers."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from qsmstats.report.accuracy_frames import main_rows
from qsmstats.report.blocks import Block, Heading, ListBlock, Notice, Paragraph, Section
from qsmstats.report.names import outcome_title
from qsmstats.report.sections.context import Context
from qsmstats.report.sentences import (
    accuracy_sentences,
    change_sentence,
    difference_sentence,
    listed,
)

__all__ = ["answers", "question"]


def question(context: Context) -> Section:
    """Return the section that says what was asked."""
    asked = [
        "How do lesion types seen on susceptibility maps differ at the first session, from one"
        " another and from white matter?",
        "How does each lesion type change over time?",
        "How well does the type of a lesion tell what the pathologist saw?",
    ]
    outcomes = context.outcomes("baseline") or context.outcomes("trajectory")
    blocks: list[Block] = [ListBlock(items=tuple(asked))]
    if outcomes:
        maps = listed(outcome_title(outcome) for outcome in outcomes)
        blocks.append(Paragraph(text=f"Maps analysed: {maps}."))
    return Section(anchor="question", title="What was asked", blocks=tuple(blocks))


def answers(context: Context) -> Section:
    """Return the section with the answer of each study, one sentence per map."""
    alpha = 1 - context.level
    rows = context.results.rows
    parts = {
        "Lesion types at the first session": [
            difference_sentence(rows("baseline/contrasts", outcome), outcome, alpha, context.ci)
            for outcome in context.outcomes("baseline")
        ],
        "Change over time": [
            change_sentence(changes_per_year(context, outcome), outcome, alpha, context.ci)
            for outcome in context.outcomes("trajectory")
        ],
        "Histology": accuracy_sentences(main_rows(rows("histology/accuracy")), context.ci),
    }
    blocks: list[Block] = []
    for heading, sentences in parts.items():
        blocks += _part(heading, sentences)
    return Section(anchor="answers", title="The answers", blocks=tuple(blocks))


def _part(heading: str, sentences: Iterable[str]) -> list[Block]:
    said = tuple(sentence for sentence in sentences if sentence)
    slug = f"answer-{heading.split()[0].lower()}"
    body: Block = ListBlock(items=said) if said else Notice(text=UNANSWERED, warning=False)
    return [Heading(slug=slug, text=heading), body]


UNANSWERED = "This run does not answer this question: it holds no such comparison."


def changes_per_year(context: Context, outcome: str) -> pd.DataFrame:
    """Return the slopes of one map with the adjusted p of the same tests.

    A type's change over two years is twice its change per year, so that both have the same test;
    the table of changes carries its p adjusted over the types.
    """
    slopes = context.results.rows("trajectory/slopes", outcome)
    changes = context.results.rows("trajectory/changes", outcome)
    if "p_adjusted" in slopes or not {"lesion_type", "p_adjusted"} <= set(changes.columns):
        return slopes
    return slopes.merge(changes[["lesion_type", "p_adjusted"]], on="lesion_type", how="left")
