"""The section on transitions."""

from __future__ import annotations

import pandas as pd

from qsmstats.report.blocks import Details, FigureBlock, ListBlock, Paragraph
from qsmstats.report.sections.transitions import section
from qsmstats.studies.answer_files import write_answer
from qsmstats.studies.transitions.type_transitions import type_transitions
from tests.report.made import write
from tests.studies.transitions.made import made

from .test_patients import context


def test_sentences_one_figure_of_few_nodes_and_folded_tables(tmp_path):
    lesions, visits = made([["ih", "ii", "pp", "p-"]] * 3 + [["ii", "pp"]] * 9)
    write_answer(type_transitions(lesions, patients=visits), tmp_path / "transitions")
    blocks = section(context(tmp_path)).blocks
    said = next(block for block in blocks if isinstance(block, ListBlock)).items
    assert said[0].startswith("Another type at the next visit: 5.6 per 100 lesion-years (95")
    assert "3 changes in 3 of 12 patients" in said[0]
    assert "3 lesions in 3 of 12 patients" in said[1]
    assert "PRL to no rim: none in 12 patients; 95" in said[3]
    (figure,) = (block for block in blocks if isinstance(block, FigureBlock))
    assert "isointense to hyperintense 3" in figure.markup
    assert (tmp_path / "transitions" / "flows.svg").read_text().count("</") < 300
    (folded,) = (block for block in blocks if isinstance(block, Details))
    captions = [table.caption for table in folded.blocks]
    assert "Which lesions change their type: hazard ratios" not in captions
    heads = [column.title for column in folded.blocks[0].columns]
    assert heads[:3] == ["from", "to", "rate (95\u00a0%\u00a0CI)"]


def test_a_run_that_could_not_answer_has_a_sentence_and_one_without_has_no_section(tmp_path):
    assert section(context(tmp_path)) is None
    notes = pd.DataFrame({"outcome": ["transitions"], "note": ["Could not be answered: one visit"]})
    write(notes, tmp_path / "transitions" / "notes.tsv")
    (block,) = section(context(tmp_path)).blocks
    assert isinstance(block, Paragraph)
    assert "one visit" in block.text
