import numpy as np
import pandas as pd

from qsmstats.report.figures.style import marker
from qsmstats.report.figures.trajectories import layer_profile, mean_lines, trajectory


def test_a_trajectory_draws_lesions_seen_twice_and_leaves_single_ones_out(axes):
    lesions = pd.DataFrame(
        {
            "participant_id": ["a", "a", "b"],
            "lesion_id": ["1", "1", "1"],
            "years": [2.0, 0.0, 0.0],
            "x": [5.0, 4.0, 9.0],
        }
    )
    means = pd.DataFrame(
        {"years": [2.0, 0.0], "estimate": [5.0, 4.0], "conf_low": [4, 3], "conf_high": [6, 5]}
    )
    trajectory(lesions, means, axes, value="x", level="isointense")
    segments = axes.collections[0].get_segments()
    assert len(segments) == 1
    np.testing.assert_array_equal(segments[0], [[0, 4], [2, 5]])
    np.testing.assert_array_equal(axes.lines[-1].get_xdata(), [0, 2])
    assert axes.get_title(loc="left") == "isointense\n1 lesion"


def test_the_means_of_all_types_have_a_line_and_a_marker_each(axes):
    means = pd.DataFrame(
        {
            "lesion_type": ["paramagnetic_rim"] * 2 + ["isointense"] * 2,
            "years": [2.0, 0.0, 0.0, 2.0],
            "estimate": [3.0, 4.0, 5.0, 6.0],
            "conf_low": [2.0, 3.0, 4.0, 5.0],
            "conf_high": [4.0, 5.0, 6.0, 7.0],
        }
    )
    mean_lines(means, axes, by="lesion_type")
    ends = {line.get_label(): line for line in axes.lines if line.get_linestyle() == "None"}
    assert set(ends) == {"isointense", "PRL"}
    np.testing.assert_array_equal(ends["PRL"].get_ydata(), [4, 3])
    assert ends["PRL"].get_marker() == marker("paramagnetic_rim")


def test_layer_profiles_have_a_line_per_type(axes):
    frame = pd.DataFrame(
        {
            "lesion_type": ["paramagnetic_rim", "paramagnetic_rim", "isointense"],
            "depth_mm": [2.0, 1.0, 1.0],
            "mean": [1.0, 9.0, 0.0],
            "conf_low": 0.0,
            "conf_high": 10.0,
        }
    )
    layer_profile(frame, axes)
    _, names = axes.get_legend_handles_labels()
    assert names == ["isointense", "paramagnetic rim (PRL)"]
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [9, 1])
