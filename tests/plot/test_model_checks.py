import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

import qsmstats as qs
from qsmstats.plot.look import MOST_POINTS
from qsmstats.plot.model_checks import TAIL, normal_quantiles, residuals


def test_normal_quantiles_agree_with_scipy(axes):
    values = np.random.default_rng(3).gamma(2, size=200)
    normal_quantiles(values, axes)
    dots = axes.collections[0].get_offsets()
    expected = stats.norm.ppf((np.arange(1, 201) - 0.5) / 200)
    np.testing.assert_allclose(dots[:, 0], expected)
    np.testing.assert_allclose(dots[:, 1], stats.zscore(np.sort(values), ddof=1))


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0]])
def test_normal_quantiles_of_nothing_say_so(axes, values):
    normal_quantiles(values, axes)
    assert [text.get_text() for text in axes.texts] == ["all values are equal"]


def test_a_fit_is_drawn_by_its_residuals(axes):
    lesions = qs.example_lesions(6)
    fit = qs.MixedModel("mwf_percent ~ years + (1 | participant_id)").fit(lesions)
    residuals(fit, ax=axes)
    drawn = np.sort(axes.collections[0].get_offsets()[:, 1])
    np.testing.assert_allclose(drawn, np.sort(fit.resid))


def test_the_line_through_residuals_is_their_mean_in_tenths(axes):
    fitted = np.arange(1000.0)
    frame = pd.DataFrame({"fitted": fitted, "residual": fitted - 500})
    residuals(frame.assign(level="isointense"), ax=axes)
    dots = axes.collections[0].get_offsets()
    np.testing.assert_allclose(dots, frame)
    np.testing.assert_allclose(axes.lines[-1].get_ydata(), np.arange(10) * 100 - 450.5)


def test_of_many_values_both_ends_and_a_sample_are_drawn(axes):
    values = np.random.default_rng(3).normal(size=9000)
    normal_quantiles(values, axes)
    dots = axes.collections[0].get_offsets()
    assert len(dots) <= MOST_POINTS
    scaled = stats.zscore(np.sort(values), ddof=1)
    np.testing.assert_allclose(dots[:TAIL, 1], scaled[:TAIL])
    np.testing.assert_allclose(dots[-TAIL:, 1], scaled[-TAIL:])
    frame = pd.DataFrame({"fitted": values, "residual": values})
    residuals(frame, ax=(other := Figure().add_subplot()))
    assert len(other.collections[0].get_offsets()) == MOST_POINTS
    # Ten means of all.
    assert np.mean(other.lines[-1].get_ydata()) == pytest.approx(values.mean())
