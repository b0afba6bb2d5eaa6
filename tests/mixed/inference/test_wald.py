"""t and F tests of linear functions: balanced designs, intervals, and contrasts by name."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qsmstats.errors import UsageError
from qsmstats.mixed.inference.alternative import Alternative
from qsmstats.mixed.inference.wald import joint_test, row_inference, tidy
from qsmstats.mixed.model import MixedModel
from tests.mixed import designs


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


@pytest.mark.parametrize("side", ["two-sided", "greater", "less"])
def test_probabilities_are_those_of_the_t_distribution(side):
    against, level = Alternative(side=side), 0.9
    df = np.array([0.3, 1.0, 7.7, 111.6, 1e9, np.inf, np.nan, 0.0])
    t = np.array([0.0, -1.3, 2.4, -41.0, np.inf, 3.0, 1.0, 1.0])
    signed = {"two-sided": np.abs(t), "greater": t, "less": -t}[side]
    expected = against.tails * stats.t.sf(signed, df)
    np.testing.assert_allclose(against.p_values(t, df), expected, rtol=1e-12)
    expected = stats.t.ppf(1.0 - 0.1 / against.tails, df)
    np.testing.assert_allclose(against.half_widths(level, df), expected, rtol=1e-12)


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
    with pytest.raises(UsageError, match="not 'kr'"):
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
    with pytest.raises(UsageError, match="level must lie between"):
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
    with pytest.raises(UsageError, match="'zz' is not a coefficient"):
        fit.wald({"zz": 1})
    assert fit.wald("x").joint == fit.wald({"x": 1}).joint
    by_term = fit.wald("f")
    assert by_term.estimates.contrast.tolist() == ["f[T.b]", "f[T.c]"]
    # Without an interaction the coefficients of a term are its hypothesis.
    assert by_term.joint.p_value == pytest.approx(fit.anova().p_value[0])
    with pytest.raises(UsageError, match=r"'zz' is not a coefficient.*x, and the terms f$"):
        fit.wald("zz")
    with pytest.raises(UsageError, match=r"one column per coefficient \(4\)"):
        fit.wald(np.eye(3))


@pytest.mark.parametrize("seed", [3, 8, 16, 20, 24, 26])
def test_three_readers_of_three_brains_have_the_f_test_of_the_two_way_anova(seed):
    """F(2, 4): the denominator of four is where Kenward and Roger's rho is a division by zero."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(3, 3)) + 2 * rng.normal(size=3)
    data = pd.DataFrame({"y": y.ravel(), "reader": np.repeat(list("abc"), 3), "b": [*"xyz"] * 3})
    fit = MixedModel("y ~ reader + (1 | b)").fit(data)
    test = fit.anova(df="kenward-roger").iloc[0]
    assert test.den_df == pytest.approx(4, rel=1e-9)
    assert not fit.info.singular
    centred = y - y.mean(axis=1, keepdims=True) - y.mean(axis=0) + y.mean()
    classical = (3 * y.mean(axis=1).var(ddof=1)) / ((centred**2).sum() / 4)
    assert test.statistic == pytest.approx(classical, rel=1e-6)
    assert test.p_value == pytest.approx(stats.f.sf(classical, 2, 4), rel=1e-6)
