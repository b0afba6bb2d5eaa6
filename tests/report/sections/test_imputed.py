"""Answers over imputed values on the page: sentence, table and figure, from tables made by hand."""

import pandas as pd
import pytest

from qsmstats.plot.look import figure_style
from qsmstats.report.blocks import Details, ListBlock, Paragraph
from qsmstats.report.figures.files import Plates
from qsmstats.report.results.output_folder import Results
from qsmstats.report.sections.context import Context
from qsmstats.report.sections.lost_lesions import lost_lesions
from qsmstats.report.sections.rater_uncertainty import imputed_types
from qsmstats.studies.answer_files import write_table
from qsmstats.studies.missing_visits import NOTHING_LOST

OUTCOME = "mwf_percent"


def estimates(rows: int, low: float, high: float, p: float) -> dict[str, list]:
    middle, error = (low + high) / 2, (high - low) / 4
    return {
        "outcome": [OUTCOME] * rows,
        "estimate": [middle] * rows,
        "std_error": [error] * rows,
        **{f"conf_{end}{kind}": [at] * rows for end, at in (("low", low), ("high", high))
           for kind in ("", "_adjusted")},
        **{name: [p] * rows for name in ("p_value", "p_adjusted")},
        "null": [0.0] * rows,
        "fmi": [0.2] * rows,
    }  # fmt: skip


@pytest.fixture
def context(tmp_path):
    plates = Plates(folder=tmp_path, style=figure_style("screen"))
    return Context(results=Results(folder=tmp_path), plates=plates, study=None)


def test_a_difference_that_does_not_survive_is_named(context, tmp_path):
    table = pd.DataFrame(estimates(2, -0.1, 0.9, 0.2)).assign(
        first=["isointense"] * 2,
        second=["hyperintense", "hypointense"],
        contrast="",
        quantity="difference",
        unit="percent",
    )
    plain = {"estimate": 0.5, "conf_low": 0.1, "conf_high": 0.9, "p_value": 0.01}
    plain |= {"conf_low_adjusted": 0.1, "conf_high_adjusted": 0.9, "p_adjusted": 0.01}
    for name, value in plain.items():
        table[f"plain_{name}"] = [value, table[name].iloc[1]]
    write_table(table, tmp_path / "baseline_raters" / "contrasts.tsv")
    (folded,) = imputed_types(context, "baseline", OUTCOME)
    assert isinstance(folded, Details)
    assert "0 of 2 differences between types are significant" in folded.summary
    assert "(types taken as known: 1)" in folded.summary
    assert isinstance(folded.blocks[0], Paragraph)
    said = folded.blocks[0].text
    assert said.endswith("No longer significant: isointense − hyperintense.")
    cells = folded.blocks[-1].rows[0]
    assert [cell.text for cell in cells[1:5]] == ["0.50", "0.010", "0.40", "0.20"]
    assert [cell.aside for cell in cells[1:4:2]] == ["(0.10 to 0.90)", "(−0.10 to 0.90)"]
    assert imputed_types(context, "trajectory", OUTCOME) == []


def test_slopes_are_drawn_against_delta(context, tmp_path):
    slopes = pd.DataFrame(estimates(3, 0.1, 0.9, 0.01)).assign(
        lesion_type="isointense",
        delta=[-1.0, 0.0, 1.0],
        quantity="change",
        unit="percent per year",
        mc_error=0.01,
    )
    tipping = pd.DataFrame(
        {
            "outcome": [OUTCOME],
            "lesion_type": ["isointense"],
            "unit": ["percent"],
        }
    ).assign(
        n_lesions=9, n_lost=3, significant=True, delta=0.5, lowest=-1.0, highest=1.0, expected=5.0
    )
    write_table(slopes, tmp_path / "trajectory_delta" / "slopes.tsv")
    write_table(tipping, tmp_path / "trajectory_delta" / "tipping.tsv")
    (folded,) = lost_lesions(context, OUTCOME)
    listed, figure, *_ = folded.blocks
    assert folded.summary.startswith("3 of 9 lesions were lost: ")
    assert folded.summary.endswith("significance would change in isointense")
    assert isinstance(listed, ListBlock)
    assert "unless the mean of the lost lesions was 5.50 % or more" in listed.items[0]
    assert "Change in" in figure.caption
    assert len(folded.blocks[-1].rows) == 3
    assert (tmp_path / "trajectory_delta" / f"{OUTCOME}_delta.svg").is_file()


def test_where_no_lesion_was_lost_the_page_says_so_and_calls_it_no_failure(context, tmp_path):
    note = f"Could not be answered: {OUTCOME}: every lesion has a value; {NOTHING_LOST}"
    notes = pd.DataFrame({"outcome": [OUTCOME], "note": [note]})
    write_table(notes, tmp_path / "trajectory_delta" / "notes.tsv")
    (said,) = lost_lesions(context, OUTCOME)
    assert said.text.startswith("No lesion was lost")
