"""The section on patients."""

from __future__ import annotations

import re
from typing import get_args

import pandas as pd
import pytest

from qsmstats.plot.look import figure_style
from qsmstats.report.blocks import Details, FigureBlock, ListBlock, TableBlock
from qsmstats.report.figures.files import Plates
from qsmstats.report.results.output_folder import Results
from qsmstats.report.sections.context import Context
from qsmstats.report.sections.patients import QUESTIONS, section
from qsmstats.settings import PatientQuestion

from ..made import write

ROWS = [
    # question, analysis, outcome, variable, level, estimate, SE, p, adjusted, low, high
    ("counts", "NB", "isointense", "edss", None, 0.9, 0.1, 0.4, 0.4, 0.7, 1.1),
    ("counts", "NB", "paramagnetic_rim", "edss", None, 1.5, 0.1, 0.001, 0.002, 1.2, 1.8),
    ("counts", "NB", "isointense", "sex", "M / F", 1.1, 0.2, 0.6, 0.6, 0.8, 1.5),
    ("groups", "Fisher's exact test", "paramagnetic_rim", "sex", None, *[None] * 2, 0.01, 0.02),
    ("groups", "Kruskal-Wallis test", "paramagnetic_rim", "edss", None, *[None] * 2, 0.2, 0.2),
    ("change", "mixed", "ndi", "edss", None, -0.0004, 0.0001, 0.001, 0.003, -0.0006, -0.0002),
]
COLUMNS = [
    *("question", "analysis", "outcome", "variable", "level", "estimate", "std_error"),
    *("p_value", "p_adjusted", "conf_low", "conf_high"),
]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("patients")
    rows = pd.DataFrame([[*row, None, None][: len(COLUMNS)] for row in ROWS], columns=COLUMNS)
    change = rows["question"] == "change"
    rows["quantity"] = rows["estimate"].notna().map({True: "rate ratio", False: None})
    rows.loc[change, "quantity"] = "difference in change"
    rows["unit"] = "per unit of EDSS"
    rows.loc[change, "unit"] = "fraction per year, per unit of EDSS"
    rows.loc[rows["variable"] == "sex", "unit"] = None
    rows["n_participants"] = 70
    write(rows, tmp_path / "patients" / "associations.tsv")
    people = pd.DataFrame({"participant_id": [f"sub-{at}" for at in range(6)], "years": 0.0})
    people = people.assign(n_lesions=9.0, edss=[1, 2, 3, 4, 5, 6])
    people = people.assign(n_paramagnetic_rim=[0, 0, 1, 2, 3, None])
    people.loc[5, "n_lesions"] = None  # not measured
    write(people, tmp_path / "patients.tsv")
    groups = {"lesion_type": ["paramagnetic_rim"] * 2, "group": ["0", "1 or more"]}
    groups = pd.DataFrame(groups).assign(n_participants=[30, 40], share=[3 / 7, 4 / 7])
    write(groups, tmp_path / "patients" / "groups.tsv")
    notes = pd.DataFrame({"outcome": [None], "note": ["Of 70 patients, 70 were measured."]})
    write(notes, tmp_path / "patients" / "notes.tsv")
    return section(context(tmp_path))


def context(folder):
    plates = Plates(folder=folder, style=figure_style("screen"))
    return Context(results=Results(folder=folder), plates=plates, study=None)


def test_each_question_says_what_its_tests_show(drawn):
    (said,) = (block for block in drawn.blocks if isinstance(block, ListBlock))
    counts, groups, change = said.items
    assert "in 1 of 3 tests: PRL by EDSS (rate ratio per unit of EDSS: 1.50, 95" in counts
    assert "PRL by sex (Fisher's exact test; adjusted p" in groups
    assert "NDI by EDSS (difference in change, fraction per year, per unit of EDSS" in change
    assert "\N{MINUS SIGN}0.0004" in change


def test_two_figures_and_the_numbers_folded(drawn):
    counts, groups = (block for block in drawn.blocks if isinstance(block, FigureBlock))
    assert "isointense 0.90" in counts.markup
    assert "sex" not in counts.markup
    # Two patients without a PRL and three with one; the sixth was not measured.
    assert [f"n = {count}" in groups.markup for count in (2, 3, 4)] == [True, True, False]
    assert re.search("EDSS by number of lesions, adjusted p.=.0.20", groups.markup)
    told, outer = (block for block in drawn.blocks if isinstance(block, Details))
    assert told.blocks[0].text == "Of 70 patients, 70 were measured."
    tables = [block for block in outer.blocks if isinstance(block, TableBlock)]
    assert [len(table.rows) for table in tables] == [2, 2]
    (folded,) = (block for block in outer.blocks if isinstance(block, Details))
    assert len(folded.blocks[0].rows) == len(ROWS)
    texts = [cell.text for row in folded.blocks[0].rows for cell in row]
    assert "sex, M / F" in texts


def test_a_run_without_such_questions_has_no_section_and_one_without_answers_a_sentence(tmp_path):
    assert section(context(tmp_path)) is None
    notes = pd.DataFrame({"outcome": [None], "note": ["Nothing was asked."]})
    write(notes, tmp_path / "patients" / "notes.tsv")
    blocks = section(context(tmp_path)).blocks
    assert [getattr(block, "text", "") for block in blocks] == [
        "No association of lesions with clinical variables could be analysed.",
        "Nothing was asked.",
    ]


def test_every_question_has_a_title():
    assert set(QUESTIONS) == set(get_args(PatientQuestion))
