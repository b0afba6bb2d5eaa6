import warnings

import pandas as pd
import pytest
from matplotlib.image import imread

from qsmstats.errors import UsageError
from qsmstats.plot.look import figure_style
from qsmstats.report.figures.files import TOO_LONG, Plates, figure_formats
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


def test_every_format_that_is_asked_for_is_written_and_named(tmp_path):
    plates = Plates(folder=tmp_path, style=figure_style("single", dpi=100), formats=("png", "pdf"))
    block = drawn(plates, "x")
    assert block.files == ("a.png", "a.pdf")
    assert {path.name for path in tmp_path.glob("a.*")} == {"a.png", "a.pdf"}
    assert imread(tmp_path / "a.png").shape[1] == int(86 / 25.4 * 100)
    # Letters are embedded as a font that editors can write with.
    content = (tmp_path / "a.pdf").read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert "x</text>" in block.markup


@pytest.mark.parametrize("text", ["svg,eps", "", ","])
def test_a_format_that_is_not_available_is_told(text):
    with pytest.raises(UsageError, match="is not available; use one of svg, pdf, png"):
        figure_formats(text)
