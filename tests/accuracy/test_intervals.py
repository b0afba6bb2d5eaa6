"""Proportion intervals: inversion of their definitions, bounds, symmetry, bad input."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from qsmstats.accuracy.intervals import (
    INTERVALS,
    critical_value,
    mover_sum,
    proportion_interval,
    wilson_limits,
)
from qsmstats.errors import UsageError


@st.composite
def counts(draw):
    n = draw(st.integers(1, 300))
    return draw(st.integers(0, n)), n


@pytest.mark.parametrize("method", INTERVALS)
@settings(deadline=None)
@given(pair=counts())
def test_limits_bracket_the_estimate_within_bounds(method, pair):
    x, n = pair
    low, high = proportion_interval(x, n, method=method)
    assert 0.0 <= low <= x / n <= high <= 1.0
    if method != "wald":  # Wald's interval is the one that collapses at 0 and n
        assert low < high


@pytest.mark.parametrize("method", INTERVALS)
@settings(deadline=None)
@given(pair=counts())
def test_failures_mirror_successes(method, pair):
    x, n = pair
    low, high = proportion_interval(x, n, method=method)
    mirrored = proportion_interval(n - x, n, method=method)
    # brentq stops at 1e-14 in p; the mirror image subtracts from 1.
    assert mirrored == pytest.approx((1.0 - high, 1.0 - low), abs=1e-10)


@settings(deadline=None)
@given(pair=counts(), level=st.floats(0.5, 0.999))
def test_wilson_is_that_of_statsmodels(pair, level):
    x, n = pair
    expected = proportion_confint(x, n, alpha=1.0 - level, method="wilson")
    assert proportion_interval(x, n, level=level) == pytest.approx(expected, abs=1e-12)


def test_wilson_limits_invert_the_score_test():
    low, high = wilson_limits(0.3, 17.5, 4.303)
    for limit in (float(low), float(high)):
        assert (0.3 - limit) ** 2 * 17.5 == pytest.approx(4.303**2 * limit * (1 - limit))


def test_mid_p_limits_have_their_tails():
    low, high = proportion_interval(7, 19, method="mid_p")
    above = stats.binom.sf(7, 19, low) + stats.binom.pmf(7, 19, low) / 2
    below = stats.binom.cdf(7, 19, high) - stats.binom.pmf(7, 19, high) / 2
    assert (above, below) == pytest.approx((0.025, 0.025))


def test_critical_value():
    assert critical_value(0.95) == pytest.approx(1.959963984540054)
    assert critical_value(0.95, 2) == pytest.approx(4.302652729911275)


def test_mover_of_one_quantity_is_its_own_interval():
    assert mover_sum([0.4], [(0.2, 0.7)]) == pytest.approx((0.2, 0.7))


def test_mover_of_a_difference_is_newcombes_hybrid_score():
    # Newcombe 1998, Stat Med 17:873, table II, method 10, 56/70 against 48/80: printed limits.
    low, high = proportion_interval(48, 80)
    low, high = mover_sum([0.8, -0.6], [proportion_interval(56, 70), (-high, -low)])
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize(
    ("x", "n", "options"),
    [
        (5, 4, {}),
        (-1, 4, {}),
        (0, 0, {}),
        (math.nan, 4, {}),
        (1, 4, {"method": "exact"}),
        (1, 4, {"level": 95}),
        (1, 4, {"level": 0.0}),
    ],
)
def test_bad_input(x, n, options):
    with pytest.raises(UsageError):
        proportion_interval(x, n, **options)


def test_bad_degrees_of_freedom():
    with pytest.raises(UsageError, match="df must be positive, not 0"):
        critical_value(0.95, 0)


def test_wilson_takes_arrays():
    low, high = wilson_limits(np.array([0.0, 1.0]), np.array([5.0, 5.0]), 1.96)
    assert low[0] == 0.0
    assert high[1] == 1.0
    assert np.all(low < high)
