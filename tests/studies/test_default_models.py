from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qsmstats import (
    MixedModel,
    ModelSettings,
    baseline_differences,
    tissue_differences,
    trajectories,
)
from qsmstats.errors import FormulaError, NotIdentifiedError
from qsmstats.mixed.formula.language import parse_formula
from qsmstats.studies.default_models import OPTIONAL, fit_study_model, names_scanner

REFERENCE = Path(__file__).parents[1] / "reference" / "study_models"
TYPES = ["isointense", "hypointense", "hyperintense", "paramagnetic_rim"]
BY_TYPE = "participant_id:lesion_type"
PLAIN = "{outcome} ~ lesion_type + age + (1 | participant_id)"


@pytest.fixture(scope="module")
def three_visits() -> pd.DataFrame:
    table = pd.read_csv(REFERENCE / "lesions.csv")
    return table.assign(lesion_type=pd.Categorical(table["lesion_type"], categories=TYPES))


@pytest.fixture(scope="module")
def followed(three_visits):
    return trajectories(three_visits)


def residual_sd(answer) -> dict[str, float]:
    table = answer.variances.query("group == 'Residual'")
    return dict(zip(table["term"], table["std_dev"], strict=True))


def check_against_nlme(answer, name: str) -> None:
    """Estimates to a ten-thousandth of their error, errors to 1e-4: nlme stops that near."""
    peer = json.loads((REFERENCE / "nlme.json").read_text())[name]
    ours = answer.coefficients
    error = np.array(peer["std_error"])
    assert np.abs((ours["estimate"] - peer["estimate"]) / error).max() < 1e-3
    np.testing.assert_allclose(ours["std_error"], error, rtol=1e-4)
    assert residual_sd(answer) == pytest.approx(peer["residual_sd"], rel=1e-3)
    # The higher of two likelihoods is the better optimum.
    assert 0 <= answer.fit.info.log_likelihood - peer["log_likelihood"] + 1e-6 < 1e-3


def test_the_baseline_model_is_that_of_nlme(three_visits):
    answer = baseline_differences(three_visits)
    check_against_nlme(answer, "baseline")
    assert "The residual variance was estimated for each lesion_type." in answer.methods


def test_the_trajectory_model_is_that_of_nlme(followed):
    check_against_nlme(followed, "trajectory")
    assert not any("default model" in note for note in followed.notes)


def test_with_two_visits_slopes_of_lesions_are_left_out_and_the_answer_says_so(three_visits):
    answer = trajectories(three_visits[three_visits["years"] < 2])
    assert "(1 | participant_id:lesion_id)" in answer.fit.model.formula
    assert "(0 + years | participant_id:lesion_type)" in answer.fit.model.formula
    assert set(residual_sd(answer)) == set(TYPES)
    note = answer.notes[-1]
    assert note.startswith("The default model could not be fitted: (1 + years | participant_id:")
    assert note.endswith("were left out; the residual variance includes them.")
    assert note in answer.methods


def test_with_one_lesion_of_a_type_in_each_patient_their_differences_cannot_vary(three_visits):
    one = three_visits.drop_duplicates(["participant_id", "lesion_type"])
    answer = baseline_differences(one)
    assert BY_TYPE not in answer.fit.model.formula
    assert set(residual_sd(answer)) == set(TYPES)
    assert "vary from patient to patient were left out; if there are such" in answer.notes[-1]


def test_residual_variances_are_left_out_where_one_would_be_zero(three_visits):
    first = three_visits[three_visits["years"] == 0]
    # One lesion a patient of this type, near its patient's others: patient-by-type takes the rest.
    mean = first[first["lesion_type"] == "isointense"].groupby("participant_id")["mwf_percent"]
    rims = first[first["lesion_type"] == "paramagnetic_rim"].drop_duplicates("participant_id")
    near = rims["participant_id"].map(mean.mean()).fillna(6.0) + np.linspace(-0.2, 0.2, len(rims))
    rims = rims.assign(mwf_percent=near - 2.0)
    first = pd.concat([first[first["lesion_type"] != "paramagnetic_rim"], rims])
    answer = baseline_differences(first)
    assert list(residual_sd(answer)) == [""]
    assert BY_TYPE in answer.fit.model.formula
    assert "no residual variance is left" in answer.notes[-1]
    assert answer.notes[-1].endswith("intervals of the more variable types are too narrow.")


def test_a_rare_type_shares_the_residual_variance_of_the_most_frequent(three_visits):
    first = three_visits[three_visits["years"] == 0]
    rim = first["lesion_type"] == "paramagnetic_rim"
    answer = baseline_differences(pd.concat([first[~rim], first[rim].head(4)]))
    shared = "isointense and paramagnetic_rim"
    assert list(residual_sd(answer)) == [shared, "hypointense", "hyperintense"]
    assert answer.notes[-1].startswith("Fewer than 5 lesions are paramagnetic_rim: their residual")
    own = baseline_differences(pd.concat([first[~rim], first[rim].head(5)]))
    assert set(residual_sd(own)) == set(TYPES)
    stated = baseline_differences(
        pd.concat([first[~rim], first[rim].head(4)]), weights="lesion_type"
    )
    assert set(residual_sd(stated)) == set(TYPES)


def test_a_stated_formula_keeps_its_terms_and_weights(three_visits):
    first = three_visits[three_visits["years"] == 0]
    plain = baseline_differences(first, formula=PLAIN)
    assert plain.fit.model.formula == PLAIN.replace("{outcome}", "mwf_percent")
    assert list(residual_sd(plain)) == [""]
    assert any("stated without weights" in note for note in plain.notes)
    by_sex = baseline_differences(first, formula=PLAIN, weights=("sex", "volume_mm3"))
    assert set(residual_sd(by_sex)) == {"F", "M"}
    assert "weighted by volume_mm3" in by_sex.methods
    settings = ModelSettings(baseline=PLAIN, weights={"baseline": "sex"})
    again = baseline_differences(first, settings=settings)
    assert residual_sd(again) == residual_sd(
        baseline_differences(first, formula=PLAIN, weights="sex")
    )
    assert list(residual_sd(baseline_differences(first, weights=()))) == [""]


def test_covariates_leave_the_rest_of_the_default_model_as_it_is(three_visits):
    settings = ModelSettings(covariates=("volume_mm3", "log(age)"))
    default, given = (
        baseline_differences(three_visits),
        baseline_differences(three_visits, settings=settings),
    )
    assert given.fit.model.formula == f"{default.fit.model.formula} + volume_mm3 + log(age)"
    assert set(residual_sd(given)) == set(residual_sd(default)) == set(TYPES)
    assert {"volume_mm3", "log(age)"} <= set(given.fit.coefficients()["term"])
    assert settings.is_default("baseline")
    assert settings.formula_of("tissue", "y") == ModelSettings().formula_of("tissue", "y")


def test_weights_are_those_of_both_lesion_models_unless_a_model_is_named(three_visits):
    settings = ModelSettings(weights="lesion_type")
    assert settings.weights_of("baseline") == settings.weights_of("trajectory") == ("lesion_type",)
    assert settings.weights_of("tissue") is None
    one = three_visits[three_visits["years"] == 0].assign(
        tissue=lambda t: t["lesion_type"],
        lesion_id=lambda t: t["lesion_id"].where(t["tissue"] != TYPES[0]),
    )
    tissue = tissue_differences(one, settings=ModelSettings(weights={"tissue": "tissue"}))
    assert set(residual_sd(tissue)) == set(TYPES)
    plain = trajectories(
        three_visits,
        formula="{outcome} ~ lesion_type * years + (1 | participant_id)",
        weights="sex",
    )
    assert set(residual_sd(plain)) == {"F", "M"}


def test_a_model_that_no_step_can_save_is_refused(three_visits):
    alone = three_visits[three_visits["participant_id"] == "sub-01"]
    with pytest.raises(NotIdentifiedError, match="there is only one group"):
        baseline_differences(alone)


@pytest.mark.parametrize("model", OPTIONAL)
def test_what_a_default_formula_may_lose_stands_in_it(model):
    for term, instead, _ in OPTIONAL[model]:
        changed = getattr(ModelSettings(), model).replace(term, instead)
        assert changed != getattr(ModelSettings(), model)
        parse_formula(changed)


@pytest.mark.parametrize(
    ("count", "stated", "term", "said"),
    [
        (
            4,
            "by_number",
            "C(scanner)",
            ("The 4 scanners were fixed effects, as fewer than five are by default.",),
        ),
        (
            5,
            "by_number",
            "(1 | scanner)",
            ("The 5 scanners were random effects, as five or more are by default.",),
        ),
        (3, "random", "(1 | scanner)", ("The 3 scanners were random effects.",)),
        (5, "fixed", "C(scanner)", ("The 5 scanners were fixed effects.",)),
        (3, "none", None, ()),
        (1, "by_number", None, ()),
    ],
)
def test_scanners_enter_the_model_by_their_number_or_as_stated(
    three_visits, count, stated, term, said
):
    """Scanners by number are categories; a shift between them is none between types."""
    number = np.arange(len(three_visits)) % 7 % count
    shifted = three_visits.assign(scanner=number, y=three_visits["mwf_percent"] + 3 * number)
    settings = ModelSettings(baseline=PLAIN, scanner=stated)
    fit, notes = fit_study_model("baseline", settings, shifted, "y")
    expected = PLAIN.replace("{outcome}", "y")
    if term:
        fixed = term.startswith("C")
        expected = expected.replace("~", f"~ {term} +") if fixed else f"{expected} + {term}"
    assert (fit.model.formula, notes) == (expected, said)
    if term:
        by_hand = f"mwf_percent ~ lesion_type + age + {term} + (1 | participant_id)"
        theirs = MixedModel(by_hand).fit(shifted).coefficients().set_index("term")["estimate"]
        ours = fit.coefficients().set_index("term")["estimate"]
        names = [name for name in ours.index if name.startswith("lesion_type")]
        np.testing.assert_allclose(ours[names], theirs[names], atol=0.02)


@pytest.mark.parametrize(
    ("formula", "held"),
    [
        ("y ~ type + C(scanner) + (1 | id)", True),
        ("y ~ type + (1 | scanner:id)", True),
        ("y ~ type + (0 + scanner | id)", True),
        ("y ~ type + offset(log(scanner)) + (1 | id)", True),
        ("y ~ type + scanner_age + (1 | id)", False),
        ("y ~ type + `scanner age` + (1 | id)", False),
    ],
)
def test_the_scanner_is_found_among_the_terms_of_a_formula(formula, held):
    columns = ["y", "type", "id", "scanner_age", "scanner age"]
    assert names_scanner(formula, columns) is held


def test_a_formula_with_the_scanner_is_left_as_it_is_and_a_stated_term_needs_the_column(
    three_visits,
):
    own = PLAIN + " + (1 | scanner)"
    data = three_visits.assign(scanner=np.arange(len(three_visits)) % 6)
    fit, notes = fit_study_model("baseline", ModelSettings(baseline=own), data, "mwf_percent")
    assert (fit.model.formula, notes) == (own.replace("{outcome}", "mwf_percent"), ())
    with pytest.raises(FormulaError, match="no column 'scanner'"):
        baseline_differences(three_visits, settings=ModelSettings(scanner="fixed"))
