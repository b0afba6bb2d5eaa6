"""Joint tests, interaction contrasts and one-sided tests of a generalised fit, against emmeans."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import UsageError
from qsmstats.generalized.model import GeneralizedMixedModel
from tests.generalized.cases import FOLDER, table

EXPECTED = {
    name: pd.DataFrame(rows)
    for name, rows in json.loads((FOLDER / "marginal.json").read_text()).items()
}
PAIRS = ["0 - 1", "0 - 2", "0 - 3+", "1 - 2", "1 - 3+", "2 - 3+"]


@pytest.fixture(scope="module")
def fit():
    data = table("contraception")
    data = data.assign(urban=pd.Categorical(data["urban"], categories=["N", "Y"]))
    data["livch"] = pd.Categorical(data["livch"], categories=["0", "1", "2", "3+"])
    formula = "use ~ urban * livch + age + (1 | district)"
    return GeneralizedMixedModel(formula, family="binomial", integration="laplace").fit(data)


# glmmTMB stops at its optimiser's tolerance, which moves the estimates by some 1e-5.


def test_joint_tests_are_those_of_emmeans(fit):
    # emmeans prints F to three digits; its denominator df (of the residuals) is not used.
    made, expected = fit.joint_tests(), EXPECTED["joint"]
    assert made["term"].tolist() == expected["model term"].tolist()
    assert made["num_df"].tolist() == expected["df1"].tolist()
    assert made["statistic"].to_numpy() == pytest.approx(expected["F.ratio"], abs=2e-3)
    assert np.isinf(made["den_df"]).all()
    within, expected = fit.joint_tests("urban"), EXPECTED["joint_by"]
    keyed = within.set_index(["term", "urban"])["statistic"]
    for row in expected.itertuples():
        assert keyed[row[1], row.urban] == pytest.approx(row[5], abs=2e-3)


def test_interaction_contrasts_are_those_of_emmeans(fit):
    made = fit.contrasts(["livch", "urban"], interaction="pairwise", adjust="none")
    known = EXPECTED["interaction"]
    assert made["estimate"].to_numpy() == pytest.approx(known["estimate"], abs=1e-4)
    assert made["std_error"].to_numpy() == pytest.approx(known["SE"], rel=1e-4)
    mixed = fit.contrasts(["livch", "urban"], interaction=["consecutive", "reference"])
    known = EXPECTED["interaction_reference"]
    assert mixed["estimate"].to_numpy() == pytest.approx(known["estimate"], abs=1e-4)
    assert mixed["p_value"].to_numpy() == pytest.approx(known["p.value"], abs=1e-3)


@pytest.mark.parametrize(
    ("side", "null", "margin"),
    [
        ("greater", 1.1, None),
        ("equivalence", None, 1.5),
        ("noninferiority", 1.0, 1.25),
        ("nonsuperiority", 0.9, 1.25),
    ],
)
def test_one_sided_tests_of_ratios_are_those_of_emmeans(fit, side, null, margin):
    made = fit.contrasts(
        "livch", by="urban", side=side, null=null, margin=margin, type="ratio", adjust="none"
    )
    known = EXPECTED[side]
    assert made["contrast"].tolist() == [pair.replace("-", "/") for pair in PAIRS] * 2
    assert made["statistic"].to_numpy() == pytest.approx(known["z.ratio"], abs=1e-3)
    assert made["p_value"].to_numpy() == pytest.approx(known["p.value"], abs=1e-3)
    # The interval that is shown decides as the test does.
    assert (made["null"] == (null or 1.0)).all()
    assert made["conf_level"].eq(0.9).all()
    if side == "equivalence":
        assert made["margin_low"].to_numpy() == pytest.approx(1 / 1.5)
        inside = (made["conf_low"] > 1 / 1.5) & (made["conf_high"] < 1.5)
        assert (inside == (made["p_value"] < 0.05)).all()


def test_a_slope_below_a_null_ratio(fit):
    made = fit.slopes("age", by="urban", side="less", null=1.2, type="ratio")
    known = EXPECTED["slope_less"]
    assert np.log(made["estimate"]).to_numpy() == pytest.approx(known["age.trend"], abs=1e-4)
    assert made["p_value"].to_numpy() == pytest.approx(known["p.value"], rel=5e-3)
    on_link = fit.slopes("age", by="urban", side="less", null=np.log(1.2))
    assert on_link["p_value"].to_numpy() == pytest.approx(made["p_value"])


def test_the_margin_of_a_risk_difference_is_a_risk(fit):
    asked = {"by": "urban", "type": "difference", "adjust": "none"}
    plain = fit.contrasts("livch", **asked)
    shown = fit.contrasts("livch", **asked, side="noninferiority", margin=0.1)
    z = (plain["estimate"] + 0.1) / plain["std_error"]
    assert shown["statistic"].to_numpy() == pytest.approx(z)


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"null": 0.0}, "null=0.0 is no ratio"), ({"margin": 0.8}, "margin=0.8 is no factor")],
)
def test_what_is_no_ratio_is_refused(fit, asked, message):
    with pytest.raises(UsageError, match=message):
        fit.contrasts("livch", type="ratio", side="equivalence", **asked)
