import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import InvalidDataError
from qsmstats.plot.power import COLUMNS, power


def test_power_draws_both_effects_their_sizes_and_the_type_i_error(axes):
    frame = pd.DataFrame(
        {
            "patients": [50, 200, 50, 200],
            "effect": [-0.1, -0.1, 0.3, 0.3],
            "power": [0.2, 0.6, 0.7, np.nan],
            "conf_low": [0.1, 0.5, 0.6, np.nan],
            "conf_high": [0.3, 0.7, 0.8, np.nan],
            "power_expected": [0.21, 0.61, 0.72, 0.99],
            **{name: [0.05, 0.04, 0.05, 0.04] for name in ("type_i_error", "type_i_high")},
            "type_i_low": 0.03,
        }
    )
    sizes = pd.DataFrame({"effect": [-0.1, 0.3], "patients": [np.nan, 70.0]})
    power(frame, target=0.8, sizes=sizes, ax=axes)
    curves = [line for line in axes.lines if len(line.get_xdata()) == 200]
    ends = [curve.get_ydata()[[0, -1]] for curve in curves]
    np.testing.assert_allclose(ends, [[0.21, 0.61], [0.72, 0.99]])
    assert curves[0].get_color() != curves[1].get_color()
    points = [list(container.lines[0].get_ydata()) for container in axes.containers]
    assert points == [[0.2, 0.6], [0.7], [0.05, 0.04]]
    assert [text.get_text() for text in axes.texts] == ["70"]
    named = [text.get_text() for text in axes.get_legend().get_texts()]
    assert named == ["0.3", "-0.1", "no effect (type I error)"]
    assert [0.8, 0.8] in [list(line.get_ydata()) for line in axes.lines]
    assert ([70, 70], [0, 0.8]) in [tuple(map(list, line.get_data())) for line in axes.lines]


def test_sizes_of_another_table_are_refused(axes):
    frame = pd.DataFrame({"patients": [50]}).assign(**dict.fromkeys(COLUMNS[1:], 0.1))
    with pytest.raises(InvalidDataError, match=r"sizes.*'effect': is missing; the table has n"):
        power(frame, target=0.8, sizes=pd.DataFrame({"n": [1]}), ax=axes)
