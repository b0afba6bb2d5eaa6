import warnings

import pandas as pd
import pytest

from qsmstats.report.figures.files import TOO_LONG, Plates
from qsmstats.report.figures.style import figure_style
from qsmstats.report.results.output_folder import Results
from qsmstats.report.sections.context import Context
from qsmstats.report.sections.roc import roc_blocks
from tests.report import made


@pytest.fixture
def plates(tmp_path):
    return Plates(folder=tmp_path, style=figure_style("screen"))


def drawn(plates, label):
    def paint(figure):
        figure.add_subplot().set_ylabel(label, rotation=0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return plates.draw("a", paint, height=2, caption="c", reading="Read.", alt="alt")


def test_a_figure_without_room_for_its_names_says_so_and_matplotlib_does_not(plates):
    assert drawn(plates, made.LONG).reading == f"Read. {TOO_LONG}"
    assert drawn(plates, "short").reading == "Read."


def test_letters_that_matplotlib_lacks_are_left_to_the_browser(plates):
    assert "病変</text>" in drawn(plates, "病変").markup


@pytest.mark.parametrize("name", ["$\\alpha$", "$\\frac{$", "5$", "100 %", "{x}", "a_b^c"])
def test_a_name_is_no_formula(plates, name):
    assert f">{name}</text>" in drawn(plates, name).markup


def test_a_name_that_looks_like_markup_stays_text(plates):
    name = 'id="x" href="#y" url(#z) font-family: q; x="1.23456" <script>'
    markup = drawn(plates, name).markup
    assert name.replace("<", "&lt;").replace(">", "&gt;") in markup
    assert "<script" not in markup


def test_many_classes_have_room_in_the_legend(tmp_path, plates):
    rows = [
        {"feature": "ndi", "class_": f"class {number}", "sensitivity": x, "specificity": 1 - x}
        for number in range(30)
        for x in (0.0, 1.0)
    ]
    made.write(pd.DataFrame(rows), tmp_path / "histology" / "roc.tsv")
    context = Context(results=Results(folder=tmp_path), plates=plates, study=None)
    assert TOO_LONG not in roc_blocks(context)[0].reading
