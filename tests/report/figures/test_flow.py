import pandas as pd

from qsmstats.report.figures.flow import flow_diagram
from tests.report.figures.drawn import phone


def test_a_flow_diagram_has_every_box(axes):
    steps = pd.DataFrame({"text": ["all", "read"], "aside": ["2 lost", ""]})
    flow_diagram(steps, axes)
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["all", "2 lost", "read"]


def test_narrow_flow_diagrams_break_their_lines():
    axes = phone().add_subplot()
    steps = pd.DataFrame(
        {"text": ["imaged\n12 participants, 14 sessions", "read"], "aside": ["lost\n2, 3", ""]}
    )
    flow_diagram(steps, axes)
    assert [text.get_text() for text in axes.texts if text.get_text()] == [
        "imaged\n12 participants\n14 sessions",
        "lost\n2\n3",
        "read",
    ]
