"""All questions of a study together: what is asked, adjusted, and left unanswered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from qsmstats.dictionaries import result_dictionary
from qsmstats.errors import ModelError, UsageError
from qsmstats.own_schemas import Level, Schemas
from qsmstats.settings import ModelSettings, PatientSettings
from qsmstats.studies.answer_files import result_tables, write_answer
from qsmstats.studies.patients.associations import patient_associations
from qsmstats.studies.patients.table import patient_table

from .conftest import make_cohort

PRL = "paramagnetic_rim"


@pytest.fixture(scope="module")
def answer(patients, cohort):
    return patient_associations(patients, cohort[1])


@pytest.fixture
def row(answer):
    def find(**wanted):
        rows = answer.associations
        for name, value in wanted.items():
            rows = rows[rows[name] == value]
        (found,) = rows.to_dict("records")
        return found

    return find


def test_every_question_is_answered_and_recovers_what_was_made(answer, row):
    asked = answer.associations.groupby("question", sort=False)["variable"].unique()
    assert list(asked.index) == ["counts", "groups", "shares", "lesions", "change"]
    assert list(asked["counts"]) == ["edss", "age", "sex"]
    # EDSS was made to rise with the number of PRL, and the change of MWF to fall with EDSS by 0.1.
    assert row(question="counts", outcome=PRL, variable="edss")["conf_low"] > 1.0
    assert row(analysis="logistic mixed model", outcome=PRL)["conf_low"] > 1.0
    assert row(analysis="partial Spearman correlation", outcome=PRL)["conf_low"] > 0.0
    change = row(question="change")
    assert change["conf_low"] < -0.1 < change["conf_high"] < 0.0
    assert change["unit"] == "percent per year, per unit of EDSS"
    assert row(question="counts", outcome=PRL, variable="age")["unit"] == "per year"
    assert row(question="shares", outcome=PRL, null=1.0)["unit"] == "per 10 percentage points"
    assert answer.groups["n_participants"].sum() == 70
    found = row(question="lesions", outcome=PRL)
    assert (found["n_participants"], found["covariates"]) == (70, "age, sex")
    # Nobody has a hypointense lesion.
    assert said(answer, "no patient has such a lesion, so that there is no rate to compare")
    assert "hypointense" not in set(answer.associations["outcome"])


def test_p_values_of_an_analysis_are_adjusted_together(answer):
    for _, part in answer.associations.groupby(["question", "analysis"]):
        expected = multipletests(part["p_value"], method="fdr_bh")[1]
        np.testing.assert_allclose(part["p_adjusted"], expected, rtol=1e-9)
    assert set(answer.associations["adjust"]) == {"fdr_bh"}


def test_tables_are_written_with_every_column_described(answer, tmp_path):
    write_answer(answer, tmp_path)
    for name, table in result_tables(answer).items():
        assert all(result_dictionary(name, table.columns).values())
        back = pd.read_csv(tmp_path / f"{name}.tsv", sep="\t")
        assert list(back) == list(table)
        assert len(back) == len(table)
    text = (tmp_path / "methods.txt").read_text()
    assert "negative binomial" in text
    assert "Benjamini" in text
    assert "adjusted for age and sex" in text


def test_settings_choose_what_is_asked(cohort):
    tables, lesions = cohort
    sessions = tables.sessions.assign(sdmt=50.0 - 3 * tables.sessions["years"])
    noise = np.random.default_rng(1).normal(0, 2, len(sessions))
    sessions["sdmt"] += noise
    patients = patient_table(replace(tables, sessions=sessions), lesions)
    settings = PatientSettings(
        questions=("counts", "change"),
        clinical=("log(nfl)", "site"),
        disability="sdmt",
        covariates=("age", "site"),
        family="poisson",
        adjust="holm",
    )
    maps = ["mwf_percent", "mwf"]
    answer = patient_associations(patients, lesions, settings=settings, outcomes=maps)
    assert said(answer, "the table has no column 'mwf'; name one of")
    rows = answer.associations
    assert set(rows["question"]) == {"counts", "change"}
    assert list(rows.loc[rows["question"] == "change", "variable"]) == ["sdmt", "sdmt_per_year"]
    assert set(rows.loc[rows["variable"] == "site", "covariates"]) == {"age"}
    assert set(rows.loc[rows["variable"] == "log(nfl)", "covariates"]) == {"age, site"}
    assert (rows["p_adjusted"] >= rows["p_value"] - 1e-12).all()
    assert answer.groups.empty
    assert "Poisson" in answer.methods
    for wrong in ({"clinical": ("ages",)}, {"covariates": ("agee",)}, {"disability": "edsss"}):
        with pytest.raises(UsageError, match=r"has no column .*did you mean"):
            patient_associations(patients, lesions, settings=PatientSettings(**wrong))


def test_a_study_with_types_of_its_own_groups_by_its_rims(cohort):
    tables, lesions = cohort
    words = {"isointense": "plain", "hyperintense": "plain", PRL: "ring"}
    own = lesions.assign(lesion_type=lesions["lesion_type"].map(words))
    listed = tables.lesions.assign(lesion_type=tables.lesions["lesion_type"].map(words))
    types = {"plain": Level(title="plain"), "ring": Level(title="ring", rim=True)}
    for rim in (True, False):
        types["ring"] = Level(title="ring", rim=rim)
        schemas = Schemas(types=types)
        table = patient_table(replace(tables, lesions=listed, schemas=schemas), own)
        settings = PatientSettings(questions=("groups",), clinical=("age",))
        answer = patient_associations(table, own, settings=settings, schemas=schemas)
        assert set(answer.groups["lesion_type"]) == ({"ring"} if rim else set())
        assert any("no lesion type has a rim" in note for note in answer.notes) != rim


def asked_of(tables, lesions, *questions):
    """Ask questions of tables and lesions of which some columns or rows may be gone."""
    tables = replace(tables, lesions=lesions[tables.lesions.columns])
    patients = patient_table(tables, lesions)
    settings = PatientSettings(questions=questions or PatientSettings().questions)
    return patient_associations(patients, lesions, settings=settings)


def said(answer, text):
    return any(text in note for note in answer.notes)


def test_eight_patients_have_exact_tests_only():
    answer = asked_of(*make_cohort(patients=8))
    assert said(answer, "8 patients, and 25 are needed for 5 coefficients")
    assert said(answer, "8 patients with two sessions, and 10 are needed")
    exact = {"Kruskal-Wallis test", "Fisher's exact test"}
    assert set(answer.associations["analysis"]) == exact
    # Only the odds ratio of two by two patients has an estimate; its interval is exact.
    estimated = answer.associations.dropna(subset="estimate")
    assert list(estimated["test"]) == ["exact"]


def test_a_type_without_lesions_and_one_visit_give_no_numbers(cohort):
    tables, lesions = cohort
    once = replace(tables, sessions=tables.sessions[tables.sessions["years"] == 0])
    left = lesions[(lesions["years"] == 0) & (lesions["lesion_type"] != PRL)]
    answer = asked_of(once, left, "groups", "shares", "change")
    assert said(answer, "all patients have 0 such lesions")
    assert said(answer, f"Not answered, question shares: {PRL} by edss: share_{PRL} has fewer")
    assert said(answer, "0 patients with two sessions")
    assert PRL not in set(answer.associations["outcome"])
    assert "change" not in set(answer.associations["question"])


def test_edss_in_four_levels_is_said(cohort):
    tables, lesions = cohort
    edss = tables.participants["edss"].clip(0.5, 2.0)
    people = tables.participants.assign(edss=edss)
    answer = asked_of(replace(tables, participants=people), lesions, "shares")
    assert said(answer, "edss has only 4 values")
    assert "edss has 4 levels in these patients" in set(answer.associations["note"])


def test_without_clinical_columns_nothing_is_asked(cohort):
    tables, lesions = cohort
    people = tables.participants[["participant_id", "group"]]
    bare = lesions.drop(columns=["age", "sex", "edss"])
    answer = asked_of(replace(tables, participants=people), bare)
    assert said(answer, "no clinical variable")
    assert said(answer, "as edss is not there: shares, lesions, change")
    assert answer.associations.empty
    assert "No association" in answer.methods
    assert answer.groups["n_participants"].sum() == 70


def test_nobody_measured_at_the_first_session_is_refused(patients, cohort):
    with pytest.raises(ModelError, match="no patient was measured at the first session"):
        patient_associations(patients.assign(measured=False), cohort[1])


def test_a_model_that_the_data_contradict_is_named(patients, cohort):
    # Half of the patients have no PRL, and the others five or more: no Poisson.
    first = patients["years"] == 0
    counts = np.where(np.arange(len(patients)) % 4 < 2, 0, 5 + np.arange(len(patients)) % 5)
    made = patients.assign(**{f"n_{PRL}": counts})
    settings = PatientSettings(questions=("counts",), clinical=("age",), family="poisson")
    answer = patient_associations(made, cohort[1], settings=settings)
    (zeros,) = answer.goodness_of_fit.query("outcome == @PRL").to_dict("records")
    assert zeros["observed"] == (counts[first] == 0).sum()
    assert zeros["observed"] > zeros["expected"]
    assert said(answer, "(check: number of zeros, p < 0.05), so that these estimates need")


def test_a_scale_may_be_a_logarithm_and_must_be_a_number(cohort):
    tables, lesions = cohort
    joined = lesions.merge(tables.participants[["participant_id", "nfl", "site"]])
    patients = patient_table(tables, joined)
    models = ModelSettings(trajectory="log({outcome}) ~ years + (1 + years | participant_id)")
    asked = {"questions": ("shares", "change"), "covariates": ()}
    settings = PatientSettings(disability="log(nfl)", **asked)
    answer = patient_associations(patients, joined, settings=settings, models=models)
    rows = answer.associations
    # As many values as patients are no ordinal scale; ranks do not mind.
    assert said(answer, "nfl has 70 values, and an ordinal model needs 3 to 20")
    assert set(rows["analysis"]) == {"Spearman correlation", "linear mixed model"}
    (change,) = rows[rows["question"] == "change"].to_dict("records")
    assert change["unit"] == "per year, on the scale of log(mwf_percent)"
    settings = PatientSettings(disability="site", **asked)
    answer = patient_associations(patients, joined, settings=settings)
    assert said(answer, "as site is no number: shares, change")
    assert answer.associations.empty
