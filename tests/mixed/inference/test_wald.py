"""Kenward-Roger against its n x n definition, Satterthwaite against numerical derivatives."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qsmstats.errors import UsageError
from qsmstats.mixed.inference.satterthwaite import Satterthwaite
from qsmstats.mixed.inference.wald import adjusted_covariance, joint_test, row_inference, tidy
from qsmstats.mixed.model import MixedModel
from qsmstats.mixed.optimum.estimate import solve
from tests.mixed import designs, naive

FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ f * x + (1 + x | g)",
    "y ~ x + (1 | s) + (1 | s:g)",
    "y ~ x + (1 | g) + (1 | k)",
]


def _linear_derivatives(made, theta):
    """dV / dpsi for psi = residual variances of the strata and elements of sigma2 T."""
    _, y, terms, sizes = designs.naive_parts(made)
    residuals = made.problem.residuals
    prior = np.ones(len(y)) if residuals.prior is None else residuals.prior
    codes = np.zeros(len(y), dtype=int) if residuals.codes is None else residuals.codes
    parts = [np.diag((codes == level) / prior) for level in range(codes.max() + 1)]
    for (groups, columns), size in zip(terms, sizes, strict=True):
        z, q = naive.incidence(groups, columns, size), columns.shape[1]
        for c in range(q):
            for r in range(c, q):
                unit = np.zeros((q, q))
                unit[r, c] = unit[c, r] = 1.0
                parts.append(z @ np.kron(np.eye(size), unit) @ z.T)
    return parts


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("weights", [None, "w", "r"], ids=str)
def test_kenward_roger_is_that_of_the_dense_matrices(formula, weights):
    data = designs.random_data(11)
    made = MixedModel(formula).engine(data, weights=weights)
    fit = MixedModel(formula).fit(data, weights=weights)
    theta = solve(made).record.point.theta
    x = designs.naive_parts(made)[0]
    v = fit.sigma**2 * designs.naive_covariance(made, theta)
    covariance, df = naive.kenward_roger(x, v, _linear_derivatives(made, theta), np.eye(x.shape[1]))
    table = fit.coefficients("kenward-roger")
    np.testing.assert_allclose(adjusted_covariance(fit, "kenward-roger"), covariance, rtol=1e-6)
    np.testing.assert_allclose(table.std_error, np.sqrt(np.diag(covariance)), rtol=1e-7)
    np.testing.assert_allclose(table.df, df, rtol=1e-6)


@pytest.mark.parametrize("weights", [None, "r"], ids=str)
def test_satterthwaite_parameters_are_uncertain_as_the_deviance_curves(weights):
    """The joint deviance in (theta, log sigma), dense, twice differentiated numerically."""
    formula = "y ~ f + x + (1 + x | g) + (1 | k)"
    data = designs.random_data(12)
    made = MixedModel(formula).engine(data, weights=weights)
    fit = MixedModel(formula).fit(data, weights=weights)
    x, y, _, _ = designs.naive_parts(made)

    def deviance(parameters):
        v = np.exp(2 * parameters[-1]) * designs.naive_covariance(made, parameters[:-1])
        return naive.minus_two_log_likelihood(y, x, v, reml=True)

    at = np.r_[fit.moments.theta, np.log(fit.sigma)]
    step = 1e-4
    unit = step * np.eye(len(at))
    hessian = np.array(
        [
            [
                (
                    deviance(at + a + b)
                    - deviance(at + a - b)
                    - deviance(at - a + b)
                    + deviance(at - a - b)
                )
                / (4 * step**2)
                for b in unit
            ]
            for a in unit
        ]
    )
    # Second differences of step 1e-4 of a criterion near 300 hold five digits.
    found = Satterthwaite(fit.moments).uncertainty
    np.testing.assert_allclose(found, 2 * np.linalg.inv(hessian), rtol=1e-3, atol=1e-5)


def _balanced():
    """A split plot: y with exact F tests on the strata of the analysis of variance."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame(
        [(b, w, s) for b in range(6) for w in "uvw" for s in "abcd"], columns=["b", "w", "s"]
    )
    plots = rng.normal(size=(6, 3)) + rng.normal(size=6)[:, None]
    data["y"] = [plots[r.b, "uvw".index(r.w)] for r in data.itertuples()]
    return data.assign(y=data.y + rng.normal(size=len(data)))


@pytest.mark.parametrize("method", ["satterthwaite", "kenward-roger"])
def test_balanced_designs_have_the_degrees_of_freedom_of_the_anova(method):
    fit = MixedModel("y ~ w * s + (1 | b) + (1 | b:w)").fit(_balanced())
    table = fit.anova(df=method).set_index("term")
    np.testing.assert_allclose(table.den_df, [10, 45, 45], rtol=1e-6)
    np.testing.assert_allclose(table.num_df, [2, 3, 6])


def test_normal_and_residual_methods():
    fit = MixedModel("y ~ f + x + (1 | g)").fit(designs.random_data(13))
    rows = np.eye(4)
    assert np.all(np.isinf(row_inference(fit, rows, "normal").df))
    np.testing.assert_array_equal(row_inference(fit, rows, "residual").df, 86)
    normal = joint_test(fit, rows[1:3], "normal")
    chi2 = normal.statistic * 2
    assert normal.p_value == pytest.approx(stats.chi2.sf(chi2, 2))
    direct = fit.estimates[1:3] @ np.linalg.solve(fit.covariance[1:3, 1:3], fit.estimates[1:3])
    assert chi2 == pytest.approx(direct, rel=1e-10)
    with pytest.raises(UsageError, match="df='kr' is none of satterthwaite"):
        row_inference(fit, rows, "kr")


@pytest.mark.parametrize("method", ["satterthwaite", "kenward-roger", "normal", "residual"])
def test_one_row_tested_jointly_is_its_t_test_and_repeats_count_once(method):
    fit = MixedModel("y ~ f + x + (1 + x | g)").fit(designs.random_data(14))
    row = np.array([[0.0, 1.0, -1.0, 0.5]])
    one = tidy(row_inference(fit, row, method)).iloc[0]
    joint = joint_test(fit, row, method)
    assert joint.statistic == pytest.approx(one.statistic**2, rel=1e-9)
    assert joint.p_value == pytest.approx(one.p_value, rel=1e-8)
    twice = joint_test(fit, np.vstack([row, 3 * row, np.zeros_like(row)]), method)
    assert twice.num_df == 1
    assert twice.p_value == pytest.approx(one.p_value, rel=1e-6)


def test_intervals_hold_the_estimate_and_shrink_with_the_level():
    fit = MixedModel("y ~ x + (1 | g)").fit(designs.random_data(15))
    wide, narrow = fit.coefficients(level=0.99), fit.coefficients(level=0.5)
    assert np.all(wide.conf_low < narrow.conf_low)
    assert np.all(narrow.conf_high < wide.conf_high)
    with pytest.raises(UsageError, match="level=95"):
        fit.coefficients(level=95)


def test_contrasts_by_name_and_by_matrix_agree():
    fit = MixedModel("y ~ f + x + (1 | g)").fit(designs.random_data(16))
    by_name = fit.wald({"b - c": {"f[T.b]": 1, "f[T.c]": -1}, "x": {"x": 1}})
    by_matrix = fit.wald(np.array([[0, 1, -1, 0], [0, 0, 0, 1.0]]))
    np.testing.assert_allclose(
        by_name.estimates.drop(columns="contrast"), by_matrix.estimates.drop(columns="contrast")
    )
    assert by_name.joint == by_matrix.joint
    assert by_name.estimates.contrast.tolist() == ["b - c", "x"]
    assert by_matrix.estimates.contrast.tolist() == ["f[T.b] - f[T.c]", "x"]
    assert fit.wald({"x": -2}).estimates.contrast.tolist() == ["-2 x"]
    with pytest.raises(UsageError, match="'zz' is no coefficient"):
        fit.wald({"zz": 1})
    with pytest.raises(UsageError, match=r"one column per coefficient \(4\)"):
        fit.wald(np.eye(3))
