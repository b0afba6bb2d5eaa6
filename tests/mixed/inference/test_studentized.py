"""The studentized range against scipy's integral and exact special cases."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import IntegrationWarning

from qsmstats.mixed.inference.studentized import upper_tail


@settings(max_examples=60, deadline=None)
@given(q=st.floats(0.05, 9), k=st.integers(2, 60), df=st.floats(1.0, 9e4))
def test_tail_equals_scipys_integral(q: float, k: int, df: float) -> None:
    with warnings.catch_warnings():
        # scipy's own quadrature complains at some points; its value is good there, too.
        warnings.simplefilter("ignore", IntegrationWarning)
        expected = stats.studentized_range.sf(q, k, df)
    # scipy promises about 1e-11 of the whole, and takes 1e5 degrees of freedom for infinite.
    assert upper_tail(q, k, df) == pytest.approx(expected, rel=1e-8, abs=1e-9)


# At exactly one degree of freedom scipy's own t distribution loses digits near zero.
@given(t=st.floats(0, 60), df=st.floats(1.01, 1e6))
@settings(max_examples=40, deadline=None)
def test_two_means_give_the_t_distribution_far_into_the_tail(t: float, df: float) -> None:
    exact = 2 * stats.t.sf(t, df)
    assert upper_tail(np.sqrt(2) * t, 2, df) == pytest.approx(exact, rel=1e-9, abs=1e-300)


def test_infinite_degrees_of_freedom_are_the_limit_of_many() -> None:
    assert upper_tail(3.3, 4, np.inf) == pytest.approx(float(upper_tail(3.3, 4, 1e9)), rel=1e-7)


def test_tail_runs_from_one_to_zero() -> None:
    q = np.linspace(0, 30, 200)
    tail = upper_tail(q, 5, 8.0)
    assert tail[0] == pytest.approx(1.0, abs=1e-12)
    assert np.all(np.diff(tail) < 0)
    assert tail[-1] < 1e-6
