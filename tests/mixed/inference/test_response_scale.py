from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from qsmstats import MixedModel
from qsmstats.errors import UsageError
from qsmstats.mixed.inference.response_scale import ResponseScale, response_scale

COLUMNS = ["mwf_percent", "share", "odd name"]
DIFFERENCES = ["mean", "difference", "change", "difference"]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(4)
    patient = np.repeat(np.arange(12), 8)
    group = np.tile(["a", "b"], 48)
    years = np.tile(np.repeat([0.0, 1.0], 2), 24)
    eta = 0.3 * (group == "b") - 0.2 * years + rng.normal(0, 0.3, 12)[patient]
    eta = eta + rng.normal(0, 0.2, 96)
    return pd.DataFrame(
        {
            "patient": patient,
            "group": group,
            "years": years,
            "y": np.exp(1 + eta),
            "share": 1 / (1 + np.exp(-eta)),
        }
    )


def fitted(rows, response):
    return MixedModel(f"{response} ~ group * years + (1 | patient)").fit(rows)


@pytest.mark.parametrize(
    ("text", "column", "transform", "divisor"),
    [
        ("mwf_percent", "mwf_percent", "", 1),
        ("`odd name`", "odd name", "", 1),
        ("log(mwf_percent)", "mwf_percent", "log", 1),
        ("log2( mwf_percent )", "mwf_percent", "log2", 1),
        ("log10(`odd name`)", "odd name", "log10", 1),
        ("sqrt(mwf_percent)", "mwf_percent", "sqrt", 1),
        ("logit(mwf_percent / 100)", "mwf_percent", "logit", 100),
        ("log(mwf_percent + 1)", None, "", 1),
        ("log(mwf_percent / share)", None, "", 1),
        ("log(log(mwf_percent))", None, "", 1),
        ("center(mwf_percent)", None, "", 1),
        ("exp(mwf_percent)", None, "", 1),
    ],
)
def test_a_transform_is_known_only_where_it_can_be_undone(text, column, transform, divisor):
    scale = response_scale(text, COLUMNS)
    assert scale == ResponseScale(
        expression=text, column=column, transform=transform, divisor=divisor
    )


def test_geometric_means_are_those_that_emmeans_documents():
    # Vignette "Transformations and link functions" of emmeans 1.10: summary(emm.src) of
    # lm(log(conc) ~ source + factor(percent), data = pigs), and the same with type = "response".
    link = pd.DataFrame(
        {
            "level": ["fish", "soy", "skim"],
            "estimate": [3.39, 3.67, 3.80],
            "std_error": [0.0367, 0.0374, 0.0394],
            "conf_low": [3.32, 3.59, 3.72],
            "conf_high": [3.47, 3.74, 3.88],
        }
    )
    table = response_scale("log(conc)", ["conc"]).converted(link, "mean")
    documented = {
        "estimate": [29.8, 39.1, 44.6],
        "std_error": [1.09, 1.47, 1.75],
        "conf_low": [27.6, 36.2, 41.1],
        "conf_high": [32.1, 42.3, 48.3],
    }
    for name, values in documented.items():
        # The logarithms are printed to 0.01, so that their exponentials are known to 0.5 %, and
        # the results to three digits, 0.2 %.
        np.testing.assert_allclose(table[name], values, rtol=0.007)
    assert set(table["quantity"]) == {"geometric mean"}
    assert set(table["unit"]) == {"conc"}


@pytest.mark.parametrize(("name", "base"), [("log", np.e), ("log2", 2.0), ("log10", 10.0)])
def test_a_logarithm_to_any_base_gives_the_same_answers(rows, name, base):
    fit = fitted(rows, f"{name}(y)")
    link = fit.marginal_means("group")
    means = fit.marginal_means("group", type="response")
    for column in ("estimate", "conf_low", "conf_high"):
        np.testing.assert_allclose(means[column], base ** link[column], rtol=1e-12)
    np.testing.assert_allclose(
        means["std_error"], np.log(base) * means["estimate"] * link["std_error"], rtol=1e-12
    )
    pair = fit.contrasts("group", type="response").iloc[0]
    np.testing.assert_allclose(
        pair["estimate"], means["estimate"].iloc[0] / means["estimate"].iloc[1], rtol=1e-10
    )
    assert (pair["contrast"], pair["quantity"], pair["unit"], pair["null"]) == (
        "a / b",
        "ratio",
        "1",
        1.0,
    )
    slope = fit.slopes("years", by="group", type="response")
    by_hand = 100 * (base ** fit.slopes("years", by="group")["estimate"] - 1)
    np.testing.assert_allclose(slope["estimate"], by_hand, rtol=1e-12)
    assert set(slope["quantity"] + slope["unit"]) == {"relative changepercent"}
    peer = fitted(rows, "log(y)").contrasts("group", type="response").iloc[0]
    for column in ("estimate", "std_error", "conf_low_adjusted", "p_adjusted"):
        # Units of the outcome move the optimum by its tolerance only.
        np.testing.assert_allclose(pair[column], peer[column], rtol=1e-6)


def test_slopes_of_logarithms_compare_as_ratios_of_factors(rows):
    fit = fitted(rows, "log(y)")
    slopes = 1 + fit.slopes("years", by="group", type="response")["estimate"] / 100
    pair = fit.slope_contrasts("years", by="group", type="response").iloc[0]
    np.testing.assert_allclose(pair["estimate"], slopes[0] / slopes[1], rtol=1e-9)
    assert (pair["contrast"], pair["null"]) == ("a / b", 1.0)


def test_a_square_root_comes_back_as_a_mean_only(rows):
    fit = fitted(rows, "sqrt(y)")
    link, means = fit.marginal_means("group"), fit.marginal_means("group", type="response")
    np.testing.assert_allclose(means["estimate"], link["estimate"] ** 2, rtol=1e-12)
    np.testing.assert_allclose(
        means["std_error"], 2 * link["estimate"] * link["std_error"], rtol=1e-12
    )
    pair = fit.contrasts("group", type="response")
    pd.testing.assert_frame_equal(pair[list(fit.contrasts("group"))], fit.contrasts("group"))
    assert (pair["quantity"][0], pair["unit"][0], pair["null"][0]) == ("difference", "sqrt(y)", 0)


def test_a_limit_below_zero_of_a_square_root_is_a_limit_of_zero():
    link = pd.DataFrame(
        {"estimate": [0.2], "std_error": [0.2], "conf_low": [-0.2], "conf_high": [0.6]}
    )
    table = response_scale("sqrt(y)", ["y"]).converted(link, "mean")
    np.testing.assert_allclose(table[["conf_low", "conf_high"]].iloc[0], [0.0, 0.36])


def test_logits_come_back_as_shares_and_odds_ratios(rows):
    fit = fitted(rows.assign(percent=100 * rows["share"], z=logit(rows["share"])), "z")
    scale = response_scale("logit(percent / 100)", ["percent"])
    means = scale.converted(fit.marginal_means("group"), "mean")
    link = fit.marginal_means("group")["estimate"]
    np.testing.assert_allclose(means["estimate"], 100 / (1 + np.exp(-link)), rtol=1e-12)
    slope = 1e-5
    np.testing.assert_allclose(
        means["std_error"],
        fit.marginal_means("group")["std_error"]
        * (100 / (1 + np.exp(-link - slope)) - means["estimate"])
        / slope,
        rtol=1e-4,  # a one-sided difference quotient
    )
    pair = scale.converted(fit.contrasts("group"), "contrast").iloc[0]
    np.testing.assert_allclose(pair["estimate"], np.exp(link[0] - link[1]), rtol=1e-9)
    assert (pair["quantity"], pair["null"]) == ("odds ratio", 1.0)


@pytest.mark.parametrize("response", ["y", "log(y + 1)"])
def test_what_cannot_be_undone_keeps_the_scale_of_the_model_and_says_so(rows, response):
    fit = fitted(rows, response)
    for ask in ("marginal_means", "contrasts"):
        link = getattr(fit, ask)("group")
        table = getattr(fit, ask)("group", type="response")
        pd.testing.assert_frame_equal(table[list(link)], link)
        assert set(table["unit"]) == {response}


def test_the_scale_of_the_model_is_the_default(rows):
    fit = fitted(rows, "log(y)")
    pd.testing.assert_frame_equal(fit.contrasts("group"), fit.contrasts("group", type="link"))
    with pytest.raises(UsageError, match=r'type must be "link" or "response", not .odds.'):
        fit.contrasts("group", type="odds")
