"""Random effects, predictions and residuals against lme4 and the full mixed-model equations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qsmstats.errors import InvalidDataError, UsageError
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.model import MixedModel
from tests.mixed.reference_cases import (
    answer_data,
    answered,
    answers,
    case,
    data,
    fitted,
    more,
    names,
)

WITH_RANEF = [name for name in names() if case(name)["ranef"]]


@pytest.mark.parametrize("name", WITH_RANEF)
def test_modes_equal_ranef(name: str) -> None:
    ours = fitted(name).random_effects()
    for group, table in case(name)["ranef"].items():
        for column, values in table["effects"].items():
            rows = ours[(ours["group"] == group) & (ours["term"] == _ours(column))]
            spread = max(np.ptp(values), 1e-3 * np.ptp(fitted(name).response))
            estimate = rows.set_index(rows["level"].astype(str))["estimate"]
            apart = (estimate[list(map(str, table["levels"]))] - np.array(values)) / spread
            # theta is polished to about 1e-7; modes follow in proportion.
            np.testing.assert_allclose(apart, 0, atol=2e-6)


def _ours(term: str) -> str:
    """Spell R's column names, mangled or not, as formulaic does."""
    if term in {"(Intercept)", "X.Intercept."}:
        return "Intercept"
    return f"Machine[{term[-1]}]" if term.startswith("Machine") else term


@pytest.mark.parametrize("name", list(more("random_effects")))
def test_conditional_standard_errors_and_residuals_equal_lme4(name: str) -> None:
    r, fit = more("random_effects")[name], fitted(name)
    table = pd.DataFrame(r["ranef"])
    ours = fit.random_effects()
    ours["level"] = ours["level"].astype(str)
    table["term"] = ["Intercept" if t == "(Intercept)" else _ours(str(t)) for t in table["term"]]
    both = table.merge(ours, left_on=["grpvar", "grp", "term"], right_on=["group", "level", "term"])
    assert len(both) == len(table) == len(ours)
    # lme4 leaves conditional deviations of a singular fit to rounding: 1e-8 where we say zero.
    np.testing.assert_allclose(both["std_error"], both["condsd"], rtol=2e-5, atol=1e-4)
    scale = np.std(fit.response)
    for kind, theirs in (("conditional", "response"), ("pearson", "pearson")):
        values = fit.residuals(kind) * (fit.sigma if kind == "pearson" else 1.0)
        np.testing.assert_allclose((values - np.array(r[theirs])) / scale, 0, atol=1e-5)
    conditional = fit.predict(level="conditional")["estimate"]
    np.testing.assert_allclose((conditional - np.array(r["fitted"])) / scale, 0, atol=1e-5)
    population = fit.predict()["estimate"]
    np.testing.assert_allclose((population - np.array(r["population"])) / scale, 0, atol=1e-6)


def full_equations(fit: MixedFit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Design [X Z], solution and error covariance of Henderson's equations, all dense."""
    frame = fit.frame.data
    X = fit.fixed.matrix(frame)
    blocks, precision = [], []
    for term in fit.random:
        codes, values = term.design.grouping.codes(frame), term.design.matrix(frame)
        size, q = term.design.grouping.size, values.shape[1]
        Z = np.zeros((len(frame), size * q))
        for column in range(q):
            Z[np.arange(len(frame)), codes * q + column] = values[:, column]
        blocks.append(Z)
        precision.append(np.kron(np.eye(size), np.linalg.inv(term.relative)))
    W = np.diag(np.ones(len(frame)) if fit.weights is None else fit.weights)
    whole = np.hstack([X, *blocks])
    left = whole.T @ W @ whole
    start = X.shape[1]
    for block in precision:
        left[start : start + len(block), start : start + len(block)] += block
        start += len(block)
    covariance = np.linalg.inv(left)
    return whole, covariance @ whole.T @ W @ fit.response, covariance * fit.sigma**2


FORMULAS = {
    "sleep_rs_unbal": "Reaction ~ Days + (1 + Days | Subject)",
    "pastes_nested": "strength ~ 1 + (1 | batch / cask)",
    "penicillin_crossed": "diameter ~ 1 + (1 | plate) + (1 | sample)",
    "oats_splitplot": "yield ~ nitro + (1 | Block) + (1 | Variety) + (1 | Block:Variety)",
}


@pytest.mark.parametrize("name", FORMULAS)
def test_prediction_errors_equal_hendersons_equations(name: str) -> None:
    fit = MixedModel(FORMULAS[name]).fit(data(name))
    if fit.info.singular:
        pytest.fail("choose a case with an invertible covariance")
    whole, solution, covariance = full_equations(fit)
    table = fit.predict(level="conditional", interval=True)
    np.testing.assert_allclose(table["estimate"], whole @ solution, rtol=1e-9)
    expected = np.sqrt(np.einsum("ij,jk,ik->i", whole, covariance, whole))
    np.testing.assert_allclose(table["std_error"], expected, rtol=1e-8)
    np.testing.assert_allclose(
        fit.random_effects()["estimate"],
        solution[len(fit.estimates) :],
        atol=1e-9 * np.abs(solution).max(),
    )


def test_weighted_fit_equals_hendersons_equations() -> None:
    frame = data("orthodont_rs").assign(w=np.random.default_rng(1).uniform(0.5, 2, 108))
    fit = MixedModel("distance ~ age * Sex + (1 + age | Subject)").fit(frame, weights=["w", "Sex"])
    whole, solution, covariance = full_equations(fit)
    table = fit.predict(level="conditional", interval=True)
    np.testing.assert_allclose(table["estimate"], whole @ solution, rtol=1e-9)
    expected = np.sqrt(np.einsum("ij,jk,ik->i", whole, covariance, whole))
    np.testing.assert_allclose(table["std_error"], expected, rtol=1e-7)
    pearson = fit.residuals("pearson") * fit.sigma / np.sqrt(fit.weights)
    np.testing.assert_allclose(pearson, fit.residuals("conditional"), rtol=1e-10)


def test_unseen_groups_are_predicted_by_the_population_with_their_own_variance() -> None:
    fit = fitted("sleep_rs")
    new = pd.DataFrame({"Days": [0.0, 5.0, 5.0], "Subject": ["new", "new", "308"]}, index=[7, 8, 9])
    conditional = fit.predict(new, level="conditional", interval=True)
    population = fit.predict(new, interval=True)
    assert conditional.index.tolist() == [7, 8, 9]
    assert conditional["unseen_groups"].tolist() == [1, 1, 0]
    np.testing.assert_allclose(conditional["estimate"][:2], population["estimate"][:2])
    z = np.array([[1.0, 0.0], [1.0, 5.0]])
    own = np.einsum("ij,jk,ik->i", z, fit.random[0].covariance, z)
    np.testing.assert_allclose(
        conditional["std_error"][:2] ** 2, population["std_error"][:2] ** 2 + own, rtol=1e-10
    )
    assert conditional["std_error"].iloc[2] < conditional["std_error"].iloc[1]


def test_population_interval_is_that_of_the_marginal_mean() -> None:
    fit = fitted("orthodont_rs")
    new = pd.DataFrame({"Sex": ["Female", "Male"], "age": [11.0, 11.0]})
    for df in ("satterthwaite", "kenward-roger"):
        means = fit.marginal_means("Sex", at={"age": 11}, df=df, level=0.9)
        table = fit.predict(new, interval=True, confidence=0.9, df=df)
        for column in ("estimate", "std_error", "df", "conf_low", "conf_high"):
            np.testing.assert_allclose(table[column], means[column], rtol=1e-12)


def test_residuals_name_their_rows_when_some_were_left_out() -> None:
    frame = data("sleep_ri")
    frame.loc[[2, 5], "Reaction"] = np.nan
    fit = MixedModel("Reaction ~ Days + (1 | Subject)").fit(frame)
    values = fit.residuals("marginal")
    assert not {2, 5} & set(values.index)
    expected = (
        frame["Reaction"].iloc[values.index] - fit.predict(frame.iloc[values.index])["estimate"]
    )
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9)


def test_modes_of_a_zero_variance_are_zero() -> None:
    table = fitted("dyestuff2_singular").random_effects()
    # Newton's method reaches theta = 0 to about 1e-8 of the residual deviation.
    np.testing.assert_allclose(table[["estimate", "std_error"]], 0, atol=1e-6)


def test_what_cannot_be_predicted_is_refused() -> None:
    fit = fitted("orthodont_ri")
    new = pd.DataFrame({"Sex": ["Female"], "age": [11.0]})
    with pytest.raises(InvalidDataError, match="Subject"):
        fit.predict(new, level="conditional")
    with pytest.raises(InvalidDataError, match="Diverse"):
        fit.predict(new.assign(Sex="Diverse"))
    with pytest.raises(UsageError, match='must be "population" or "conditional"'):
        fit.predict(new, level="group")
    with pytest.raises(UsageError, match="or \"pearson\", not 'deviance'"):
        fit.residuals("deviance")


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_prediction_intervals_of_a_new_patient_equal_emmeans(df: str) -> None:
    """emmeans averages sex and centre with equal weights; here the mean's row is one of X."""
    fit, r = answered("lesion_plain"), answers()["answers"]["prediction"]
    for key, confidence in (("emmeans_new_patient", 0.95), ("emmeans_new_patient_level90", 0.9)):
        theirs = r[key][df]["table"]
        mean = fit.marginal_means("type", df=df)
        new = pd.concat([fit.frame.data.head(1)] * 5, ignore_index=True).assign(type=mean["level"])
        one = fit.predict(new, interval="prediction", confidence=confidence, df=df)
        own = fit.predict(new, interval=True, df=df)
        # The variance of a new row is added to that of any mean.
        added = np.sqrt(one["std_error"] ** 2 - own["std_error"] ** 2)
        np.testing.assert_allclose(added, r[key][df]["sigma"], rtol=1e-5)
        se = np.sqrt(mean["std_error"] ** 2 + added**2)
        np.testing.assert_allclose(se, theirs["SE"], rtol=1e-5)
        np.testing.assert_array_equal(one["df"], own["df"])
        half = stats.t.isf((1 - confidence) / 2, one["df"]) * one["std_error"]
        np.testing.assert_allclose(one["conf_high"] - one["estimate"], half, rtol=1e-12)
        width = np.subtract(theirs["upper.PL"], theirs["lower.PL"])
        ours = 2 * stats.t.isf((1 - confidence) / 2, mean["df"]) * se
        np.testing.assert_allclose(ours, width, rtol=1e-5)


def test_prediction_intervals_of_a_known_patient_equal_hendersons() -> None:
    r = answers()["answers"]["prediction"]
    plain, sleep = r["known_patient"], r["known_subject_slope"]
    lesions = answered("lesion_plain")
    first = lesions.frame.data.drop_duplicates("patient")
    days = pd.DataFrame({"Subject": list(map(int, sleep["subject"])), "Days": float(sleep["days"])})
    for fit, new, theirs in ((lesions, first, plain), (answered("sleep"), days, sleep)):
        mean, row = (
            fit.predict(new, level="conditional", interval=kind)
            for kind in ("confidence", "prediction")
        )
        np.testing.assert_allclose(row["estimate"], theirs["prediction"], rtol=1e-5)
        np.testing.assert_allclose(mean["std_error"], theirs["se_mean"], rtol=1e-5)
        np.testing.assert_allclose(row["std_error"], theirs["se_new"], rtol=1e-5)
        assert np.isinf(row["df"]).all()


def test_a_new_row_has_the_residual_variance_of_its_stratum_and_weight() -> None:
    rows = answer_data("sleep").assign(w=lambda frame: 1.0 + frame["Days"])
    rows["late"] = pd.Categorical(np.where(rows["Days"] > 4, "late", "early"))
    fit = MixedModel("Reaction ~ Days + (1 + Days | Subject)").fit(rows, weights=["late", "w"])
    for level in ("population", "conditional"):
        mean, row = (fit.predict(level=level, interval=kind) for kind in (True, "prediction"))
        added = row["std_error"] ** 2 - mean["std_error"] ** 2
        if level == "population":
            (term,) = fit.random
            z = np.column_stack([np.ones(len(rows)), rows["Days"]])
            added -= ((z @ term.covariance) * z).sum(axis=1)
        np.testing.assert_allclose(added, fit.sigma**2 / fit.weights, rtol=1e-9)
    with pytest.raises(InvalidDataError, match="lack the columns late, w"):
        fit.predict(rows[["Days"]], interval="prediction")
    with pytest.raises(InvalidDataError, match=r"'w' of the new data .* \(-1\)"):
        fit.predict(rows.assign(w=-1.0), interval="prediction")
    with pytest.raises(UsageError, match=r"interval must be .* not 'both'"):
        fit.predict(interval="both")
