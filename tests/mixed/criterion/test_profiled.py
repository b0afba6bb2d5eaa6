"""The criterion against dense n x n matrices, its derivatives against numerical ones."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from qsmstats.errors import NotIdentifiedError
from qsmstats.mixed.model import MixedModel
from qsmstats.mixed.optimum import estimate
from tests.mixed import designs, naive

WEIGHTS = [None, "w", "r", ["w", "r"]]


def _theta(made, seed):
    return np.random.default_rng(seed).normal(scale=0.7, size=made.objective.parametrisation.size)


@pytest.fixture(params=["nested", "crossed"])
def engine_kind(request, monkeypatch):
    """Both ways to sweep: the dense block is forced on designs that need none."""
    if request.param == "crossed":
        monkeypatch.setattr(estimate, "_MOST_COLUMNS", 0)
    return request.param


@pytest.mark.parametrize("formula", designs.FORMULAS)
@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
def test_criterion_is_that_of_the_dense_matrices(engine_kind, formula, weights):
    reml = weights != "w"
    made = designs.engine(3, formula, reml=reml, weights=weights)
    theta = _theta(made, 4)
    point = made.objective.at(theta)
    x, y, _, _ = designs.naive_parts(made)
    variance = point.profile.rss / point.profile.degrees * made.layout.scale**2
    v = variance * designs.naive_covariance(made, theta)
    expected = naive.minus_two_log_likelihood(y, x, v, reml=reml)
    assert made.criterion(point) == pytest.approx(expected, abs=1e-8)


def test_ml_criterion_is_the_density_of_a_normal_vector():
    made = designs.engine(1, "y ~ x + (1 + x | g) + (1 | k)", reml=False)
    point = made.objective.at(_theta(made, 2))
    x, y, _, _ = designs.naive_parts(made)
    estimates = np.linalg.solve(
        made.layout.root, made.layout.projection + made.layout.scale * point.profile.estimates
    )
    variance = point.profile.rss / point.profile.degrees * made.layout.scale**2
    v = variance * designs.naive_covariance(made, point.theta)
    density = multivariate_normal(x @ estimates, v).logpdf(y)
    assert made.criterion(point) == pytest.approx(-2 * density, abs=1e-8)


def _assert_search_has_the_same_derivatives(objective, point):
    """The Hessian without second derivatives of F is that with them, to rounding."""
    found = objective.at(point.theta, second=False)
    assert found.value == pytest.approx(point.value, rel=1e-12)
    scale = np.abs(point.hessian).max()
    np.testing.assert_allclose(found.gradient, point.gradient, atol=1e-11 * scale)
    np.testing.assert_allclose(found.hessian, point.hessian, atol=1e-11 * scale)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    formula=st.sampled_from(designs.FORMULAS),
    weights=st.sampled_from(WEIGHTS),
    reml=st.booleans(),
    dense=st.booleans(),
    zero=st.booleans(),
)
def test_derivatives_are_those_of_finite_differences(seed, formula, weights, reml, dense, zero):
    before = estimate._MOST_COLUMNS
    estimate._MOST_COLUMNS = 0 if dense else before
    try:
        made = designs.engine(seed, formula, reml=reml, weights=weights)
    finally:
        estimate._MOST_COLUMNS = before
    theta = _theta(made, seed)
    if zero:
        theta[-1] = 0.0
    point = made.objective.at(theta)
    _assert_search_has_the_same_derivatives(made.objective, point)
    # Central differences of step 1e-5 hold about nine digits.
    step = 1e-5
    ahead = [made.objective.at(theta + step * unit) for unit in np.eye(len(theta))]
    behind = [made.objective.at(theta - step * unit) for unit in np.eye(len(theta))]
    gradient = [(a.value - b.value) / (2 * step) for a, b in zip(ahead, behind, strict=True)]
    hessian = [(a.gradient - b.gradient) / (2 * step) for a, b in zip(ahead, behind, strict=True)]
    scale = 1 + np.abs(point.gradient).max()
    np.testing.assert_allclose(point.gradient, gradient, atol=2e-7 * scale, rtol=1e-6)
    scale = 1 + np.abs(point.hessian).max()
    np.testing.assert_allclose(point.hessian, hessian, atol=2e-7 * scale, rtol=1e-6)


def test_sweeping_in_blocks_of_groups_changes_nothing(monkeypatch):
    whole = designs.engine(5, "y ~ x + (1 + x | s) + (1 | s:g) + (1 + x | s:g:h)", weights="w")
    theta = _theta(whole, 6)
    expected = whole.objective.at(theta)
    monkeypatch.setattr("qsmstats.mixed.criterion.nested._BLOCK_BYTES", 1)
    found = whole.objective.at(theta)
    _assert_search_has_the_same_derivatives(whole.objective, expected)
    assert found.value == pytest.approx(expected.value, rel=1e-13)
    np.testing.assert_allclose(found.hessian, expected.hessian, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("weights", [None, "kind"])
def test_binned_groups_give_the_criterion_of_single_ones(monkeypatch, weights):
    rng = np.random.default_rng(7)
    visits = [(g, h, v) for g in range(8) for h in range(30) for v in range(2 + (g + h) % 2)]
    data = pd.DataFrame(visits, columns=["g", "h", "v"]).assign(x=lambda d: d.v - 1.0)
    data["kind"] = np.array(["a", "b", "c"])[data.h % 3]
    data["y"] = data.g + 0.1 * data.h + rng.normal(size=len(data))
    model = MixedModel("y ~ x + (1 + x | g) + (0 + x | g:kind) + (1 + x | g:h)")
    binned = model.engine(data, weights=weights)
    theta = _theta(binned, 8)
    assert binned.objective.evaluate.args[0].bins is not None
    monkeypatch.setattr("qsmstats.mixed.criterion.crossproducts._GROUPS_PER_BIN", 10**9)
    single = model.engine(data, weights=weights)
    assert single.objective.evaluate.args[0].bins is None
    one, two = binned.objective.at(theta), single.objective.at(theta)
    _assert_search_has_the_same_derivatives(binned.objective, two)
    _assert_search_has_the_same_derivatives(single.objective, one)
    assert one.value == pytest.approx(two.value, rel=1e-12)
    np.testing.assert_allclose(one.hessian, two.hessian, rtol=1e-9, atol=1e-9)


def test_an_outcome_without_residual_variance_is_refused():
    data = designs.random_data(9)
    with pytest.raises(NotIdentifiedError, match="reproduce the outcome"):
        MixedModel("y ~ x + (1 | g)").fit(data.assign(y=data.g**1.5 + 2 * data.x))
