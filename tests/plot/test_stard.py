import pandas as pd

from qsmstats.plot.stard import stard_diagram
from tests.plot.drawn import phone


def test_the_stard_diagram_has_a_box_per_step_result_and_outcome(axes):
    steps = pd.DataFrame({"text": ["eligible", "analysed"], "aside": ["1 missing", ""]})
    branches = pd.DataFrame({"result": ["QSM: a", "QSM: b"], "outcome": ["a 3", "b 2"]})
    stard_diagram(steps, branches, axes)
    drawn = [text for text in axes.texts if text.get_text()]
    assert [text.get_text() for text in drawn] == [
        *("eligible", "1 missing", "analysed"),
        *("QSM: a", "a 3", "QSM: b", "b 2"),
    ]
    heights = {text.get_text(): text.get_position()[1] for text in drawn}
    assert heights["analysed"] > heights["QSM: a"] > heights["a 3"] > axes.get_ylim()[0]
    assert heights["QSM: a"] == heights["QSM: b"]


def test_the_stard_diagram_without_results_ends_with_the_steps(axes):
    steps = pd.DataFrame({"text": ["eligible"], "aside": [""]})
    stard_diagram(steps, pd.DataFrame(columns=["result", "outcome"]), axes)
    assert [text.get_text() for text in axes.texts] == ["eligible"]


def test_the_narrow_stard_diagram_has_its_branches_below_one_another():
    axes = phone().add_subplot()
    steps = pd.DataFrame({"text": ["eligible", "analysed"], "aside": ["", ""]})
    branches = pd.DataFrame({"result": ["QSM: a", "QSM: b"], "outcome": ["a 3", "b 2"]})
    stard_diagram(steps, branches, axes)
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts if text.get_text()}
    assert heights["analysed"] > heights["QSM: a"] == heights["a 3"] > heights["QSM: b"]
    assert axes.get_ylim()[0] < heights["b 2"]
