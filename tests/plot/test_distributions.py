import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import InvalidDataError
from qsmstats.plot.distributions import rainclouds
from qsmstats.plot.look import MOST_POINTS
from tests.plot.drawn import labels


def test_a_raincloud_shows_every_value_in_the_schemas_order_and_counts_what_is_beyond(axes):
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "kind": ["hyperintense"] * 300 + ["isointense"] * 700 + [None],
            "x": np.r_[random.normal(0, 1, 999), 1000.0, 3.0],
        }
    )
    means = pd.DataFrame(
        {"level": ["isointense"], "estimate": [0.1], "conf_low": [0.0], "conf_high": [0.2]}
    )
    rainclouds(frame, "x", hue="kind", means=means, ax=axes)
    assert labels(axes) == ["hyperintense\nn = 300", "isointense\nn = 700"]
    drawn = [len(dots.get_offsets()) for dots in axes.collections if len(dots.get_offsets()) > 1]
    assert drawn == [300, 700]
    assert [text.get_text() for text in axes.texts] == ["1 value beyond the axis"]
    diamonds = [line for line in axes.lines if line.get_marker() == "D"]
    assert [float(line.get_xdata()[0]) for line in diamonds] == [0.1]


def test_the_intervals_of_means_end_within_the_axis(axes):
    frame = pd.DataFrame({"kind": ["isointense"] * 2 + ["hyperintense"], "x": [1.0, 2.0, 1.5]})
    means = pd.DataFrame(
        {"level": ["isointense"], "estimate": [1.5], "conf_low": [-8.0], "conf_high": [9.0]}
    )
    rainclouds(frame, "x", hue="kind", means=means, ax=axes)
    low, high = axes.get_xlim()
    assert low < -8
    assert high > 9


@pytest.mark.parametrize("values", [[1.0], [2.0] * 20, []])
def test_a_raincloud_of_few_or_equal_values_has_no_cloud(axes, values):
    frame = pd.DataFrame({"kind": ["isointense"] * len(values), "x": values})
    rainclouds(frame.astype({"x": float}), "x", hue="kind", ax=axes)
    assert not any(type(part).__name__ == "FillBetweenPolyCollection" for part in axes.collections)


def test_a_column_that_is_not_there_is_told(axes):
    with pytest.raises(InvalidDataError, match="column 'ndi': is missing; the table has kind, x"):
        rainclouds(pd.DataFrame({"kind": ["a"], "x": [1.0]}), "ndi", hue="kind", ax=axes)


def test_of_many_values_a_sample_is_drawn_and_the_quartiles_are_of_all(axes):
    values = np.random.default_rng(1).permutation(np.arange(6000.0))
    rainclouds(pd.DataFrame({"kind": "isointense", "x": values}), "x", hue="kind", ax=axes)
    (rain,) = (part for part in axes.collections if len(part.get_offsets()) > 1)
    dots = rain.get_offsets()[:, 0]
    assert len(set(dots)) == MOST_POINTS
    assert dots.mean() == pytest.approx(3000, abs=150)
    assert list(axes.lines[0].get_xdata()) == [*np.percentile(values, [25, 75])]
    assert labels(axes) == ["isointense\nn = 6,000"]


@pytest.mark.parametrize(
    ("column", "level", "said"),
    [
        ("level", "nawm", "holds nawm, the data isointense; give the means of an answer"),
        ("tissue", "isointense", "'level': is missing; the table has tissue"),
    ],
)
def test_means_of_other_data_are_refused(axes, column, level, said):
    data = pd.DataFrame({"lesion_type": "isointense", "x": [1.0, 2.0]})
    means = pd.DataFrame({column: [level], "estimate": 1.0, "conf_low": 0.0, "conf_high": 2.0})
    with pytest.raises(InvalidDataError, match=f"means.*{said}"):
        rainclouds(data, "x", means=means, ax=axes)
