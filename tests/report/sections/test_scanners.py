"""The section on scanners, and the folds with answers from harmonised outcomes."""

import numpy as np
import pandas as pd
import pytest

from qsmstats.plot.look import STYLES
from qsmstats.report.figures.files import Plates
from qsmstats.report.results.output_folder import Results
from qsmstats.report.sections.context import Context
from qsmstats.report.sections.scanners import harmonised, section
from tests.report import made

COUNTS = pd.DataFrame(
    {
        "scanner": [1, 2, 2],
        "group": ["MS", "HC", "MS"],
        "n_participants": [3, 2, 4],
        "n_sessions": [3, 2, 5],
        "n_later_sessions": [0, 0, 1],
    }
)
TISSUE = pd.DataFrame(
    {
        "participant_id": list("abcdefg"),
        "tissue": ["nawm"] * 5 + ["hc_white_matter", "isointense"],
        "scanner": [1, 1, 2, 2, 2, 2, 1],
        "ndi": [0.5, 0.52, 0.6, 0.62, 0.64, 0.7, 0.1],
    }
)


@pytest.fixture
def context(tmp_path):
    plates = Plates(folder=tmp_path, style=STYLES["screen"], formats=("svg",))
    return Context(results=Results(folder=tmp_path), plates=plates, study=None)


def test_white_matter_is_drawn_by_scanner_and_participants_are_counted(context, tmp_path):
    made.write(COUNTS, tmp_path / "cohort" / "scanners.tsv")
    made.write(TISSUE, tmp_path / "tissue.tsv")
    part = section(context)
    figure, fold = part.blocks
    assert (part.anchor, figure.files) == ("scanners", ("cohort/scanners_white_matter.svg",))
    # Medians of 0.51 and 0.62, deviations from the means of 0.01, 0.01, 0.02, 0 and 0.02.
    spread = 0.11 / np.std([0.01, -0.01, 0.02, 0.0, -0.02], ddof=1)
    assert f"NDI {spread:.1f}." in figure.reading
    assert "MWF" not in figure.reading
    (table,) = fold.blocks
    cells = [[cell.text for cell in row] for row in table.rows]
    assert cells == [
        ["1", "patients", "3", "3", "0"],
        ["2", "controls", "2", "2", "0"],
        ["2", "patients", "4", "5", "1"],
    ]


def test_without_white_matter_only_counts_are_left_and_one_scanner_has_no_section(
    context, tmp_path
):
    assert section(context) is None
    made.write(COUNTS[:1], tmp_path / "cohort" / "scanners.tsv")
    assert section(Context(results=Results(folder=tmp_path), plates=None, study=None)) is None
    made.write(COUNTS, tmp_path / "cohort" / "scanners.tsv")
    notice, _ = section(Context(results=Results(folder=tmp_path), plates=None, study=None)).blocks
    assert notice.text == "No white matter was measured to compare scanners by."


def test_both_answers_stand_side_by_side_in_a_fold(context, tmp_path):
    table = made.contrasts([6.0, 6.1, 4.0, 4.2, 3.0], 0.3)
    plain = table.assign(
        estimate=table["estimate"] / 4, p_adjusted=0.5, conf_low_adjusted=-1, conf_high_adjusted=1
    )
    names = ["estimate", "conf_low", "conf_high", "p_value"]
    names += ["conf_low_adjusted", "conf_high_adjusted", "p_adjusted"]
    both = table.join(plain[names].add_prefix("plain_"))
    both = both.assign(outcome="ndi", quantity="difference", unit="fraction", null=0, note="")
    made.write(both, tmp_path / "baseline_harmonised" / "contrasts.tsv")
    note = pd.DataFrame({"outcome": ["ndi"], "note": ["They look more certain than they are."]})
    made.write(note, tmp_path / "baseline_harmonised" / "notes.tsv")
    (fold,) = harmonised(context, "baseline", "ndi")
    told = int((table["p_adjusted"] < 0.05).sum())
    assert fold.summary == (
        f"With NDI harmonised across scanners, {told} of 10 differences between types are"
        " significant (scanner in the model: 0)"
    )
    turned, said, shown = fold.blocks
    assert turned.text.startswith("Newly significant: ")
    assert said.text == "They look more certain than they are."
    assert [column.title for column in shown.columns] == [
        "pair",
        "scanner in the model (95\u00a0%\u00a0CI)",
        "adj. p",
        "harmonised: difference (95\u00a0%\u00a0CI)",
        "adj. p, harmonised",
    ]
    assert len(shown.rows) == 10


def test_an_answer_that_could_not_be_harmonised_is_said_in_words(context, tmp_path):
    note = pd.DataFrame({"outcome": ["ndi"], "note": ["Could not be answered: one scanner only."]})
    made.write(note, tmp_path / "trajectory_harmonised" / "notes.tsv")
    (said,) = harmonised(context, "trajectory", "ndi")
    assert said.text == "Harmonised across scanners: Could not be answered: one scanner only."
