import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qsmstats.plot.model_checks import normal_quantiles, residuals


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


def test_the_line_through_residuals_is_their_mean_in_tenths(axes):
    fitted = np.arange(1000.0)
    frame = pd.DataFrame({"fitted": fitted, "residual": fitted - 500})
    residuals(frame.assign(level="isointense"), ax=axes)
    dots = axes.collections[0].get_offsets()
    np.testing.assert_allclose(dots, frame)
    np.testing.assert_allclose(axes.lines[-1].get_ydata(), np.arange(10) * 100 - 450.5)
