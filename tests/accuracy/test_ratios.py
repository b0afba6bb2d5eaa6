"""Ratios of two proportions: definitions, statsmodels, behaviour at zero counts."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from statsmodels.stats.proportion import confint_proportions_2indep

from qsmstats.accuracy.intervals import proportion_interval
from qsmstats.accuracy.ratios import mover_ratio, odds_ratio_interval, ratio_interval


@st.composite
def two_groups(draw):
    n1, n2 = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    return draw(st.integers(0, n1)), n1, draw(st.integers(0, n2)), n2


@settings(deadline=None)
@given(two_groups())
def test_koopman_is_finite_wherever_the_data_bound_the_ratio(groups):
    x1, n1, x2, n2 = groups
    low, high = ratio_interval(*groups)
    assert low < high
    assert (low == 0.0) == (x1 == 0)
    assert math.isinf(high) == (x2 == 0)
    if x2:
        assert low <= (x1 / n1) / (x2 / n2) <= high
    if x1 and x2:
        swapped = ratio_interval(x2, n2, x1, n1)
        assert swapped == pytest.approx((1 / high, 1 / low), rel=1e-7)


@pytest.mark.parametrize("groups", [(8, 9, 1, 23), (670, 744, 202, 842), (3, 40, 5, 50)])
def test_koopman_is_that_of_statsmodels_where_both_work(groups):
    expected = confint_proportions_2indep(
        *groups, compare="ratio", method="score", correction=False
    )
    # statsmodels' limits are roots found to about 1e-9.
    assert ratio_interval(*groups) == pytest.approx(expected, rel=1e-7)


def constrained_score(phi, x1, n1, x2, n2):
    """Score statistic with the constrained maximum found by brute force."""

    def negative(q):
        p = phi * q
        return -(
            x1 * np.log(p) + (n1 - x1) * np.log1p(-p) + x2 * np.log(q) + (n2 - x2) * np.log1p(-q)
        )

    top = min(1.0, 1.0 / phi)
    q = optimize.minimize_scalar(
        negative, bounds=(1e-9, top - 1e-9), method="bounded", options={"xatol": 1e-12}
    ).x
    variance = phi * q * (1 - phi * q) / n1 + phi**2 * q * (1 - q) / n2
    return (x1 / n1 - phi * x2 / n2) / math.sqrt(variance)


@pytest.mark.parametrize("groups", [(1, 9, 22, 23), (8, 9, 3, 23), (5, 7, 2, 25)])
def test_koopman_limits_solve_the_score_equation(groups):
    low, high = ratio_interval(*groups)
    z = 1.959963984540054
    assert constrained_score(low, *groups) == pytest.approx(z, rel=1e-5)
    assert constrained_score(high, *groups) == pytest.approx(-z, rel=1e-5)


def test_koopman_where_all_succeed():
    # At p1 = p2 = 1 the equation reads (phi - 1) n2 = z^2 above 1, by hand.
    low, high = ratio_interval(9, 9, 23, 23)
    assert high == pytest.approx(1 + 1.959963984540054**2 / 23)
    assert low == pytest.approx(1 / (1 + 1.959963984540054**2 / 9))


@settings(deadline=None)
@given(two_groups())
def test_mover_ratio_solves_its_equation(groups):
    x1, n1, x2, n2 = groups
    p1, p2 = x1 / n1, x2 / n2
    l1, u1 = proportion_interval(x1, n1)
    l2, u2 = proportion_interval(x2, n2)
    low, high = mover_ratio(p1, (l1, u1), p2, (l2, u2))
    assert 0.0 <= low < high
    assert math.isinf(high) == (x2 == 0)
    # The lower limit is where the MOVER lower limit of p1 - theta p2 is zero, and mirrored.
    distance = math.hypot(p1 - l1, low * (u2 - p2))
    assert p1 - low * p2 == pytest.approx(distance, abs=1e-9)
    if x2:
        distance = math.hypot(u1 - p1, high * (p2 - l2))
        assert high * p2 - p1 == pytest.approx(distance, rel=1e-6, abs=1e-9)


def test_odds_ratio_of_a_full_table():
    odds, (low, high), corrected = odds_ratio_interval(22, 4, 5, 87)
    assert odds == pytest.approx(22 * 87 / (4 * 5))
    assert low * high == pytest.approx(odds**2)
    assert not corrected
