"""The largest of correlated t statistics against exact distributions, tables and scipy's integral.

The quasi-Monte Carlo sample is fixed, so its error is, too: tolerances are those of the module's
docstring.
"""

from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.integrate import IntegrationWarning

from qsmstats.mixed.inference.maximum_t import MaximumT, range_tail
from qsmstats.mixed.inference.multiplicity import adjust_p_values
from tests.mixed.inference.test_multiplicity import half_widths

T = np.array([0.5, 1.0, 1.6, 2.3, 2.8, 3.3, 4.5, 6.0, 9.0])


def of_pairs(k: int, sizes: np.ndarray | None = None) -> np.ndarray:
    """Correlation of all differences between k independent means of given group sizes."""
    pairs = np.array([np.eye(k)[a] - np.eye(k)[b] for a, b in combinations(range(k), 2)])
    covariance = pairs @ np.diag(1 / (np.ones(k) if sizes is None else sizes)) @ pairs.T
    scale = np.sqrt(np.diag(covariance))
    return covariance / np.outer(scale, scale)


def of_control(groups: int) -> np.ndarray:
    """Correlation of the differences of equal groups to one control."""
    return np.full((groups, groups), 0.5) + np.eye(groups) / 2


@pytest.mark.parametrize("df", [3.7, 20.0, 400.0])
@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_differences_of_equal_means_have_the_studentized_range(k: int, df: float) -> None:
    """Balanced one-way layouts: Tukey's method is the single-step multivariate t (exactly)."""
    largest = MaximumT(of_pairs(k))
    assert largest.rank == k - 1
    exact = stats.studentized_range.sf(T * np.sqrt(2), k, df)
    got = largest.upper_tail(T, df)
    np.testing.assert_allclose(got, exact, atol=1e-4)
    # scipy's range is good to 1e-11; one per cent of a small p-value is its second digit.
    far = exact > 1e-9
    np.testing.assert_allclose(got[far], exact[far], rtol=1e-2)


@pytest.mark.parametrize(
    ("groups", "df", "published"),
    [
        *((2, 5, 3.03), (3, 5, 3.29), (5, 5, 3.62)),
        *((2, 10, 2.57), (4, 10, 2.89), (9, 10, 3.24)),
        *((3, 20, 2.54), (6, 20, 2.80)),
        *((2, np.inf, 2.21), (5, np.inf, 2.51)),
    ],
)
def test_comparisons_with_a_control_reproduce_dunnetts_table(
    groups: int, df: float, published: float
) -> None:
    """Dunnett (1964), Biometrics 20:482-491, two-sided 5 % points, printed to two decimals."""
    width = half_widths(
        np.full(groups, df), level=0.95, method="mvt", correlation=of_control(groups)
    )
    np.testing.assert_allclose(width, published, atol=6e-3)


@pytest.mark.parametrize("df", [4.3, 30.0, np.inf])
def test_independent_estimates_have_the_studentized_maximum_modulus(df: float) -> None:
    """The integral of {2 Phi(t s) - 1}^m over s = chi / sqrt(df), by scipy's quadrature."""

    def inside(t: float, m: int) -> float:
        if np.isinf(df):
            return float((1 - 2 * stats.norm.sf(t)) ** m)
        chi = stats.chi(df, scale=df**-0.5)
        return integrate.quad(
            lambda s: chi.pdf(s) * (1 - 2 * stats.norm.sf(t * s)) ** m, 0, np.inf, epsabs=1e-10
        )[0]

    for m in (2, 4):
        exact = [1 - inside(t, m) for t in T]
        np.testing.assert_allclose(MaximumT(np.eye(m)).upper_tail(T, df), exact, atol=1e-4)


def test_any_correlation_agrees_with_scipys_integral() -> None:
    rng = np.random.default_rng(3)
    factor = rng.normal(size=(5, 8))
    covariance = factor @ factor.T
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(scale, scale)
    largest = MaximumT(correlation)
    for t in (1.5, 2.5):
        inside = stats.multivariate_t.cdf(
            np.full(5, t),
            shape=correlation,
            df=12,
            lower_limit=np.full(5, -t),
            maxpts=100_000,
            random_state=1,
        )
        # scipy's own error here is some 1e-4.
        assert largest.upper_tail([t], 12.0)[0] == pytest.approx(1 - inside, abs=4e-4)


def test_unequal_groups_lie_below_the_studentized_range() -> None:
    """Tukey and Kramer's method is conservative for unequal groups (Hayter 1984)."""
    largest = MaximumT(of_pairs(4, np.array([3.0, 5.0, 20.0, 80.0])))
    tukey = stats.studentized_range.sf(2.6 * np.sqrt(2), 4, 40)
    # Further from Tukey's than the error of the integral, yet above Student's.
    assert 2 * stats.t.sf(2.6, 40) < largest.upper_tail([2.6], 40.0)[0] < tukey - 1e-3


def test_one_question_asked_twice_is_students_t_to_the_last_digit() -> None:
    largest = MaximumT([[1.0, -1.0], [-1.0, 1.0]])
    np.testing.assert_allclose(largest.upper_tail(T, 7.5), 2 * stats.t.sf(T, 7.5), rtol=1e-12)
    np.testing.assert_allclose(largest.upper_tail(T, np.inf), 2 * stats.norm.sf(T), rtol=1e-12)


def test_p_values_are_the_same_at_every_call_and_in_any_order() -> None:
    t, df = np.array([3.1, -0.4, 2.2, 1.0, 2.9, 0.1]), np.array([8, 9, 10, 11, 12, 13.0])
    correlation = of_pairs(4, np.array([4, 9, 2, 7.0]))
    first = adjust_p_values(t, df, method="mvt", correlation=correlation)
    MaximumT(np.eye(5))
    again = adjust_p_values(t, df, method="mvt", correlation=correlation)
    np.testing.assert_array_equal(first, again)
    order = np.array([4, 2, 0, 5, 1, 3])
    turned = adjust_p_values(
        t[order], df[order], method="mvt", correlation=correlation[np.ix_(order, order)]
    )
    # The factor of R turns with the rows, and the fixed directions do not.
    np.testing.assert_allclose(turned, first[order], atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(q=st.floats(0.05, 9), k=st.integers(2, 60), df=st.floats(1.0, 9e4))
def test_studentized_range_equals_scipys_integral(q: float, k: int, df: float) -> None:
    with warnings.catch_warnings():
        # scipy's own quadrature complains at some points; its value is good there, too.
        warnings.simplefilter("ignore", IntegrationWarning)
        expected = stats.studentized_range.sf(q, k, df)
    # scipy promises about 1e-11 of the whole, and takes 1e5 degrees of freedom for infinite.
    assert range_tail(q, k, df) == pytest.approx(expected, rel=1e-8, abs=1e-9)


# At exactly one degree of freedom scipy's own t distribution loses digits near zero.
@given(t=st.floats(0, 60), df=st.floats(1.01, 1e6))
@settings(max_examples=40, deadline=None)
def test_two_means_give_the_t_distribution_far_into_the_tail(t: float, df: float) -> None:
    exact = 2 * stats.t.sf(t, df)
    assert range_tail(np.sqrt(2) * t, 2, df) == pytest.approx(exact, rel=1e-9, abs=1e-300)


def test_infinite_degrees_of_freedom_are_the_limit_of_many() -> None:
    assert range_tail(3.3, 4, np.inf) == pytest.approx(float(range_tail(3.3, 4, 1e9)), rel=1e-7)


def test_studentized_range_runs_from_one_to_zero() -> None:
    q = np.linspace(0, 30, 200)
    tail = range_tail(q, 5, 8.0)
    assert tail[0] == pytest.approx(1.0, abs=1e-12)
    assert np.all(np.diff(tail) < 0)
    assert tail[-1] < 1e-6
