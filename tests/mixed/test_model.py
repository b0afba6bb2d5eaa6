"""Every reference case against lme4, lmerTest and pbkrtest; weights against lme4 and nlme.

Tolerances: the references' optima are polished to about 1e-13 of the criterion, which leaves the
fixed effects 1e-6 of a standard error (the criterion is flat at its minimum: an error e in it is
sqrt(e) in the parameters) and degrees of freedom, which are ratios of second derivatives taken
numerically by lmerTest, about 1e-5. The limits asked for are 1e-6, 1e-5, 1e-5 and 1e-4.
"""

from __future__ import annotations

import json
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from qsmstats.errors import UsageError
from qsmstats.mixed.model import MixedModel
from tests.mixed import reference_cases as cases
from tests.mixed.designs import random_data

NAMES = cases.names()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["reml", "ml"])
def test_fit_is_that_of_lme4(name, method):
    fit, expected = cases.fitted(name, method), cases.case(name)[method]
    criterion = expected["criterion"] if method == "reml" else expected["deviance"]
    assert fit.info.converged
    assert fit.info.criterion - criterion < 1e-6
    assert fit.info.log_likelihood == pytest.approx(expected["loglik"], abs=1e-6)
    error = np.array(list(expected["se"].values()))
    estimates = np.array(list(expected["fixef"].values()))
    assert np.abs((fit.estimates - estimates) / error).max() < 1e-5
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), error, rtol=1e-5)
    assert fit.sigma == pytest.approx(expected["sigma"], rel=1e-5)


def _covariances(rows, terms):
    """lme4's VarCorr table by grouping, sorted, residual left out."""
    found: dict[frozenset, list[float]] = {}
    for row in rows:
        group = re.sub(r"\.\d+$", "", row["grp"])
        if group != "Residual":
            found.setdefault(frozenset(group.split(":")), []).append(row["vcov"])
    mine: dict[frozenset, list[float]] = {}
    for term in terms:
        lower = term.covariance[np.tril_indices(len(term.covariance))]
        mine.setdefault(frozenset(term.design.grouping.names), []).extend(lower)
    return [(sorted(found[key]), sorted(mine[key])) for key in found]


@pytest.mark.parametrize("name", NAMES)
def test_variances_are_those_of_lme4(name):
    fit, expected = cases.fitted(name), cases.case(name)["reml"]
    assert fit.info.singular == expected["singular"]
    for theirs, ours in _covariances(expected["varcomp"], fit.random):
        # A covariance near zero is known to a share of the variances beside it; a variance that
        # is zero, to a share of the residual variance.
        scale = max(np.abs(theirs).max(), 0.01 * fit.sigma**2)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["satterthwaite", "kenward-roger"])
def test_coefficient_tables_are_those_of_lmertest_and_pbkrtest(name, method):
    expected = pd.DataFrame(cases.case(name)["reml"][method.replace("-", "_")])
    table = cases.fitted(name).coefficients(method)
    np.testing.assert_allclose(table.std_error, expected["Std. Error"], rtol=1e-5)
    np.testing.assert_allclose(table.df, expected["df"], rtol=1e-4)
    # P-values far out in the tail multiply the error of the statistic.
    np.testing.assert_allclose(table.p_value, expected["Pr(>|t|)"], rtol=1e-3)


TESTS = [(1, "satterthwaite"), (2, "satterthwaite"), (3, "satterthwaite"), (3, "kenward-roger")]


def test_no_reference_case_is_lost():
    """Tests are made from the files found: none found would be none failed."""
    assert len(NAMES) == 19
    assert sum(bool(cases.case(name)["reml"]["anova3_satterthwaite"]) for name in NAMES) > 10


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("kind", "method"), TESTS)
def test_term_tests_are_those_of_lmertest(name, kind, method):
    expected = cases.case(name)["reml"].get(f"anova{kind}_{method.replace('-', '_')}")
    table = cases.fitted(name).anova(type=kind, df=method)
    if not expected:
        assert table.empty
        return
    reference = pd.DataFrame(expected)
    np.testing.assert_array_equal(table.num_df, reference["NumDF"])
    np.testing.assert_allclose(table.den_df, reference["DenDF"], rtol=1e-4)
    np.testing.assert_allclose(table.statistic, reference["F value"], rtol=1e-4)
    np.testing.assert_allclose(table.p_value, reference["Pr(>F)"], rtol=1e-3)


def test_contrasts_change_coefficients_but_no_term_test():
    data = cases.data("oats_splitplot")
    coded = {"Variety": "sum", "nitro": "helmert"}
    formula = "yield ~ Variety * nitro + (1 | Block) + (1 | Block:Variety)"
    treated = MixedModel(formula.replace("yield", "`yield`")).fit(data)
    summed = MixedModel(formula.replace("yield", "`yield`"), coded).fit(data)
    assert summed.fixed.names[1] == "Variety[S.Golden Rain]"
    for kind in (1, 2, 3):
        one, two = treated.anova(type=kind), summed.anova(type=kind)
        assert one.term.tolist() == two.term.tolist()
        np.testing.assert_allclose(two.statistic, one.statistic, rtol=1e-8)


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_only_satterthwaites_joint_df_move_with_the_coding_and_as_documented(kind):
    """lmerTest's basis moves with the coding; docs/for-lmer-users.md gives the size."""
    spread = []
    for seed in range(4):
        data = random_data(seed)
        one, two = (
            MixedModel("y ~ f * x + (1 + x | g)", {"f": coding}).fit(data)
            for coding in ("treatment", "sum")
        )
        for df in ("satterthwaite", "kenward-roger"):
            a, b = one.anova(type=kind, df=df), two.anova(type=kind, df=df)
            np.testing.assert_allclose(b.statistic, a.statistic, rtol=1e-7)
            if df == "kenward-roger":
                np.testing.assert_allclose(b.den_df, a.den_df, rtol=1e-7)
        single = one.anova(type=kind).num_df == 1
        moved = (two.anova(type=kind).den_df / one.anova(type=kind).den_df - 1).abs()
        np.testing.assert_allclose(moved[single], 0, atol=1e-7)
        spread.append(moved[~single].max())
    assert 1e-5 < max(spread) < 0.15


@pytest.fixture(scope="module")
def weighted():
    path = cases.CASES.parent / "mixed_weights" / "weights.json"
    return json.loads(path.read_text(encoding="utf-8"))


def _sleep():
    data = cases.data("sleep_rs")
    return data.assign(
        w=1 + np.arange(len(data)) % 4 / 2, half=np.where(data.Days > 4, "late", "early")
    )


@pytest.mark.parametrize("method", ["reml", "ml"])
def test_prior_weights_are_those_of_lme4(weighted, method):
    expected = weighted["sleep_weights"][method]
    model = MixedModel("Reaction ~ Days + (1 + Days | Subject)")
    fit = model.fit(_sleep(), method=method, weights="w")
    assert fit.info.criterion == pytest.approx(expected["criterion"], abs=1e-6)
    np.testing.assert_allclose(fit.estimates, expected["fixef"], rtol=1e-6)
    np.testing.assert_allclose(fit.theta, expected["theta"], rtol=1e-4)
    if method == "reml":
        np.testing.assert_allclose(fit.coefficients().df, expected["satterthwaite_df"], rtol=1e-4)


@pytest.mark.parametrize("method", ["reml", "ml"])
@pytest.mark.parametrize("case", ["sleep_halves", "orthodont_sex"])
def test_residual_variances_by_level_are_those_of_nlme(weighted, method, case):
    expected = weighted[case][method]
    if case == "sleep_halves":
        model, data, column = MixedModel("Reaction ~ Days + (Days | Subject)"), _sleep(), "half"
    else:
        data = cases.data("orthodont_ri")
        model, column = MixedModel("distance ~ age * Sex + (1 | Subject)"), "s"
        # nlme's reference level of the variance is the other sex than that of the mean.
        data = data.assign(
            s=pd.Categorical(data.Sex, categories=["Female", "Male"]),
            Sex=pd.Categorical(data.Sex, categories=["Male", "Female"]),
        )
    fit = model.fit(data, method=method, weights=column)
    # nlme stops at a relative change of 1e-8 in its log-likelihood: five digits of its parameters.
    assert fit.info.criterion - expected["criterion"] < 1e-6
    assert fit.info.criterion == pytest.approx(expected["criterion"], abs=1e-6)
    np.testing.assert_allclose(fit.residual.ratios[1], expected["ratio"], rtol=1e-4)
    assert fit.sigma == pytest.approx(expected["sigma"], rel=1e-4)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), expected["se"], rtol=1e-4)


def test_equal_weights_only_rescale_sigma():
    data = _sleep().assign(two=2.0)
    model = MixedModel("Reaction ~ Days + (Days | Subject)")
    plain, doubled = model.fit(data), model.fit(data, weights="two")
    assert doubled.sigma == pytest.approx(plain.sigma * np.sqrt(2), rel=1e-7)
    assert doubled.info.criterion == pytest.approx(plain.info.criterion, abs=1e-8)
    np.testing.assert_allclose(doubled.covariance, plain.covariance, rtol=1e-5)


@pytest.mark.parametrize("name", ["sleep_ri", "sleep_rs", "orthodont_ri", "rail_ri"])
@pytest.mark.parametrize("method", ["reml", "ml"])
def test_statsmodels_reaches_no_lower_criterion(name, method):
    """Where statsmodels converges, it ends where we do (its optimiser stops at about 1e-6)."""
    formula = cases.case(name)["formula"]
    fixed, expression, group = re.match(r"(.*) \+ \((.*) \| (.*)\)", formula).groups()
    data = cases.data(name)
    model = smf.mixedlm(fixed, data, groups=data[group], re_formula=f"~{expression}")
    with warnings.catch_warnings():
        # statsmodels warns on its way of matrices that are singular for a moment.
        warnings.simplefilter("ignore")
        theirs = model.fit(reml=method == "reml", method="lbfgs")
    ours = cases.fitted(name, method)
    assert theirs.converged
    assert ours.info.log_likelihood >= theirs.llf - 1e-6
    assert ours.info.log_likelihood == pytest.approx(theirs.llf, abs=1e-4)
    # The two put the columns in different orders.
    np.testing.assert_allclose(np.sort(ours.estimates), np.sort(theirs.fe_params), rtol=1e-4)


def test_refitting_uses_the_same_rows_and_weights():
    data = _sleep()
    data.loc[4, "Days"] = np.nan
    fit = MixedModel("Reaction ~ Days + (Days | Subject)").fit(data, weights="half")
    ml = fit.refitted(method="ml")
    assert (ml.method, ml.info.n_obs) == ("ml", 179)
    assert ml.residual.column == "half"
    equal = fit.refitted(weights=None)
    assert equal.residual.column is None
    assert equal.info.n_parameters == fit.info.n_parameters - 1
    assert equal.info.criterion > fit.info.criterion
    smaller = fit.refitted(formula="Reaction ~ Days + (1 | Subject)")
    assert smaller.info.criterion > fit.info.criterion


def test_engine_translates_between_its_parameters_and_lme4s():
    fit = cases.fitted("lesion_b")
    engine = fit.engine()
    factors = engine.factors(fit.moments.theta)
    for factor, term in zip(factors, fit.random, strict=True):
        np.testing.assert_allclose(factor @ factor.T, term.relative, rtol=1e-10)
    theta = engine.from_factors(factors, np.empty(0))
    assert engine.criterion(engine.objective.at(theta)) == pytest.approx(
        fit.info.criterion, abs=1e-8
    )


@pytest.mark.parametrize("name", ["lesion_small", "oats", "sleep", "machines"])
@pytest.mark.parametrize("method", ["reml", "ml"])
def test_information_criteria_are_those_of_r(name, method):
    """R's logLik stops at the same optimum to about 1e-9."""
    fit, r = cases.answered(name, method), cases.answers()["answers"]["information"][name][method]
    assert (fit.info.n_parameters, fit.info.n_obs) == (r["parameters"], r["rows"])
    for criterion in ("aic", "aicc", "bic"):
        assert getattr(fit, criterion) == pytest.approx(r[criterion], abs=1e-6)


def test_the_corrected_criterion_of_too_few_rows_is_infinite():
    rows = cases.answer_data("machines").groupby(["Worker", "Machine"], observed=True).head(1)
    rows = rows[rows["Worker"].isin([1, 2])]
    fit = MixedModel("score ~ Machine + (1 | Worker)").fit(rows)
    assert fit.info.n_obs == fit.info.n_parameters + 1
    assert fit.aicc == np.inf


def test_offsets_are_those_of_lme4():
    r = cases.answers()["answers"]["offset"]
    rows = cases.answer_data("sleep")
    rows["load"] = (np.arange(1, len(rows) + 1) % 5) * 10.0
    fit = MixedModel(r["formula"]).fit(rows)
    assert fit.info.criterion == pytest.approx(r["criterion"], abs=1e-6)
    table, theirs = fit.coefficients(), r["satterthwaite"]
    np.testing.assert_allclose(fit.estimates, list(r["estimates"].values()), rtol=1e-6)
    np.testing.assert_allclose(table["std_error"], list(r["se"].values()), rtol=1e-6)
    np.testing.assert_allclose(table["df"], theirs["df"], rtol=1e-5)
    np.testing.assert_allclose(fit.theta, r["theta"], rtol=1e-5)
    assert fit.sigma == pytest.approx(r["sigma"], rel=1e-6)
    conditional = fit.predict(level="conditional")["estimate"]
    np.testing.assert_allclose(conditional, r["fitted"], rtol=1e-6)
    np.testing.assert_allclose(conditional + fit.residuals(), rows["Reaction"], rtol=1e-12)
    np.testing.assert_allclose(fit.predict(rows)["estimate"], r["population"], rtol=1e-6)
    mean = fit.marginal_means("Days", at={"Days": 5}).iloc[0]
    for column, name in (("estimate", "emmean"), ("std_error", "SE"), ("conf_low", "lower.CL")):
        assert mean[column] == pytest.approx(r["mean_at_5"][name][0], rel=1e-6)
    # The same by name, as a number taken from the outcome, and in every way to fit again.
    model = MixedModel("Reaction ~ Days + (1 + Days | Subject)", offset="load")
    named = model.fit(rows)
    np.testing.assert_array_equal(named.estimates, fit.estimates)
    assert "The offset was load." in named.methods_text()
    plain = MixedModel(model.formula).fit(rows.assign(Reaction=rows["Reaction"] - rows["load"]))
    assert plain.info.criterion == pytest.approx(fit.info.criterion, abs=1e-10)
    np.testing.assert_allclose(
        fit.influence("Subject").distances["cooks_distance"],
        plain.influence("Subject").distances["cooks_distance"],
        rtol=1e-6,
    )
    tests = fit.random_term_tests()["log_likelihood"]
    np.testing.assert_allclose(tests, plain.random_term_tests()["log_likelihood"], rtol=1e-9)
    drawn = fit.simulate(3, seed=1)
    np.testing.assert_allclose(
        drawn.sub(rows["load"], axis=0), plain.simulate(3, seed=1), rtol=1e-6
    )
    many = named.refit(np.column_stack([rows["Reaction"], drawn]))
    np.testing.assert_allclose(many.estimates[0], fit.estimates, rtol=1e-6)
    np.testing.assert_allclose(many.estimates[1], fit.refit(drawn[0]).estimates, rtol=1e-5)
    holes = rows["Reaction"].where(np.arange(len(rows)) > 3).to_numpy()[:, None]
    some = MixedModel(r["formula"]).fit(rows.iloc[4:])
    np.testing.assert_allclose(fit.refit(holes).estimates[0], some.estimates, rtol=1e-5)
    means = fit.bootstrap(40, seed=2).marginal_means("Days", at={"Days": 5}).iloc[0]
    assert means["conf_low"] < mean["estimate"] < means["conf_high"]
    assert means["estimate"] == pytest.approx(mean["estimate"], rel=1e-9)
    with pytest.raises(UsageError, match="different rows, outcomes or offsets"):
        MixedModel(model.formula).fit(rows).likelihood_ratio(fit)
