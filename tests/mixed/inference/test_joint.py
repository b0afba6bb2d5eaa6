"""Joint tests against emmeans' joint_tests and lmerTest's contest."""

from __future__ import annotations

import numpy as np
import pytest

from qsmstats.errors import UsageError
from qsmstats.mixed.model import MixedModel
from tests.mixed.reference_cases import answer_data, answered, answers

CASES = [
    ("lesion_small", "type", "sex"),
    ("lesion_small", "sex", "type"),
    ("oats", "nitro", "Variety"),
    ("oats", "Variety", "nitro"),
    ("cake", "recipe", "temperature"),
]


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
@pytest.mark.parametrize(("name", "factor", "by"), CASES)
def test_tests_within_groups_equal_contest_and_joint_tests(
    name: str, factor: str, by: str, df: str
) -> None:
    r = answers()["answers"]["joint_tests"][name][df]
    ours = answered(name).joint_tests(by, df=df)
    own = ours[ours["term"] == factor]
    theirs = r[f"contest_within_{by}"]
    assert own[by].astype(str).tolist() == theirs["group"]
    # lmerTest differentiates numerically: its df are good to five digits, and F to its optimum.
    np.testing.assert_allclose(own["num_df"], theirs["NumDF"])
    np.testing.assert_allclose(own["statistic"], theirs["F value"], rtol=1e-5)
    np.testing.assert_allclose(own["den_df"], theirs["DenDF"], rtol=2e-5)
    np.testing.assert_allclose(own["p_value"], theirs["Pr(>F)"], rtol=1e-4)
    # emmeans rounds F to three digits, and does not scale it as Kenward and Roger do.
    if df == "kenward-roger":
        return
    rounded = r[f"within_{by}"]
    keys = list(zip(rounded["model term"], map(str, rounded[by]), strict=True))
    found = ours.assign(by=ours[by].astype(str)).set_index(["term", "by"]).loc[keys]
    assert len(found) == len(ours)
    np.testing.assert_allclose(found["statistic"], rounded["F.ratio"], atol=6e-4)


@pytest.mark.parametrize("name", ["lesion_small", "oats", "cake"])
def test_overall_tests_are_those_of_type_three(name: str) -> None:
    fit, r = answered(name), answers()["answers"]["joint_tests"][name]["satterthwaite"]["overall"]
    ours = fit.joint_tests()
    assert ours["term"].tolist() == r["model term"]
    np.testing.assert_allclose(ours["statistic"], r["F.ratio"], atol=6e-4)
    np.testing.assert_allclose(ours["num_df"], r["df1"])
    ours = fit.joint_tests(df="kenward-roger")
    three = fit.anova(df="kenward-roger").set_index("term").loc[ours["term"]]
    for column in ("statistic", "den_df"):
        np.testing.assert_allclose(ours[column], three[column], rtol=1e-7)


def test_numbers_are_tested_by_their_slopes() -> None:
    """A slope and its differences, at a value and at the mean, against other ways to ask."""
    fit = MixedModel("mwf ~ type * age + sex + (1 | patient)").fit(answer_data("lesion_small"))
    tests = fit.joint_tests().set_index("term")
    slope = fit.slopes("age").iloc[0]
    np.testing.assert_allclose(tests.loc["age", "statistic"], slope["statistic"] ** 2, rtol=1e-9)
    np.testing.assert_allclose(tests.loc["age", "p_value"], slope["p_value"], rtol=1e-9)
    three = fit.anova().set_index("term")
    np.testing.assert_allclose(
        tests.loc["type:age", "statistic"], three.loc["type:age", "statistic"], rtol=1e-9
    )
    held = fit.joint_tests(at={"age": 40}).set_index("term")
    assert held.index.tolist() == ["type", "sex"]
    centred = "mwf ~ type * I(age - 40) + sex + (1 | patient)"
    three = MixedModel(centred).fit(answer_data("lesion_small")).anova().set_index("term")
    np.testing.assert_allclose(
        held.loc["type", "statistic"], three.loc["type", "statistic"], rtol=1e-7
    )
    assert list(fit.joint_tests("sex")) == [
        *("sex", "term", "num_df", "den_df", "statistic", "p_value", "note")
    ]


def test_empty_cells_are_said() -> None:
    rows = answer_data("lesion_small").query("not (type == 'prl' and sex == 'F')")
    fit = MixedModel("mwf ~ type * sex + (1 | patient)").fit(rows)
    found = fit.joint_tests("sex").query("term == 'type'").set_index("sex")
    assert found["num_df"].tolist() == [3.0, 4.0]
    assert found["note"].tolist() == ["only the contrasts that can be estimated are tested", ""]
    none = fit.joint_tests("type").query("term == 'sex'").set_index("type")
    assert none.loc["prl", "note"].startswith("not estimable")
    assert np.isnan(none.loc["prl", "p_value"])


def test_unknown_predictors_are_refused() -> None:
    with pytest.raises(UsageError, match="'lesion' is not a predictor"):
        answered("oats").joint_tests("lesion")
