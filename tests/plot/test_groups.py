import numpy as np
import pandas as pd

from qsmstats.plot.groups import MOST_SWARM, by_group
from tests.plot.drawn import labels


def test_each_group_has_a_box_and_each_patient_with_a_value_a_point(axes):
    frame = pd.DataFrame(
        {"group": ["0", "0", "1-3", "1-3", "0"], "nfl": [1.0, 4.0, 10.0, 0.0, np.nan]}
    )
    by_group(frame, axes, variable="nfl", groups=["0", "1-3", "4 or more"], hue="red")
    assert labels(axes, "x") == ["0\nn = 2", "1-3\nn = 2", "4 or more\nn = 0"]
    points = np.concatenate([part.get_offsets() for part in axes.collections])
    assert sorted(points[:, 1]) == [0.0, 1.0, 4.0, 10.0]
    medians = [line.get_ydata()[0] for line in axes.lines if len(set(line.get_ydata())) == 1]
    assert {2.5, 5.0} <= set(medians)


def test_a_logarithmic_axis_leaves_out_what_has_no_logarithm(axes):
    frame = pd.DataFrame({"group": ["0", "0", "1-3"], "nfl": [1.0, 0.0, 10.0]})
    by_group(frame, axes, variable="nfl", groups=["0", "1-3"], hue="red", logarithmic=True)
    assert axes.get_yscale() == "log"
    assert labels(axes, "x") == ["0\nn = 1", "1-3\nn = 1"]


def test_of_many_patients_a_sample_is_drawn_and_the_box_is_of_all(axes):
    frame = pd.DataFrame({"group": "0", "nfl": np.arange(500.0)})
    by_group(frame, axes, variable="nfl", groups=["0", "1-3"], hue="red")
    assert labels(axes, "x") == ["0\nn = 500", "1-3\nn = 0"]
    assert sum(len(part.get_offsets()) for part in axes.collections) == MOST_SWARM
    assert [249.5, 249.5] in [list(line.get_ydata()) for line in axes.lines]
