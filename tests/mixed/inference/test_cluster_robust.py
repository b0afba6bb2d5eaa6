"""Cluster-robust standard errors against R's clubSandwich 0.5.8."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import UsageError
from qsmstats.mixed.inference.wald import FEW_CLUSTERS, WITHHELD
from qsmstats.mixed.model import MixedModel
from tests.mixed.reference_cases import answer_data, answered, answers

# The references' optima are polished to about 1e-7 in theta (1e-6 where a variance is badly known).
NEAR = 1e-5


@pytest.mark.parametrize("name", ["sleep", "sleep_ri", "orthodont", "lesion_plain", "machines"])
def test_standard_errors_and_df_equal_clubsandwich(name: str) -> None:
    fit, r = answered(name), answers()["answers"]["robust"][name]
    robust = fit.cluster_robust()
    theirs, table = r["CR2"]["test"], robust.coefficients()
    np.testing.assert_allclose(table["estimate"], theirs["beta"], rtol=NEAR)
    known = table["std_error"].notna()
    assert known.sum() >= 2
    se, df, p = (np.asarray(theirs[key])[known] for key in ("SE", "df_Satt", "p_Satt"))
    np.testing.assert_allclose(table["std_error"][known], se, rtol=NEAR)
    np.testing.assert_allclose(table["df"][known], df, rtol=NEAR)
    np.testing.assert_allclose(table["p_value"][known], p, rtol=1e-3)
    for column, key in (("conf_low", "CI_L"), ("conf_high", "CI_U")):
        apart = (table[column] - r["intervals"][key])[known] / se
        np.testing.assert_allclose(apart, 0.0, atol=1e-4)
    covariance = np.array(r["CR2"]["vcov"])
    spread = np.sqrt(np.diag(covariance))
    inverse = np.linalg.inv(robust.moments.basis)
    ours = inverse @ robust.moments.covariance @ inverse.T
    np.testing.assert_allclose(
        ours / spread / spread[:, None], covariance / spread / spread[:, None], atol=1e-5
    )
    if "matrix" in r:
        made = robust.wald(np.array(r["matrix"], float))
        np.testing.assert_allclose(made.estimates["std_error"], r["contrasts"]["SE"], rtol=NEAR)
        np.testing.assert_allclose(made.estimates["df"], r["contrasts"]["df"], rtol=NEAR)
        (joint,) = pd.DataFrame(r["wald"]).to_dict("records")
        assert made.joint.num_df == joint["df_num"]
        np.testing.assert_allclose(
            [made.joint.statistic, made.joint.den_df, made.joint.p_value],
            [joint["Fstat"], joint["df_denom"], joint["p_val"]],
            rtol=1e-4,
        )


def test_every_question_has_the_same_second_opinion() -> None:
    """Means, contrasts, slopes and joint tests are functions of the same sandwich."""
    fit = answered("orthodont")
    robust = fit.cluster_robust()
    assert (robust.cluster, robust.n_clusters) == ("Subject", 27)
    slopes, coefficients = robust.slopes("age", by="Sex"), robust.coefficients()
    male = coefficients.set_index("term").loc["age"]
    assert slopes.loc[0, "std_error"] == pytest.approx(male["std_error"], rel=1e-9)
    assert slopes.loc[0, "df"] == pytest.approx(male["df"], rel=1e-9)
    difference = robust.slope_contrasts("age", "Sex").iloc[0]
    term = coefficients.iloc[-1]
    assert abs(difference["statistic"]) == pytest.approx(abs(term["statistic"]), rel=1e-8)
    # An F test of one row is its t test, and of several it does not depend on how they are written.
    tests = robust.joint_tests().set_index("term")
    assert tests.loc["age:Sex", "p_value"] == pytest.approx(term["p_value"], rel=1e-7)
    rows = np.array([[0.0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    turned = np.array([[2.0, 1, 0], [0, 1, 3], [1, 0, 1]]) @ rows
    one, other = (robust.wald(made).joint for made in (rows, turned))
    assert one.statistic == pytest.approx(other.statistic, rel=1e-9)
    assert one.den_df == pytest.approx(other.den_df, rel=1e-9)
    np.testing.assert_array_equal(robust.estimates, fit.estimates)
    means = robust.marginal_means("Sex", type="response")
    assert means["std_error"].notna().all()
    lesions = answered("lesion_plain").cluster_robust()
    pairs = lesions.contrasts("type", method="reference", adjust="dunnett")
    np.testing.assert_allclose(pairs["std_error"], lesions.coefficients()["std_error"][1:5])
    assert pairs["p_adjusted"].between(pairs["p_value"], 1.0).all()


def test_what_depends_on_a_level_of_few_clusters_is_withheld() -> None:
    rows = answer_data("lesion_small")
    rare = rows[(rows["type"] != "prl") | rows["patient"].isin(rows["patient"].unique()[-3:])]
    robust = MixedModel("mwf ~ type + age + (1 | patient)").fit(rare).cluster_robust()
    pairs = robust.contrasts("type")
    gone = pairs["contrast"].str.contains("prl")
    for column in ("std_error", "df", "p_value", "p_adjusted", "conf_low", "conf_high_adjusted"):
        np.testing.assert_array_equal(pairs[column].isna(), gone)
    assert pairs["estimate"].notna().all()
    np.testing.assert_array_equal(pairs["note"] == WITHHELD, gone)
    tukey = robust.contrasts("type", adjust="tukey")["p_adjusted"]
    np.testing.assert_array_equal(tukey.isna(), gone)
    # A family of one needs no adjustment.
    alone = robust.contrasts("type", method={"a": {"t2": 1, "cortical": -1}}).iloc[0]
    assert alone["p_adjusted"] == alone["p_value"]
    table = robust.coefficients().set_index("term")
    assert table.index[table["note"] == WITHHELD].tolist() == ["type[T.prl]"]
    assert robust.marginal_means("type")["std_error"].isna().tolist() == [
        *(False, False, False, True, False)
    ]
    tests = robust.joint_tests().set_index("term")
    assert tests["note"].tolist() == [WITHHELD, ""]
    assert np.isnan(tests.loc["type", "p_value"])


def test_a_rare_value_of_a_number_is_withheld_whichever_it_is() -> None:
    rows = answer_data("lesion_small")
    few = rows["patient"].isin(rows["patient"].unique()[:3])
    for coded in (few, ~few):
        fit = MixedModel("mwf ~ x + age + (1 | patient)").fit(rows.assign(x=coded.astype(float)))
        table = fit.cluster_robust().coefficients().set_index("term")
        assert table["std_error"].isna().tolist() == [False, True, False]


def test_more_contrasts_than_clusters_can_test_are_withheld() -> None:
    robust = answered("oats").cluster_robust("Block")
    tests = robust.joint_tests().set_index("term")
    assert tests.loc["Variety:nitro", "note"] == FEW_CLUSTERS  # six contrasts, six blocks
    assert np.isnan(tests.loc["Variety:nitro", "statistic"])


def test_clusters_must_hold_whole_groups() -> None:
    oats = answered("oats")
    assert oats.cluster_robust().cluster == "Block"
    with pytest.raises(UsageError, match="'Field' is not a grouping column; use"):
        oats.cluster_robust("Field")
    with pytest.raises(UsageError, match="do not all lie within Variety"):
        oats.cluster_robust("Variety")
    with pytest.raises(UsageError, match='df must be "satterthwaite", not'):
        oats.cluster_robust().contrasts("nitro", df="kenward-roger")
    crossed = MixedModel("yield ~ nitro + (1 | Block) + (1 | Variety)").fit(answer_data("oats"))
    with pytest.raises(UsageError, match="those of one of them, so that there are no independent"):
        crossed.cluster_robust()


def test_robust_errors_of_weights_and_strata_follow_the_models_residual_variance() -> None:
    """A row of weight two is worth two rows: the working covariance says so, brute force."""
    rows = answer_data("sleep").assign(w=lambda frame: 1.0 + (frame["Days"] > 4))
    fit = MixedModel("Reaction ~ Days + (1 | Subject)").fit(rows, weights="w")
    robust = fit.cluster_robust()
    x = np.column_stack([np.ones(10), np.arange(10.0)])
    phi = np.diag(fit.sigma**2 / rows["w"][:10]) + fit.random[0].covariance[0, 0]
    bread = np.linalg.inv(18 * x.T @ np.linalg.inv(phi) @ x)
    lower = np.linalg.cholesky(phi)
    middle = lower.T @ (phi - x @ bread @ x.T) @ lower
    size, axes = np.linalg.eigh(middle)
    root = axes @ np.diag(size**-0.5) @ axes.T
    push = lower @ root @ lower.T @ np.linalg.inv(phi) @ x @ bread
    residual = (rows["Reaction"].to_numpy() - np.tile(x @ fit.estimates, 18)).reshape(18, 10)
    meat = sum(np.outer(push.T @ one, push.T @ one) for one in residual)
    np.testing.assert_allclose(
        robust.coefficients()["std_error"], np.sqrt(np.diag(meat)), rtol=1e-9
    )
