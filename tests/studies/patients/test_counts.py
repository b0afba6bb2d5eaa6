"""Numbers of lesions by clinical variables, beside direct calls of statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from qsmstats.errors import ModelError
from qsmstats.settings import PatientSettings
from qsmstats.studies.patients.counts import count_regression

PRL = "paramagnetic_rim"
SETTINGS = PatientSettings()


@pytest.fixture(scope="module")
def first(patients):
    return patients[patients["years"] == 0]


@pytest.fixture(scope="module")
def frame(first):
    return first.assign(y=first[f"n_{PRL}"].astype(float), total=first["n_lesions"].astype(float))


def same_as(rows, fit, term, tolerance, left=np.inf):
    """Compare with a fit of statsmodels; `left` are the degrees of freedom of its residuals."""
    (row,) = rows
    error = fit.bse[term] * (1.0 if np.isinf(left) else np.sqrt(fit.nobs / left))
    low, high = np.exp(fit.params[term] + np.array([-1, 1]) * stats.t.isf(0.025, left) * error)
    assert row["estimate"] == pytest.approx(np.exp(fit.params[term]), rel=tolerance)
    assert row["conf_low"] == pytest.approx(low, rel=tolerance)
    assert row["conf_high"] == pytest.approx(high, rel=tolerance)
    assert row["std_error"] == pytest.approx(row["estimate"] * error, rel=tolerance)
    p_value = 2 * stats.t.sf(abs(fit.params[term]) / error, left)
    assert row["p_value"] == pytest.approx(p_value, rel=20 * tolerance)
    assert row["df"] == left


def test_negative_binomial_is_that_of_statsmodels(first, frame):
    rows, (dispersion, zeros) = count_regression(first, PRL, "age", settings=SETTINGS, level=0.95)
    formula = "y ~ age + sex"
    fit = smf.negativebinomial(formula, frame).fit(disp=0, maxiter=1000)
    # Both searches end where the gradient per patient is below 1e-5.
    same_as(rows, fit, "age", 5e-4, left=len(frame) - 4)
    assert rows[0]["quantity"] == "rate ratio"
    assert rows[0]["covariates"] == "sex"
    assert dispersion["estimate"] == pytest.approx(fit.params["alpha"], rel=1e-3)
    poisson = smf.poisson(formula, frame).fit(disp=0)
    assert dispersion["statistic"] == pytest.approx(2 * (fit.llf - poisson.llf), rel=1e-6)
    assert dispersion["p_value"] == pytest.approx(stats.chi2.sf(dispersion["statistic"], 1) / 2)
    moment = fit.get_diagnostic().test_chisquare_prob(bin_edges=np.arange(3))
    assert zeros["statistic"] == pytest.approx(moment.statistic, rel=1e-2)
    assert zeros["observed"] == (frame["y"] == 0).sum()
    assert zeros["expected"] == pytest.approx(fit.predict(which="prob")[:, 0].sum(), rel=1e-3)


@pytest.mark.parametrize(("offset", "column"), [("lesions", "total"), ("volume", "volume_mm3")])
def test_poisson_by_name_with_an_offset(first, frame, offset, column):
    settings = PatientSettings(family="poisson", offset=offset, covariates=("age",))
    lesion_free = frame.iloc[[0]].assign(y=0.0, total=0.0, volume_mm3=0.0, n_lesions=0)
    lesion_free[f"n_{PRL}"] = 0
    with_one_free = pd.concat([frame, lesion_free])
    rows, (zeros,) = count_regression(with_one_free, PRL, "sex", settings=settings, level=0.95)
    fit = smf.poisson("y ~ sex + age", frame, offset=np.log(frame[column])).fit(disp=0)
    same_as(rows, fit, "sex[T.M]", 1e-6)
    assert (rows[0]["level"], rows[0]["n_participants"]) == ("M / F", len(frame))
    score = fit.get_diagnostic().test_poisson_zeroinflation(method="broek")
    assert zeros["statistic"] == pytest.approx(score.statistic, rel=1e-5)
    assert "van den Broek" in zeros["test"]


def test_counts_less_dispersed_than_poisson_have_the_fit_of_poisson(first):
    even = first.assign(**{f"n_{PRL}": np.arange(len(first)) % 2})
    rows, (dispersion, _) = count_regression(even, PRL, "age", settings=SETTINGS, level=0.95)
    poisson = PatientSettings(family="poisson")
    expected, _ = count_regression(even, PRL, "age", settings=poisson, level=0.95)
    assert rows[0]["estimate"] == expected[0]["estimate"]
    assert "that of Poisson" in rows[0]["note"]
    assert (dispersion["estimate"], dispersion["p_value"]) == (0.0, 1.0)


def test_what_counts_cannot_say_is_said(first):
    def ask(rows, variable="edss"):
        return count_regression(rows, PRL, variable, settings=SETTINGS, level=0.95)

    with pytest.raises(ModelError, match="no patient has such a lesion"):
        ask(first.assign(**{f"n_{PRL}": 0}))
    with pytest.raises(ModelError, match="8 patients, and 25 are needed for 5 coefficients"):
        ask(first.head(8))
    few = (np.arange(len(first)) < 4).astype(int)
    with pytest.raises(ModelError, match="4 patients with such a lesion, and 15 are needed"):
        ask(first.assign(**{f"n_{PRL}": few}))
    with pytest.raises(ModelError, match="edss has fewer than two values"):
        ask(first.assign(edss=2.0))
    with pytest.raises(ModelError, match="site is no number and has no logarithm"):
        ask(first, "log(site)")
    with pytest.raises(ModelError, match="edss, age, sex determine one another"):
        ask(first.assign(edss=first["age"] / 2 - (first["sex"] == "M")))
    arm = np.where(first[f"n_{PRL}"] > 0, "a", "b")
    with pytest.raises(ModelError, match="cannot be used"):
        ask(first.assign(arm=arm), "arm")
