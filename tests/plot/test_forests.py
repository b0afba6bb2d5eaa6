from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import InvalidDataError
from qsmstats.plot.forests import contrasts, forest
from qsmstats.plot.look import colour
from tests.plot.drawn import labels, phone


def test_a_forest_stands_in_the_order_of_its_rows_and_survives_a_missing_interval(axes):
    frame = pd.DataFrame(
        {
            "label": ["first", "second"],
            "estimate": [1.0, 2.0],
            "conf_low": [0.5, np.nan],
            "conf_high": [1.5, np.nan],
            "filled": [True, False],
            "text": ["1.0 (0.5 to 1.5)", None],
        }
    )
    forest(frame, axes, column_title="estimate")
    heights = dict(zip(labels(axes), axes.get_yticks(), strict=True))
    assert heights["first"] > heights["second"]
    faces = [line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "o"]
    assert faces[1] == "white" != faces[0]
    assert [text.get_text() for text in axes.texts] == ["1.0 (0.5 to 1.5)", "estimate"]


def test_in_a_narrow_forest_labels_and_short_numbers_stand_above_their_intervals():
    axes = phone().add_subplot()
    frame = pd.DataFrame(
        {
            "label": ["first", "second"],
            "estimate": [1.0, 2.0],
            "conf_low": [0.5, 1.0],
            "conf_high": [1.5, 3.0],
            "text": ["1.0 (0.5 to 1.5), 0.04", None],
            "brief": ["1.0 (0.5 to 1.5)", None],
        }
    )
    forest(frame, axes, column_title="estimate")
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert set(heights) == {"first", "1.0 (0.5 to 1.5)", "second"}
    assert heights["first"] == heights["1.0 (0.5 to 1.5)"] > 1 > heights["second"] > 0
    assert list(axes.get_yticks()) == []


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.9, 1.2, [0.9, 1.0, 1.1, 1.2]), (0.5, 6.0, [0.5, 0.7, 1, 1.5, 2, 3, 5])],
)
def test_ratios_stand_on_a_logarithmic_axis_around_one(axes, low, high, ticks):
    frame = pd.DataFrame(
        {"label": ["a / b"], "estimate": [(low * high) ** 0.5], "conf_low": low, "conf_high": high}
    )
    forest(frame, axes, reference=1.0)
    axes.figure.canvas.draw()
    assert axes.get_xscale() == "log"
    shown = [tick for tick in axes.get_xticks() if low - 1e-9 < tick < high + 1e-9]
    assert shown == pytest.approx(ticks)
    assert {line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"} == {1.0}
    middle = axes.transData.transform([[frame["estimate"][0], 0], [low, 0], [high, 0]])[:, 0]
    assert middle[0] == pytest.approx((middle[1] + middle[2]) / 2)


TABLE = pd.DataFrame(
    {
        "contrast": ["isointense - paramagnetic_rim", "isointense - hypointense"],
        "first": "isointense",
        "second": ["paramagnetic_rim", "hypointense"],
        "estimate": [1.25, -0.5],
        "std_error": 0.25,
        "p_value": [0.01, 0.04],
        "p_adjusted": [0.02, 0.08],
        "conf_low": [0.5, -1.0],
        "conf_high": [2.0, 0.0],
        "conf_low_adjusted": [0.25, -1.25],
        "conf_high_adjusted": [2.25, 0.25],
        "quantity": "difference",
        "unit": "ppb",
        "null": 0.0,
    }
)


def test_contrasts_of_an_answer_have_adjusted_intervals_and_p(axes):
    contrasts(SimpleNamespace(contrasts=TABLE, outcome="susceptibility_ppb"), ax=axes)
    assert labels(axes) == ["isointense − PRL", "isointense − hypointense"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [float(dot.get_xdata()[0]) for dot in dots] == [1.25, -0.5]
    assert [dot.get_markerfacecolor() == "white" for dot in dots] == [False, True]
    ends = [list(line.get_xdata()) for line in axes.lines if line.get_linestyle() == "-"]
    assert ends == [[0.25, 2.25], [-1.25, 0.25]]
    assert axes.texts[-1].get_text() == "difference (adjusted CI), adjusted p"
    assert axes.get_xlabel() == "difference in QSM (ppb)"


def test_slopes_have_the_colours_of_their_types_in_the_order_asked_for(axes):
    slopes = TABLE.drop(columns=["contrast", "first", "second"]).assign(
        lesion_type=["isointense", "hypointense"], quantity="change", unit="ppb per year"
    )
    contrasts(slopes, order=["hypointense", "isointense"], ax=axes)
    assert labels(axes) == ["hypointense", "isointense"]
    lines = [line.get_color() for line in axes.lines if line.get_linestyle() == "-"]
    assert lines == [colour("hypointense"), colour("isointense")]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            TABLE.drop(columns="std_error"),
            "column 'std_error': is missing; the table has contrast, ",
        ),
        (TABLE.assign(outcome=["ndi", "mwf_percent"]), "holds ndi, mwf_percent; choose"),
        (3, "int.*holds no table; give a DataFrame, or an answer with contrasts or slopes"),
    ],
)
def test_a_table_that_is_no_answer_is_told(axes, table, said):
    with pytest.raises(InvalidDataError, match=said):
        contrasts(table, ax=axes)
