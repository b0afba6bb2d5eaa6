"""Kenward-Roger against its n x n definition, Satterthwaite against numerical derivatives."""

from fractions import Fraction

import numpy as np
import pytest

from qsmstats.mixed.inference.degrees_of_freedom import Satterthwaite, _combine, _scaled_f
from qsmstats.mixed.inference.wald import adjusted_covariance
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
    residuals = made.layout.residuals
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
    theta = solve(made).minimum.point.theta
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


@pytest.mark.parametrize("q", [1, 2, 3, 7])
@pytest.mark.parametrize("df", [0.5, 1, 2, 3, 4, 5, 12, 1e4])
def test_kenward_roger_of_a_balanced_design_is_its_exact_f(q, df):
    """Kenward & Roger (1997) chose their factors so that A1 = q A2 = 2 q^2 / df gives F(q, df)."""
    a2 = 2 * q / df
    np.testing.assert_allclose(_scaled_f(q, q * a2, a2), [df, 1], rtol=1e-9)


@pytest.mark.parametrize("q", [2, 3, 5])
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_kenward_roger_is_the_papers_formula_and_passes_its_singular_points(q, share):
    """Section 3 of the paper in exact fractions; where V2 or V1 is zero df is four."""

    def paper(a1, a2):
        b = (a1 + 6 * a2) / (2 * q)
        g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
        d = 3 * q + 2 * (1 - g)
        mean = 1 / (1 - a2 / q)
        variance = (1 + g / d * b) / (
            (1 - (q - g) / d * b) ** 2 * (1 - (q + 2 - g) / d * b) * Fraction(q, 2)
        )
        rho = variance / (2 * mean**2)
        df = 4 + (q + 2) / (q * rho - 1)
        return [float(df), float(df / (mean * (df - 2)))]

    # The factor c of B in V1 and V2 does not depend on the size of A2, so that both are straight.
    one = Fraction(share).limit_denominator(100) * q
    g = ((q + 1) * one - (q + 4)) / (q + 2)
    slope = (one + 6) / (2 * q) / (3 * q + 2 * (1 - g))
    for zero in (1 / ((q + 2 - g) * slope), 1 / ((q - g) * slope)):
        found = _scaled_f(q, float(one * zero), float(zero))
        # Beyond A2 = q the factor is negative: no F distribution.
        assert found[0] == pytest.approx(4 if zero < q else np.nan, abs=1e-9, nan_ok=True)
        for aside in (Fraction(9, 10), Fraction(99, 100), Fraction(1001, 1000)):
            a2 = zero * aside
            got = _scaled_f(q, float(one * a2), float(a2))
            expected = paper(one * a2, a2)
            expected = expected if min(expected) > 0 else [np.nan, np.nan]
            np.testing.assert_allclose(got, expected, rtol=1e-8)


def test_no_uncertainty_is_infinite_df_and_no_f_distribution_is_nan():
    assert _scaled_f(3, 0.0, 0.0) == (np.inf, 1.0)
    # The smallest numbers: 2 q / A2 overflows nothing.
    assert _scaled_f(3, 3e-300, 1e-300)[0] > 1e15
    # By the paper's formula df = -2.3: pbkrtest gives this and a p-value of NaN.
    assert np.isnan(_scaled_f(5, 0.6 * 5 * 4.85, 4.85)).all()
    # df = 1.9 with a factor of -0.5: pbkrtest gives a negative F.
    assert np.isnan(_scaled_f(2, 0.3 * 2 * 1.94, 1.94)).all()


def test_satterthwaite_df_combine_to_those_of_lmertest():
    """2 E / (E - k) with E = sum df / (df - 2); equal df are kept, df <= 2 give two."""
    assert _combine(np.array([6.0, 12.0])) == pytest.approx(2 * 2.7 / 0.7)
    assert _combine(np.array([1.5, 1.5])) == 1.5
    assert _combine(np.array([1.5, 30.0])) == 2.0
    # In the limit an infinite df adds its square's mean, one, to E.
    assert _combine(np.array([6.0, np.inf])) == pytest.approx(2 * 2.5 / 0.5)
    assert np.isinf(_combine(np.array([np.inf, np.inf])))
