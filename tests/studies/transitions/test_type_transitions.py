"""Flows, rates, raters and who changes, and studies that cannot answer."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import NoDataError, UsageError
from qsmstats.generalized.model import GeneralizedMixedModel
from qsmstats.studies.answer_files import write_answer
from qsmstats.studies.transitions.type_transitions import type_transitions

from .made import HYPER, ISO, PRL, made, rate


@pytest.fixture(scope="module")
def many():
    """Return 40 patients; smaller values of MWF change more often, and three letters vanish."""
    rng = np.random.default_rng(4)
    patients = [
        [
            start + ("-" if rng.random() < 0.05 else "h" if rng.random() < 0.1 else start)
            for start in rng.choice(list("iihp"), size=rng.integers(3, 16))
        ]
        for _ in range(40)
    ]
    lesions, visits = made(patients)
    return lesions.assign(mwf_percent=5 + rng.normal(size=len(lesions))), visits


@pytest.fixture(scope="module")
def ratings(many):
    rng = np.random.default_rng(5)
    rows = many[0][["participant_id", "session_id", "lesion_id", "lesion_type"]]
    second = rows.assign(
        lesion_type=np.where(rng.random(len(rows)) < 0.1, PRL, rows["lesion_type"])
    )
    decided = rows.iloc[:20].assign(rater_id="adjudicator", lesion_type=HYPER)
    return pd.concat([rows.assign(rater_id="a"), second.assign(rater_id="b"), decided])


@pytest.fixture(scope="module")
def answer(many, ratings):
    return type_transitions(many[0], ratings, patients=many[1])


def test_flows_count_every_lesion_once_per_interval(many, answer):
    flows = answer.flows
    assert (
        flows["n_intervals"].sum()
        == many[0]["lesion_id"].groupby(many[0]["participant_id"]).nunique().sum()
    )
    assert flows.groupby("from_type")["share"].sum().tolist() == pytest.approx([1, 1, 1])
    assert list(flows["from_type"].unique()) == [ISO, HYPER, PRL]
    assert answer.flow["n_observations"].is_monotonic_decreasing
    changed = flows[~flows["to_type"].isin(["vanished"]) & (flows["from_type"] != flows["to_type"])]
    assert rate(answer, "any_type", "other_type")["n_events"] == changed["n_intervals"].sum()


def test_the_fit_is_that_of_a_mixed_model_with_the_interval_as_offset(many, answer):
    lesions = many[0]
    key = ["participant_id", "lesion_id"]
    both = lesions.merge(lesions, on=key, suffixes=("", "_next"))
    both = both[(both["years"] == 0) & (both["years_next"] == 2)]
    both["changed"] = (both["lesion_type"] != both["lesion_type_next"]).astype(float)
    formula = "changed ~ age + log(volume_mm3) + mwf_percent + (1 | participant_id)"
    fit = GeneralizedMixedModel(formula, family="binomial", link="cloglog").fit(both)
    expected = fit.coefficients(exponentiate=True).iloc[1:]
    found = answer.who_changes
    assert list(found["term"]) == ["age", "log(volume_mm3)", "mwf_percent"]
    # All intervals are two years: the offset moves the intercept alone.
    for name in ("estimate", "std_error", "conf_low", "conf_high"):
        assert found[name].tolist() == pytest.approx(expected[name].tolist(), rel=1e-4)
    assert found["n_changes"].eq(both["changed"].sum()).all()
    assert answer.models["converged"].all()
    assert set(found["test"]) == {"Wald z, asymptotic"}
    assert "asymptotic" in answer.methods


def test_the_raters_disagreement_is_a_rate_in_the_same_unit(ratings, answer):
    wide = ratings[ratings["rater_id"] != "adjudicator"].pivot_table(
        "lesion_type", ["participant_id", "session_id", "lesion_id"], "rater_id", aggfunc="first"
    )
    differ = (wide["a"] != wide["b"]).mean()
    row = rate(answer, "any_type", "other_type")
    assert row["rater_rate"] == pytest.approx(100 * differ / 2)  # intervals of two years
    first = pd.concat([wide["a"], wide["b"]])
    other = pd.concat([wide["b"], wide["a"]])
    seen = (other[first == ISO] == PRL).mean()
    assert rate(answer, ISO, PRL)["rater_rate"] == pytest.approx(100 * seen / 2)
    assert np.isnan(rate(answer, ISO, "vanished")["rater_rate"])
    (said,) = (note for note in answer.notes if "Two raters" in note)
    assert f"{100 * differ:.1f} %" in said


def test_all_tables_are_written_with_their_dictionaries(answer, tmp_path):
    write_answer(answer, tmp_path)
    for name in ("flows", "rates", "who_changes", "flow", "models"):
        told = json.loads((tmp_path / f"{name}.json").read_text())
        assert all("Description" in entry for entry in told.values()), name
    assert "lesion-years" in (tmp_path / "methods.txt").read_text()


def test_one_visit_or_no_type_is_no_data():
    with pytest.raises(NoDataError, match="none of 3 patients with lesions"):
        type_transitions(made([["i", "p"]] * 3)[0])
    with pytest.raises(NoDataError, match="none of 4 rows of lesions has a type"):
        type_transitions(made([["??"]] * 2)[0])


def test_no_change_is_a_limit_and_a_sentence():
    lesions, visits = made([["ii", "hh", "pp"]] * 6)
    answer = type_transitions(lesions, patients=visits)
    row = rate(answer, "any_type", "other_type")
    assert row["estimate"] == 0
    assert row["conf_high"] > 0
    assert answer.who_changes.empty
    assert answer.models.empty
    said = " ".join(answer.notes)
    assert "None of 18 lesions has another type" in said
    assert "0 patients with a change of type, and 15 are needed" in said


def test_types_rated_once_leave_vanished_and_new_lesions_and_a_sentence():
    lesions, visits = made([["i?", "p?", "h-", "-?"]] * 6)
    answer = type_transitions(lesions, patients=visits)
    assert any("No lesion has a type at two visits" in note for note in answer.notes)
    assert rate(answer, "any_type", "vanished")["n_events"] == 6
    assert rate(answer, "new", "any_type")["n_events"] == 6
    assert set(answer.rates["to_type"]) == {"vanished", "any_type"}
    flows = answer.flows.set_index(["from_type", "to_type"])["n_intervals"]
    assert flows["isointense", "untyped"] == flows["new", "untyped"] == 6


def test_one_patient_has_counts_and_no_interval():
    answer = type_transitions(made([["ih", "ii", "p-"]])[0])
    assert rate(answer, "any_type", "other_type")["n_events"] == 1
    assert answer.rates["conf_high"].isna().all()


def test_all_may_vanish_where_it_is_known_that_the_session_was_measured():
    lesions, visits = made([["i-", "p-"]] * 6)
    answer = type_transitions(lesions, patients=visits)
    row = rate(answer, "any_type", "vanished")
    assert (row["n_events"], row["estimate"]) == (12, 50)
    assert row["conf_low"] < 50 < row["conf_high"]
    assert ("any_type", "other_type") not in zip(
        answer.rates["from_type"], answer.rates["to_type"], strict=True
    )
    with pytest.raises(NoDataError):
        type_transitions(lesions)
    failed = visits.assign(measured=visits["session_id"] == "ses-0")
    with pytest.raises(NoDataError):
        type_transitions(lesions, patients=failed)


def test_a_lesion_that_comes_back_is_told():
    lesions, visits = made([["i-i", "iii"]] * 2)
    answer = type_transitions(lesions, patients=visits)
    assert any("2 lesions vanished and came back" in note for note in answer.notes)


def test_a_map_that_is_not_there_is_named():
    lesions, visits = made([["ii"]])
    with pytest.raises(UsageError, match="no column 'ndi'"):
        type_transitions(lesions, patients=visits, outcome="ndi")


def test_lesions_all_alike_have_no_predictor():
    lesions, visits = made([["ih", "ii"]] * 6)
    alike = lesions.assign(age=40, volume_mm3=100.0, mwf_percent=5.0)
    answer = type_transitions(alike, patients=visits)
    assert any("age, volume and map have one value each" in note for note in answer.notes)
