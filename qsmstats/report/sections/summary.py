"""What was asked, and the answer of each study in sentences with numbers."""

from __future__ import annotations

from qsmstats.report.blocks import Block, Heading, ListBlock, Notice, Paragraph, Section
from qsmstats.report.frames.accuracy import main_rows
from qsmstats.report.frames.estimates import with_white_matter
from qsmstats.report.sections.context import Context
from qsmstats.report.wording.names import outcome_words
from qsmstats.report.wording.sentences import (
    accuracy_sentences,
    change_sentence,
    check_sentence,
    difference_sentence,
)

__all__ = ["answers", "question"]

UNANSWERED = "Not analysed in this run."


def question(context: Context) -> Section:
    """Return the section that says what was asked."""
    asked = [
        "How do lesion types differ from one another and from white matter at the first session?",
        "How does each lesion type change over time?",
        "How accurately does the lesion type on MRI predict the histological class?",
    ]
    if not context.results.rows("patients/associations").empty:
        asked.append("How are a patient's lesions related to clinical variables?")
    outcomes = context.outcomes("baseline") or context.outcomes("trajectory")
    blocks: list[Block] = [ListBlock(items=tuple(asked))]
    if outcomes:
        # A title may have a comma before its feature.
        named = "; ".join(outcome_words(outcome) for outcome in outcomes)
        blocks.append(Paragraph(text=f"Outcomes analysed: {named}."))
    return Section(anchor="question", title="Questions", blocks=tuple(blocks))


def answers(context: Context) -> Section:
    """Return the section with the answer of each study, one sentence per map."""
    alpha = 1 - context.level
    rows = context.results.rows
    parts = {
        "Lesion types at the first session": [
            difference_sentence(rows("baseline/contrasts", outcome), outcome, alpha, context.ci)
            for outcome in context.outcomes("baseline")
        ],
        "Lesions compared with white matter": [
            difference_sentence(
                with_white_matter(rows("tissue/contrasts", outcome)), outcome, alpha, context.ci
            )
            for outcome in context.outcomes("tissue")
        ],
        "Change over time": [
            change_sentence(rows("trajectory/slopes", outcome), outcome, alpha, context.ci)
            for outcome in context.outcomes("trajectory")
        ],
        "Accuracy against histology": accuracy_sentences(
            main_rows(rows("histology/accuracy")), f"{100 * context.level:g}\u00a0% interval"
        ),
    }
    studies = dict(zip(parts, ("baseline", "tissue", "trajectory"), strict=False))
    blocks: list[Block] = []
    for heading, sentences in parts.items():
        said = tuple(filter(None, sentences))
        blocks += [
            Heading(slug=f"answer-{heading.replace(' ', '-').lower()}", text=heading),
            ListBlock(items=said) if said else Notice(text=UNANSWERED, warning=False),
        ]
        if folder := studies.get(heading):
            checks = (
                check_sentence(rows(f"{folder}/checks", outcome), outcome)
                for outcome in context.outcomes(folder)
            )
            blocks += [Notice(text=sentence) for sentence in checks if sentence]
    return Section(anchor="answers", title="Main results", blocks=tuple(blocks))
