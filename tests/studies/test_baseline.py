from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import mixedlm

from qsmstats import MixedModel, baseline_differences, tissue_differences
from qsmstats.errors import ModelError, NoDataError
from qsmstats.settings import ModelSettings
from qsmstats.studies.effects import hedges_g

from .conftest import TYPES, check_agreement


@pytest.fixture
def answer(baseline):
    return baseline


def test_contrasts_of_the_plain_model_agree_with_statsmodels(lesions):
    first = lesions[lesions["years"] == 0]
    peer = mixedlm(
        "mwf_percent ~ lesion_type + age + sex + np.log(volume_mm3)",
        first,
        groups=first["participant_id"],
    ).fit(reml=True)
    formula = "{outcome} ~ lesion_type + age + sex + log(volume_mm3) + (1 | participant_id)"
    answer = baseline_differences(lesions, formula=formula, df="normal")
    ours = answer.contrasts.set_index("contrast")
    assert np.isinf(ours["df"]).all()  # as statsmodels has them
    differences = peer.params[peer.params.index.str.startswith("lesion_type")]
    assert len(differences) == 4
    for name, value in differences.items():
        level = name.split("T.")[1].rstrip("]")
        row = ours.loc[f"isointense - {level}"]
        # Both stop near the same optimum; statsmodels' tolerance is the coarser one.
        np.testing.assert_allclose(-row["estimate"], value, rtol=1e-4)
        # Its errors invert the Hessian of fixed effects and variances together, ours the block
        # of the fixed effects, as lme4's; the difference vanishes with the sample only.
        np.testing.assert_allclose(row["std_error"], peer.bse[name], rtol=1e-2)


def test_only_the_first_session_is_used(lesions, answer):
    assert answer.fit.info.n_obs == (lesions["years"] == 0).sum()
    assert answer.counts["n"].sum() == answer.fit.info.n_obs


def test_every_pair_has_both_p_values_and_an_effect_size(answer):
    table = answer.contrasts
    assert len(table) == 10
    assert (table["p_adjusted"] >= table["p_value"]).all()
    assert (np.sign(table["hedges_g"]) == np.sign(table["estimate"])).all()
    assert (
        (table["hedges_g_low"] < table["hedges_g"]) & (table["hedges_g"] < table["hedges_g_high"])
    ).all()


def test_hedges_g_divides_by_the_total_spread(answer):
    # Two intercepts, and the residual variance averaged over the lesions.
    of = answer.variances.set_index("term")["variance"]
    n = answer.counts.set_index("level")["n"]
    variances = of["Intercept"].sum() + (of[n.index] * n).sum() / n.sum()
    row = answer.contrasts.iloc[0]
    n = answer.counts.set_index("level")["n"][["isointense", "hypointense"]].sum()
    correction = 1 - 3 / (4 * (n - 2) - 1)  # Hedges 1981, J Educ Stat 6:107-128, eq. 6
    expected = row["estimate"] / np.sqrt(variances) * correction
    # pingouin writes the same factor as 1 - 3 / (4 n - 9).
    np.testing.assert_allclose(row["hedges_g"], expected, rtol=1e-12)


def test_lesions_without_a_type_are_counted(lesions):
    holes = lesions.copy()
    holes.loc[holes.index[:1], "lesion_type"] = None
    assert baseline_differences(holes).notes == ("1 lesion without a type was left out.",)


def test_a_later_session_is_no_baseline(lesions):
    missed = lesions[~((lesions["participant_id"] == "sub-000") & (lesions["years"] == 0))]
    answer = baseline_differences(missed)
    assert answer.fit.info.n_groups["participant_id"] == 23
    assert answer.notes == (
        "1 participant without a lesion measured at the first session was left out.",
    )


def test_settings_change_the_model(lesions):
    settings = ModelSettings(
        baseline="{outcome} ~ lesion_type + (1 | participant_id)",
        adjust="bonferroni",
        df="kenward-roger",
    )
    answer = baseline_differences(lesions, settings=settings)
    assert set(answer.contrasts["adjust"]) == {"bonferroni"}
    assert "age" not in set(answer.coefficients["term"])
    assert "Kenward" in answer.methods
    assert "Satterthwaite" not in answer.methods


def test_one_type_is_no_comparison(lesions):
    one = lesions["lesion_type"] == "isointense"
    said = "have the lesion type isointense; add data of another"
    with pytest.raises(NoDataError, match=said):
        baseline_differences(lesions[one])
    # Where the table has others, but no value of theirs, something went wrong.
    values = lesions["mwf_percent"].where(one)
    with pytest.raises(ModelError, match=said) as caught:
        baseline_differences(lesions.assign(mwf_percent=values))
    assert not isinstance(caught.value, NoDataError)


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        ({"lesion_type": None}, NoDataError, r"none of \d+ lesions has a type; enter types"),
        ({"years": 1.0}, ModelError, "nothing was measured at a first session"),
        ({"mwf_percent": np.nan}, ModelError, r"mwf_percent has no value in any of \d+ rows"),
    ],
)
def test_why_types_cannot_be_compared(lesions, change, kind, reason):
    with pytest.raises(ModelError, match=reason) as caught:
        baseline_differences(lesions.assign(**change))
    assert type(caught.value) is kind


def test_without_white_matter_there_is_nothing_to_compare_lesions_with(lesions):
    tissue = lesions.assign(tissue=lesions["lesion_type"])
    with pytest.raises(NoDataError, match="no white matter was measured"):
        tissue_differences(tissue)


def test_an_unknown_outcome_is_named(lesions):
    with pytest.raises(ModelError, match="no column 'mtr'"):
        baseline_differences(lesions, "mtr")


def test_tissues_are_compared_the_same_way(lesions):
    first = lesions[lesions["years"] == 0].assign(tissue=lambda t: t["lesion_type"].astype(str))
    controls = pd.DataFrame(
        {
            "participant_id": [f"hc-{k}" for k in range(12)],
            "years": 0.0,
            "age": np.linspace(25, 60, 12),
            "sex": ["F", "M"] * 6,
            "tissue": "white_matter",
            "mwf_percent": 10 + np.linspace(-1, 1, 12),
        }
    )
    table = pd.concat([controls, first], ignore_index=True)
    table["tissue"] = pd.Categorical(
        table["tissue"], categories=["white_matter", *lesions["lesion_type"].cat.categories]
    )
    answer = tissue_differences(table)
    row = answer.contrasts.set_index("contrast").loc["white_matter - isointense"]
    assert abs(row["estimate"] - 4.0) < 3 * row["std_error"]


def with_tissue(lesions):
    first = lesions[lesions["years"] == 0].assign(tissue=lambda t: t["lesion_type"].astype(str))
    controls = pd.DataFrame(
        {
            "participant_id": [f"hc-{k}" for k in range(12)],
            "years": 0.0,
            "age": [np.nan, *np.linspace(27, 60, 11)],
            "sex": ["F", "M"] * 6,
            "tissue": "white_matter",
            "mwf_percent": 10 + np.linspace(-1, 1, 12),
        }
    )
    table = pd.concat([controls, first], ignore_index=True)
    levels = ["white_matter", *lesions["lesion_type"].cat.categories]
    return table.assign(tissue=pd.Categorical(table["tissue"], categories=levels))


@pytest.mark.parametrize(
    ("ask", "table"),
    [(baseline_differences, lambda rows: rows), (tissue_differences, with_tissue)],
    ids=["baseline", "tissue"],
)
def test_every_number_is_that_of_the_rows_that_the_model_used(holes, ask, table):
    rows = table(holes)
    complete = rows[rows["age"].notna() & rows["sex"].notna()]
    answer, peer = ask(rows), ask(complete)
    first = complete[complete["years"] == 0]
    assert answer.fit.info.n_obs == len(first) < (rows["years"] == 0).sum()
    assert answer.counts["n"].sum() == len(first)
    # What the model drops might as well not be there.
    for name in ("counts", "contrasts", "means", "residuals"):
        pd.testing.assert_frame_equal(getattr(answer, name), getattr(peer, name))
    assert answer.residuals["value"].tolist() == first["mwf_percent"].tolist()
    lost = (rows["years"] == 0).sum() - len(first)
    missing = "age {age}, sex {sex}".format(**answer.fit.info.dropped_rows)
    what = "lesions" if ask is baseline_differences else "regions"
    people = 4 if ask is baseline_differences else 5
    assert answer.notes == (
        f"The model leaves out {lost} of {lost + len(first)} {what} because of missing values"
        f" ({missing}), including all those of {people} participants.",
    )
    last = answer.flow.iloc[-1]
    assert last["n_observations"] == len(first)
    assert last["n_participants"] == first["participant_id"].nunique()
    assert last["note"] == f"left out because of missing values: {missing}"
    assert answer.flow["n_observations"].tolist()[0] == lost + len(first)
    check_agreement(answer.contrasts)


@pytest.mark.parametrize(
    ("random", "weights"),
    [
        ("(1 + lesion_type | participant_id)", None),
        ("(1 + size | participant_id) + (1 | site)", None),
        ("(1 | participant_id)", "sex"),
    ],
)
def test_hedges_g_averages_the_variance_over_the_rows(lesions, random, weights):
    used = lesions[(lesions["years"] == 0) & lesions["lesion_type"].isin(TYPES[:3])].assign(
        size=lambda rows: (rows["volume_mm3"] / 100).clip(upper=8),
        site=lambda rows: rows["participant_id"].str[-1],
        lesion_type=lambda rows: rows["lesion_type"].cat.remove_unused_categories(),
    )
    fit = MixedModel(f"mwf_percent ~ lesion_type + {random}").fit(used, weights=weights)
    contrasts = fit.contrasts("lesion_type", adjust="none")
    n = used["lesion_type"].value_counts()
    found = hedges_g(contrasts, fit, n)["hedges_g"]
    # Z G Z' written out as one matrix over all rows; Johnson 2014 takes the mean of its diagonal.
    columns = {"Intercept": np.ones(len(used)), "size": used["size"].to_numpy()}
    for kind in TYPES[:3]:
        columns[f"lesion_type[T.{kind}]"] = (used["lesion_type"] == kind).to_numpy(float)
    whole = np.diag(fit.sigma**2 / (np.ones(len(used)) if weights is None else fit.weights))
    for term in fit.random:
        group = used[term.design.grouping.label].to_numpy()
        z = np.column_stack([columns[name] for name in term.design.names])
        whole += (z @ term.covariance @ z.T) * (group[:, None] == group[None, :])
    total = np.sqrt(np.trace(whole) / len(used))
    for g, (_, row) in zip(found, contrasts.iterrows(), strict=True):
        first, second = row["first"], row["second"]
        correction = 1 - 3 / (4 * (n[first] + n[second]) - 9)  # Hedges 1981
        np.testing.assert_allclose(g, row["estimate"] / total * correction, rtol=1e-10)


def test_participants_whose_every_image_failed_are_counted_among_the_lost(lesions):
    # As `tidy_lesions` leaves it where three first sessions failed, the only one of sub-023.
    failed = lesions["participant_id"].isin(["sub-000", "sub-001"]) & (lesions["years"] == 0)
    left = lesions[~failed & (lesions["participant_id"] != "sub-023")].copy()
    left.attrs["n_unmeasured"] = 1
    answer = baseline_differences(left)
    assert answer.fit.info.n_groups["participant_id"] == 21
    assert answer.notes == (
        "3 participants without a lesion measured at the first session were left out.",
    )


def test_patients_without_lesions_are_named_by_the_tissue_model(lesions):
    rows = with_tissue(lesions)
    rows.attrs |= {"n_unmeasured": 0, "n_lesion_free": 1}
    answer = tissue_differences(rows, settings=ModelSettings(tissue="{outcome} ~ tissue + (1|sex)"))
    assert answer.notes == (
        "1 patient without lesions, for whom normal-appearing white matter (at a distance from"
        " lesions) is not defined, was left out.",
    )


@pytest.fixture(scope="module")
def of_logarithms(lesions):
    settings = ModelSettings(
        baseline=ModelSettings().baseline.replace("{o", "log({o").replace("} ", "}) ", 1)
    )
    return baseline_differences(lesions, settings=settings)


def test_differences_of_a_logarithm_are_ratios(lesions, of_logarithms):
    answer = of_logarithms
    assert answer.fit.model.formula.startswith("log(mwf_percent) ~")
    link = answer.fit.contrasts("lesion_type", adjust="mvt")
    for name in ("estimate", "conf_low", "conf_high", "conf_low_adjusted", "conf_high_adjusted"):
        np.testing.assert_allclose(answer.contrasts[name], np.exp(link[name]), rtol=1e-12)
    np.testing.assert_allclose(answer.contrasts["p_adjusted"], link["p_adjusted"])
    row = answer.contrasts.iloc[1]
    assert row["contrast"] == "isointense / hyperintense"
    assert (row["quantity"], row["unit"], row["null"]) == ("ratio", "1", 1.0)
    check_agreement(answer.contrasts)
    means = answer.fit.marginal_means("lesion_type")
    np.testing.assert_allclose(answer.means["estimate"], np.exp(means["estimate"]), rtol=1e-12)
    assert set(answer.means["quantity"]) == {"geometric mean"}
    assert set(answer.means["unit"]) == {"percent"}
    # The raw values stay what they were.
    first = lesions[(lesions["years"] == 0) & (lesions["lesion_type"] == "isointense")]
    np.testing.assert_allclose(answer.counts["mean"].iloc[0], first["mwf_percent"].mean())
    # g is a difference of logarithms over their standard deviation.
    total = np.sqrt(answer.variances["variance"].sum())
    n = answer.counts.set_index("level")["n"][["isointense", "hyperintense"]].sum()
    expected = link["estimate"].iloc[1] / total * (1 - 3 / (4 * n - 9))
    np.testing.assert_allclose(row["hedges_g"], expected, rtol=1e-12)
    assert answer.methods.endswith(
        "mwf_percent was analysed as log(mwf_percent): means are geometric means; contrasts are"
        " ratios."
    )


def test_an_unknown_transform_names_its_scale(lesions):
    settings = ModelSettings(baseline="log({outcome} + 1) ~ lesion_type + (1 | participant_id)")
    answer = baseline_differences(lesions, settings=settings)
    assert set(answer.means["unit"]) == set(answer.contrasts["unit"]) == {"log(mwf_percent + 1)"}
    assert answer.methods.endswith("Estimates are on the scale of log(mwf_percent + 1).")
