from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import mixedlm

from qsmstats import baseline_differences, tissue_differences
from qsmstats.errors import ModelError
from qsmstats.settings import ModelSettings


@pytest.fixture(scope="module")
def answer(lesions):
    return baseline_differences(lesions, "mwf_percent")


def test_contrasts_agree_with_statsmodels(lesions, answer):
    first = lesions[lesions["years"] == 0]
    peer = mixedlm(
        "mwf_percent ~ lesion_type + age + sex + np.log(volume_mm3)",
        first,
        groups=first["participant_id"],
    ).fit(reml=True)
    ours = answer.contrasts.set_index("contrast")
    for name, value in peer.params.items():
        if name.startswith("lesion_type"):
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
    variances = answer.variances["variance"].sum()  # one intercept and the residual
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
    assert answer.fit.info.n_groups == {"participant_id": 23}
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
    with pytest.raises(ModelError, match="needs two levels of lesion_type; found: isointense"):
        baseline_differences(lesions[lesions["lesion_type"] == "isointense"])


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
