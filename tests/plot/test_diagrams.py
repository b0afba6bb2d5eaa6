from types import SimpleNamespace

import pandas as pd

from qsmstats.plot.diagrams import flow
from tests.plot.drawn import phone


def test_a_flow_diagram_has_every_box(axes):
    steps = pd.DataFrame({"text": ["all", "read"], "aside": ["2 lost", ""]})
    flow(steps, ax=axes)
    assert [text.get_text() for text in axes.texts] == ["all", "2 lost", "read"]
    # The arrow to a step begins behind the box before it, which covers its start.
    first, aside, last = axes.texts
    assert (last.xy, aside.xy) == (first.get_position(), (first.get_position()[0], -0.5))
    assert first.get_zorder() > last.get_zorder()


def test_stages_of_an_answer_say_how_many_left(axes):
    stages = pd.DataFrame(
        {"stage": ["all", "typed"], "n_participants": [3, 2], "n_observations": [9, 9]}
    )
    flow(SimpleNamespace(flow=stages.assign(note="")), ax=axes)
    assert [text.get_text() for text in axes.texts] == [
        "all\n3 participants, 9 observations",
        "1 participant less",
        "typed\n2 participants, 9 observations",
    ]


def test_narrow_flow_diagrams_break_their_lines():
    axes = phone().add_subplot()
    steps = pd.DataFrame(
        {"text": ["imaged\n12 participants, 14 sessions", "read"], "aside": ["lost\n2, 3", ""]}
    )
    flow(steps, ax=axes)
    assert [text.get_text() for text in axes.texts if text.get_text()] == [
        "imaged\n12 participants\n14 sessions",
        "lost\n2\n3",
        "read",
    ]
