"""Names of statsmodels mean here what they mean there; those of lme4 say what answers them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import qsmstats as qs
from qsmstats.mixed.familiar_names import OF_R


@pytest.fixture(scope="module")
def fits():
    lesions = qs.example_lesions(8)
    small = lesions.assign(small=lesions["volume_mm3"] < 50)
    generalized = qs.GeneralizedMixedModel("small ~ edss + (1 | participant_id)")
    return [
        qs.MixedModel("mwf_percent ~ years + age + (1 | participant_id)").fit(lesions),
        generalized.fit(small[small["years"] == 0]),
    ]


@pytest.mark.parametrize("which", [0, 1])
def test_names_of_statsmodels_give_what_coefficients_gives(fits, which):
    fit = fits[which]
    table = fit.coefficients(level=0.9).set_index("term")
    for name, column in {
        "params": "estimate",
        "bse": "std_error",
        "tvalues": "statistic",
        "pvalues": "p_value",
    }.items():
        pd.testing.assert_series_equal(getattr(fit, name), table[column], check_names=False)
    limits = fit.conf_int(alpha=0.1)
    assert limits.columns.tolist() == [0, 1]
    np.testing.assert_array_equal(limits, table[["conf_low", "conf_high"]])
    np.testing.assert_allclose(np.sqrt(np.diag(fit.cov_params())), fit.bse)
    assert fit.cov_params().loc["Intercept", fit.params.index[1]] == fit.covariance[0, 1]
    assert (fit.llf, fit.nobs) == (fit.info.log_likelihood, fit.info.n_obs)
    assert fit.aic == pytest.approx(-2 * fit.llf + 2 * fit.info.n_parameters)
    assert fit.bic == pytest.approx(-2 * fit.llf + np.log(fit.nobs) * fit.info.n_parameters)


def test_they_are_those_of_statsmodels(fits):
    lesions = qs.example_lesions(8)
    peer = sm.MixedLM.from_formula(
        "mwf_percent ~ years + age", lesions, groups="participant_id"
    ).fit(reml=True)
    fit = fits[0]
    np.testing.assert_allclose(fit.params, peer.fe_params, rtol=1e-5)
    # statsmodels stops a little short of the optimum.
    np.testing.assert_allclose(fit.bse, peer.bse_fe, rtol=1e-3)
    np.testing.assert_allclose(fit.fittedvalues, peer.fittedvalues, rtol=1e-4)
    np.testing.assert_allclose(fit.resid, peer.resid, atol=1e-3)
    assert fit.llf == pytest.approx(peer.llf, abs=1e-4)
    assert fit.nobs == peer.nobs


def test_outcome_is_fitted_value_and_residual(fits):
    linear, generalized = fits
    np.testing.assert_allclose(linear.fittedvalues + linear.resid, linear.response)
    np.testing.assert_allclose(generalized.fittedvalues + generalized.resid, generalized.outcome.y)
    assert generalized.fittedvalues.between(0, 1).all()


@pytest.mark.parametrize("name", OF_R)
def test_names_of_r_say_what_answers_them(fits, name):
    for fit in fits:
        with pytest.raises(AttributeError, match=f"'{name}'; here it is ") as refused:
            getattr(fit, name)
        answers = str(refused.value).partition("; here it is ")[2]
        named = [word.strip("(),") for word in answers.split() if "(" in word or "." in word]
        named += [answers] if not named else []
        for one in named:
            found = fit
            for part in one.split("."):
                found = getattr(found, part.rstrip("()"))


def test_an_unknown_name_is_an_ordinary_error(fits):
    with pytest.raises(AttributeError, match=r"'MixedFit' object has no attribute 'nothing'$"):
        _ = fits[0].nothing
    assert not hasattr(fits[1], "__array__")


def test_print_gives_the_summary_and_the_prompt_a_short_text(fits):
    for fit in fits:
        assert str(fit) == fit.summary()
        assert repr(fit).startswith(f"{type(fit).__name__}\n  formula: ")
        assert "\ncoefficients:\nterm " in repr(fit)
    robust = fits[0].cluster_robust()
    assert "  cluster: participant_id, 8 clusters\n" in repr(robust)
