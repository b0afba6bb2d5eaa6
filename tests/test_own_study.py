"""A study with lesion types, classes, codes and a map of its own, from its tables to its page."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from qsmstats import (
    baseline_differences,
    extract_cohort,
    histology_accuracy,
    open_study,
    rater_agreement,
    read_tables,
    suggest_lesion_types,
    tidy_lesions,
    tissue_table,
    trajectories,
    write_answer,
    write_report,
)
from qsmstats.checks.study import check_study
from qsmstats.errors import UsageError
from qsmstats.studies.answer_files import write_table
from qsmstats.studies.baseline import tissue_differences
from qsmstats.studies.cohort import describe_cohort
from qsmstats.studies.planning.design import TrialDesign
from qsmstats.studies.planning.plan_trial import plan_trial
from qsmstats.voxels.lesion_types import disputed_lesions

from .own_study import write_own_study


@pytest.fixture(scope="module", params=[2, 8])
def own(request, tmp_path_factory):
    """Return study, tables, features and tidy lesions of two, and of eight types."""
    folder = write_own_study(tmp_path_factory.mktemp("own") / "study", types=request.param)
    study = open_study(folder)
    tables = read_tables(study)
    features = extract_cohort(study, tables=tables)
    assert features.failures.empty
    return study, tables, features, tidy_lesions(tables, features)


def test_the_reference_is_first_and_every_pair_is_compared(own):
    study, _, _, lesions = own
    types = study.schemas.lesion_types
    assert types[:2] == ("kind_2", "kind_1")
    for outcome, unit in (
        ("r2star_hz", "Hz"),
        ("r2star_hz_p95", "Hz"),
        ("susceptibility_ppb_z", "standard deviations of NAWM"),
    ):
        found = baseline_differences(lesions, outcome, settings=study.models)
        assert found.counts["level"].to_list() == list(types)
        assert len(found.contrasts) == len(types) * (len(types) - 1) // 2
        assert set(found.contrasts["unit"]) == {unit}
        first = found.contrasts.set_index("contrast").loc["kind_2 - kind_1"]
        # The images have kind_1 brighter by 9 units: 10 Hz, less one per type.
        assert first["conf_high"] < 0
        if unit == "Hz":
            assert first["estimate"] == pytest.approx(-9, abs=2)


def test_a_feature_is_what_was_measured(own):
    _, _, measured, lesions = own
    features = measured.features
    rows = features[(features["region"] == "lesion") & (features["map"] == "r2star_hz")]
    keys = ["participant_id", "session_id", "label"]
    both = lesions.merge(rows[[*keys, "p95"]], on=keys)
    assert len(both) == len(lesions)
    np.testing.assert_array_equal(both["r2star_hz_p95"], both["p95"])
    # Features that nothing asks for are in the table of features alone.
    assert "r2star_hz_p05" not in lesions


def test_lesions_are_compared_with_white_matter_and_followed(own):
    study, tables, features, lesions = own
    tissue = tissue_table(tables, features, lesions=lesions)
    white = ("hc_white_matter", "nawm")
    found = tissue_differences(tissue, "r2star_hz", settings=study.models)
    assert found.counts["level"].to_list() == [*white, *study.schemas.lesion_types]
    changes = trajectories(lesions, "r2star_hz", settings=study.models)
    assert changes.slopes["lesion_type"].to_list() == list(study.schemas.lesion_types)
    assert set(changes.slopes["unit"]) == {"Hz per year"}
    # White matter has no value against itself: that is said, and the rest is compared.
    against = tissue_differences(tissue, "susceptibility_ppb_z", settings=study.models)
    assert against.counts["level"].to_list() == list(study.schemas.lesion_types)
    assert "susceptibility_ppb_z 8" in " ".join(against.notes)


def test_raters_pathology_and_census_have_the_types_of_the_study(own):
    study, tables, measured, lesions = own
    types = list(study.schemas.lesion_types)
    agreed = rater_agreement(tables.ratings, tables.lesions, settings=study.raters).agreement
    assert set(agreed["category"]) == {*types, "all categories"}
    accuracy = histology_accuracy(tables.histology, settings=study.histology)
    assert set(accuracy.class_counts["reference_class"]) >= {"lost", "kept"}
    assert set(accuracy.areas["rule"]) == {"at most"}
    unmapped = [name for name in types if name not in ("kind_1", "kind_2")]
    assert all(name in accuracy.methods for name in unmapped)
    census = describe_cohort(tables, lesions, measured.failures).lesions
    assert census["lesion_type"].to_list() == [*types, "without a type"]


@pytest.mark.parametrize("own", [2], indirect=True)
def test_a_trial_is_planned_for_a_feature_in_its_unit(own):
    study, _, _, lesions = own
    random = "(1 + years | participant_id) + (1 | participant_id:lesion_id)"
    formula = "{outcome} ~ lesion_type * years + " + random
    plan = plan_trial(
        lesions,
        "r2star_hz_p95",
        design=TrialDesign(target=("kind_1",), df="satterthwaite"),
        patients=(20,),
        effects=(2.0,),
        simulations=0,
        seed=1,
        settings=replace(study.models, trajectory=formula),
    )
    assert set(plan.sizes["unit"]) == {"Hz per year"}
    assert "kind 1 lesions from" in plan.answers[0]
    assert "Hz per year under it (by +2" in plan.answers[0]


def test_the_rule_says_that_it_knows_five_types(own):
    _, tables, measured, _ = own
    assert len(suggest_lesion_types(measured.features))
    with pytest.raises(UsageError, match=r"knows these five: isointense.*types kind_"):
        disputed_lesions(measured.features, tables.lesions)


def test_values_outside_the_range_of_an_own_map_are_found(tmp_path):
    folder = write_own_study(tmp_path, types=2, patients=1)
    text = (folder / "study.toml").read_text()
    (folder / "study.toml").write_text(text.replace("[0, 200]", "[100, 200]"))
    study = open_study(folder)
    [message] = [one for one in check_study(study)["message"] if "r2s" in one]
    assert "too small for tissue, where 100 to 200 Hz is plausible" in message
    assert len(extract_cohort(study).failures) == 4
    (folder / "study.toml").write_text(text.replace("[0, 200]", "[0, 25]"))
    # In some lesions only: no error, and they are flagged.
    features = extract_cohort(open_study(folder)).features
    flagged = features["flags"].str.contains("out_of_range")
    assert flagged.any()
    assert set(features.loc[flagged, "map"]) == {"r2star_hz"}


@pytest.mark.parametrize("own", [2], indirect=True)
def test_the_page_calls_everything_as_the_study_does(own, tmp_path):
    study, _, _, lesions = own
    out = tmp_path / "out"
    answer = baseline_differences(lesions, "r2star_hz_p95", settings=study.models)
    write_answer(answer, out / "baseline")
    write_table(lesions, out / "tidy.tsv")
    # Only the output folder tells what things are called.
    (out / "schemas.json").write_text(json.dumps(study.schemas.declared()))
    page = write_report(tmp_path, out)
    words = re.sub(r"<(script|style|pre).*?</\1>|<[^>]+>", " ", page.read_text(), flags=re.DOTALL)
    words = " ".join(html.unescape(words).split())
    assert "Effective relaxation rate (R2s), 95th percentile: lesion types" in words
    assert "Kind 2 − Kind 1 −8.98 (" in words
    assert "R2s, 95th percentile, is higher in Kind 1 lesions than in Kind 2 lesions" in words
    assert "is 8.98 Hz (adjusted" in words
    assert "isointense" not in words
    assert "kind_1" not in words  # but in the lines of Python and R, which were taken out
