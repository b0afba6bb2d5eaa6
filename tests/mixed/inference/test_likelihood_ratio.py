"""Likelihood-ratio tests against lmerTest's ranova, lme4's anova and nlme."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qsmstats.errors import UsageError
from qsmstats.mixed.model import MixedModel
from tests.mixed.reference_cases import case, data, fitted, more


@pytest.mark.parametrize("kind", ["drop", "reduce"])
@pytest.mark.parametrize("name", list(more("random_term_tests")))
def test_random_terms_equal_ranova(name: str, kind: str) -> None:
    r = more("random_term_tests")[name][kind]
    table = fitted(name).random_term_tests(reduce=kind == "reduce")
    np.testing.assert_allclose(table["log_likelihood"], r["logLik"][1:], rtol=1e-9)
    np.testing.assert_allclose(table["statistic"], r["LRT"][1:], rtol=1e-7)
    assert table["df"].tolist() == r["Df"][1:]
    assert table["n_parameters"].tolist() == r["npar"][1:]
    np.testing.assert_allclose(table["p_value_chi2"], r["Pr(>Chisq)"][1:], rtol=1e-6, atol=1e-300)


def test_every_case_agrees_with_the_ranova_it_holds() -> None:
    seen = 0
    for name in ("dyestuff_ri", "rail_ri", "sleep_ri", "cake_splitplot", "lesion_a"):
        r = case(name)["reml"]["ranova"]
        table = fitted(name).random_term_tests()
        assert table["statistic"].iloc[0] == pytest.approx(r[1]["LRT"], rel=1e-8)
        seen += 1
    assert seen == 5


def test_boundary_mixtures_are_named_and_computed() -> None:
    one = fitted("dyestuff_ri").random_term_tests().iloc[0]
    assert one["null_distribution"] == "0.5 chi2(0) + 0.5 chi2(1)"
    assert one["p_value"] == pytest.approx(0.5 * one["p_value_chi2"])
    slope = fitted("orthodont_rs").random_term_tests().iloc[0]
    assert slope["null_distribution"] == "0.5 chi2(1) + 0.5 chi2(2)"
    expected = 0.5 * (stats.chi2.sf(slope["statistic"], 1) + stats.chi2.sf(slope["statistic"], 2))
    assert slope["p_value"] == pytest.approx(expected)
    whole = fitted("orthodont_rs").random_term_tests(reduce=False).iloc[0]
    assert whole["null_distribution"] == "chi2(3), conservative"
    assert whole["p_value"] == whole["p_value_chi2"]
    zero = fitted("dyestuff2_singular").random_term_tests().iloc[0]
    assert zero["statistic"] == pytest.approx(0, abs=1e-9)
    assert zero["p_value"] >= 0.5


@pytest.mark.slow
def test_mixture_holds_its_level_where_plain_chi_squared_is_conservative() -> None:
    """400 data sets without a group effect, 12 groups of 6."""
    rng = np.random.default_rng(11)
    frame = data("sleep_ri").iloc[:72].assign(g=np.repeat(np.arange(12), 6))
    below = []
    for _ in range(400):
        fit = MixedModel("y ~ 1 + (1 | g)").fit(frame.assign(y=rng.standard_normal(72)))
        below.append(fit.random_term_tests()[["p_value", "p_value_chi2"]].iloc[0] < 0.05)
    rate = np.mean(below, axis=0)
    # Standard error of a share of .05 in 400: .011. With twelve groups the mixture's weight on
    # zero is nearer .56 than .5, so its level is a little under .05.
    assert rate[0] == pytest.approx(0.05, abs=0.03)
    assert rate[1] < rate[0]


def test_different_fixed_parts_are_compared_by_ml_as_anova_does() -> None:
    r = more("likelihood_ratio")["fixed"]
    smaller = MixedModel("Reaction ~ 1 + (1 + Days | Subject)").fit(data("sleep_rs"))
    for table in (
        smaller.likelihood_ratio(fitted("sleep_rs")),
        fitted("sleep_rs").likelihood_ratio(smaller),
    ):
        assert set(table["method"]) == {"ml"}
        np.testing.assert_allclose(table["log_likelihood"], r["logLik"], rtol=1e-9)
        last = table.iloc[1]
        assert last["statistic"] == pytest.approx(r["Chisq"][1], rel=1e-8)
        assert last["p_value"] == pytest.approx(r["Pr(>Chisq)"][1], rel=1e-6)
        assert last["null_distribution"] == "chi2(1)"


def test_same_fixed_part_keeps_reml_and_the_mixture() -> None:
    last = fitted("sleep_rs").likelihood_ratio(fitted("sleep_ri")).iloc[1]
    reference = more("random_term_tests")["sleep_rs"]["reduce"]
    assert last["method"] == "reml"
    assert last["statistic"] == pytest.approx(reference["LRT"][1], rel=1e-8)
    assert last["null_distribution"] == "0.5 chi2(1) + 0.5 chi2(2)"


def test_residual_variances_equal_nlmes_varident() -> None:
    r = more("likelihood_ratio")["heterogeneous"]
    fit = MixedModel(case("orthodont_ri")["formula"]).fit(data("orthodont_ri"), weights="Sex")
    table = fit.residual_variance_test()
    np.testing.assert_allclose(table["log_likelihood"], [r["loglik0"], r["loglik1"]], rtol=1e-9)
    assert table["statistic"].iloc[1] == pytest.approx(r["ratio"], rel=1e-6)
    assert table["p_value"].iloc[1] == pytest.approx(r["p_value"], rel=1e-5)
    assert table["null_distribution"].iloc[1] == "chi2(1)"


def test_what_cannot_be_compared_is_refused() -> None:
    sleep, frame = fitted("sleep_rs"), data("sleep_rs")
    fewer = MixedModel(case("sleep_ri")["formula"]).fit(frame.iloc[10:])
    with pytest.raises(UsageError, match="different rows"):
        sleep.likelihood_ratio(fewer)
    other = MixedModel("Reaction ~ log(Days + 1) + (1 | Subject)").fit(frame)
    with pytest.raises(UsageError, match="fixed part is not part"):
        sleep.likelihood_ratio(other)
    with pytest.raises(UsageError, match="same number of parameters"):
        sleep.likelihood_ratio(sleep)
    with pytest.raises(UsageError, match="one residual variance"):
        sleep.residual_variance_test()
    slope = MixedModel("Reaction ~ Days + (0 + Days | Subject)").fit(frame)
    crossed = MixedModel("Reaction ~ Days + (1 | Subject) + (1 | odd)").fit(
        frame.assign(odd=frame.index % 7)
    )
    with pytest.raises(UsageError, match="random terms are not part"):
        crossed.likelihood_ratio(slope)


@pytest.mark.parametrize(("kind", "expected"), [("reml", -241.6628658537), ("ml", -238.9718956119)])
def test_the_last_random_term_gives_way_to_nlmes_gls(kind: str, expected: float) -> None:
    """Log-likelihood of gls(distance ~ age * Sex, weights = varIdent(~ 1 | Sex)), nlme 3.1-162."""
    model = MixedModel("distance ~ age * Sex + (1 | Subject)")
    row = model.fit(data("orthodont_ri"), method=kind, weights="Sex").random_term_tests().iloc[0]
    # nlme prints what its optimiser found at a tolerance of 1e-12.
    assert row["log_likelihood"] == pytest.approx(expected, abs=1e-7)
    assert (row["n_parameters"], row["df"]) == (6, 1)
