"""The order of elimination, and the parameters of relative covariances."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qsmstats.mixed.criterion.covariance import Parametrisation, lower_factor
from qsmstats.mixed.criterion.elimination_order import eliminate, merge_factors, split_crossed


def _factors(*codes, widths=None):
    names = [frozenset([str(number)]) for number in range(len(codes))]
    return merge_factors(names, [np.array(c) for c in codes], widths or [1] * len(codes))


def test_nested_factors_make_a_chain_from_the_finest_up():
    site = [0, 0, 0, 0, 1, 1, 1, 1]
    patient = [0, 0, 1, 1, 2, 2, 3, 3]
    lesion = [0, 1, 2, 2, 3, 4, 5, 5]
    levels = eliminate(_factors(site, lesion, patient))
    assert [level.members[0].term for level in levels] == [1, 2, 0]
    assert [level.columns for level in levels] == [1, 1, 1]
    np.testing.assert_array_equal(levels[0].parents[0], [0, 0, 1, 2, 2, 3])
    np.testing.assert_array_equal(levels[0].parents[1], [0, 0, 0, 1, 1, 1])


def test_factors_crossed_within_a_third_stay_within_it():
    # Two assessors; products and pictures crossed within each.
    assessor = np.repeat([0, 1], 6)
    product = assessor * 3 + np.tile([0, 1, 2], 4)
    picture = assessor * 2 + np.tile([0, 0, 0, 1, 1, 1], 2)
    levels = eliminate(_factors(assessor, product, picture))
    assert [level.size for level in levels] == [6, 2, 2]
    assert levels[-1].columns == 2
    assert split_crossed(_factors(assessor, product, picture), 24) is None


def test_crossed_factors_are_one_level_over_the_whole_design():
    rows, columns = np.divmod(np.arange(12), 3)
    levels = eliminate(_factors(rows, columns))
    assert [(level.size, level.columns) for level in levels] == [(4, 1), (1, 3)]
    swept, others = split_crossed(_factors(rows, columns), 2)
    assert (swept.size, others[0].size) == (4, 3)


def test_terms_on_one_grouping_share_a_factor_whatever_the_order_of_names():
    codes = np.array([0, 0, 1, 1])
    names = [frozenset(["g", "h"]), frozenset(["h", "g"])]
    factors = merge_factors(names, [codes, codes], [1, 2])
    assert len(factors) == 1
    assert factors[0].terms == (0, 1)
    (level,) = eliminate(factors)
    assert [member.place.tolist() for member in level.members] == [[[0]], [[1, 2]]]


@settings(max_examples=30, deadline=None)
@given(
    strata=st.integers(0, 2),
    widths=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    seed=st.integers(0, 10_000),
)
def test_derivatives_of_the_parameters_are_those_of_finite_differences(strata, widths, seed):
    made = Parametrisation(strata=strata, widths=tuple(widths))
    theta = np.random.default_rng(seed).normal(scale=0.5, size=made.size)
    first, second = made.derivatives(theta)
    step = 1e-6
    for a, unit in enumerate(step * np.eye(made.size)):
        slope = (made.values(theta + unit) - made.values(theta - unit)) / (2 * step)
        np.testing.assert_allclose(first[:, a], slope, atol=1e-7)
        ahead, behind = made.derivatives(theta + unit)[0], made.derivatives(theta - unit)[0]
        np.testing.assert_allclose(second[:, :, a], (ahead - behind) / (2 * step), atol=1e-7)
    np.testing.assert_allclose(made.values(made.orient(theta)), made.values(theta), rtol=1e-12)
    assert all(np.all(np.diag(f) >= 0) for f in made.factors(made.orient(theta)))
    np.testing.assert_array_equal(made.join(theta[:strata], made.factors(theta)), theta)


@given(arrays(np.float64, (3, 3), elements=st.floats(-10, 10)))
def test_lower_factors_have_the_same_product(matrix):
    lower = lower_factor(matrix)
    np.testing.assert_allclose(lower @ lower.T, matrix @ matrix.T, atol=1e-11)
    np.testing.assert_array_equal(np.triu(lower, 1), 0.0)
    assert np.all(np.diag(lower) >= 0.0)
