import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from qsmstats.errors import InvalidDataError
from qsmstats.plot.look import colour, marker
from qsmstats.plot.over_time import BAND, EXAMPLES, mean_lines, profiles, trajectories


def test_a_trajectory_draws_lesions_seen_twice_and_leaves_single_ones_out(axes):
    lesions = pd.DataFrame(
        {
            "participant_id": ["a", "a", "b"],
            "lesion_id": ["1", "1", "1"],
            "lesion_type": "isointense",
            "years": [2.0, 0.0, 0.0],
            "x": [5.0, 4.0, 9.0],
        }
    )
    means = pd.DataFrame(
        {"years": [2.0, 0.0], "estimate": [5.0, 4.0], "conf_low": [4, 3], "conf_high": [6, 5]}
    )
    means["lesion_type"] = "isointense"
    trajectories(lesions, "x", means=means, ax=axes)
    lesion, casing, mean, ends = axes.lines
    np.testing.assert_array_equal(lesion.get_xydata(), [[0, 4], [2, 5]])
    assert lesion.get_color() == ends.get_color() == colour("isointense") != mean.get_color()
    np.testing.assert_array_equal(casing.get_xydata(), mean.get_xydata())
    np.testing.assert_array_equal(ends.get_xdata(), [0, 2])


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
    profiles(frame, ax=axes)
    _, names = axes.get_legend_handles_labels()
    assert names == ["isointense", "paramagnetic rim (PRL)"]
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [9, 1])


def test_of_many_lesions_the_quantiles_and_a_few_examples_are_drawn(axes):
    random = np.random.default_rng(4)
    first, change = random.normal(size=(2, 60))
    lesions = pd.DataFrame(
        {
            "participant_id": np.repeat(np.arange(60), 2),
            "lesion_id": "1",
            "lesion_type": "isointense",
            "years": np.tile([0.0, 2.0], 60),
            "x": np.ravel([first, first + change], order="F"),
        }
    )
    # Two lesions were followed for longer: too few for a quantile there.
    lesions.loc[lesions.index[[1, 3]], "years"] = 4.0
    trajectories(lesions, "x", ax=axes)
    median, *examples = axes.lines
    assert len(examples) == EXAMPLES
    np.testing.assert_allclose(median.get_xdata(), np.linspace(0, 4, 9)[:5])
    np.testing.assert_allclose(median.get_ydata()[0], np.median(first))
    values = np.where(np.arange(60) < 2, first + change / 2, first + change)
    np.testing.assert_allclose(median.get_ydata()[-1], np.median(values))
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    low, high = (100 - BAND) / 2, (100 + BAND) / 2
    at_end = corners[np.isclose(corners[:, 0], 2), 1]
    ends = [at_end.min(), at_end.max()]
    np.testing.assert_allclose(ends, np.percentile(values, [low, high]))


def test_several_types_have_their_colours_and_order(axes):
    lesions = pd.DataFrame(
        {
            "participant_id": "a",
            "lesion_id": ["1", "1", "2", "2", "3", "3"],
            "kind": ["u", "u", "v", "v", "w", "w"],
            "years": [0.0, 1.0] * 3,
            "x": np.arange(6.0),
        }
    )
    trajectories(lesions, "x", hue="kind", order=["v", "u"], palette=["red", "blue"], ax=axes)
    drawn = {tuple(line.get_ydata()): line.get_color() for line in axes.lines}
    assert drawn == {(2, 3): (1, 0, 0), (0, 1): (0, 0, 1)}


def test_the_axis_reaches_as_far_as_the_follow_up_and_means_of_other_types_are_refused(axes):
    lesions = pd.DataFrame(
        {
            "participant_id": np.repeat(np.arange(30), 3),
            "lesion_id": "1",
            "lesion_type": "isointense",
            "years": np.tile([0.0, 3.0, 7.5], 30),
            "x": np.arange(90.0),
        }
    )
    means = pd.DataFrame({"lesion_type": "isointense", "years": [0.0, 1.0, 2.0, 7.5]})
    means = means.assign(estimate=1.0, conf_low=0.0, conf_high=2.0)
    trajectories(lesions, "x", means=means, ax=axes)
    ends = {max(line.get_xdata()) for line in axes.lines}
    assert ends == {7.5}
    assert axes.get_xlim()[1] >= 7.5
    # Lesions seen once have no line, and their type a mean.
    once = lesions[lesions["years"] == 0]
    trajectories(once, "x", means=means, ax=(other := Figure().add_subplot()))
    assert len(other.lines) == 3
    with pytest.raises(InvalidDataError, match=r"means.*holds nawm, the data isointense"):
        trajectories(lesions, "x", means=means.assign(lesion_type="nawm"), ax=axes)
