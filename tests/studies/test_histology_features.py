from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

from qsmstats import histology_accuracy
from qsmstats.schemas import load_schema
from qsmstats.settings import HistologySettings
from qsmstats.studies.histology_features import continuous_features

CLASSES = ["remyelinated", "chronic_inactive", "chronic_active"]
HIGH_IN = HistologySettings().high_in
PAIRS = [(feature, name) for feature in HIGH_IN for name in CLASSES]


@pytest.fixture
def answer(featured_accuracy):
    return featured_accuracy


def groups(histology, feature, class_):
    """Values of the lesions with and without the class; the unread type plays no role."""
    known = histology[histology["reference_standard"].isin(CLASSES) & histology[feature].notna()]
    with_class = known["reference_standard"] == class_
    return known.loc[with_class, feature], known.loc[~with_class, feature]


def rows(table, feature, class_):
    return table[(table["feature"] == feature) & (table["class_"] == class_)]


def test_every_numeric_column_of_the_schema_has_a_side():
    numeric = {item.name for item in load_schema("histology").fields if item.type == "number"}
    assert set(HIGH_IN) == numeric


@pytest.mark.parametrize(("feature", "class_"), PAIRS)
def test_the_area_is_the_share_of_pairs_on_the_expected_side(featured, answer, feature, class_):
    positive, negative = groups(featured, feature, class_)
    area = mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative))
    high = class_ in HIGH_IN[feature]
    found = rows(answer.areas, feature, class_)
    assert found["estimate"].to_numpy() == pytest.approx(area if high else 1 - area, abs=1e-12)
    assert set(found["rule"]) == {"at least" if high else "at most"}
    assert set(found["n"]) == {len(positive) + len(negative)}
    assert set(found["n_positive"]) == {len(positive)}
    assert list(found["role"]) == ["lesions assumed independent", "comparison"]


@pytest.mark.parametrize(("feature", "class_"), PAIRS)
def test_cut_offs_of_the_curve_are_in_the_unit_of_the_feature(featured, answer, feature, class_):
    positive, negative = groups(featured, feature, class_)
    assert len(rows(answer.roc, feature, class_)) > 2
    for row in rows(answer.roc, feature, class_).itertuples():
        said = [
            int((v >= row.threshold if row.rule == "at least" else v <= row.threshold).sum())
            for v in (positive, negative)
        ]
        assert said == [row.tp, row.fp]
        assert (row.tp + row.fn, row.fp + row.tn) == (len(positive), len(negative))


@pytest.mark.parametrize(("feature", "class_"), PAIRS)
def test_the_best_cut_off_has_the_largest_youden_index_of_the_curve(answer, feature, class_):
    curve, (_, best) = (
        rows(answer.roc, feature, class_),
        next(rows(answer.cutoffs, feature, class_).iterrows()),
    )
    assert best["youden"] == pytest.approx(curve["youden"].max(), abs=1e-12)
    there = curve[curve["threshold"] == best["threshold"]].iloc[0]
    assert there["sensitivity"] == pytest.approx(best["sensitivity"])
    assert there["specificity"] == pytest.approx(best["specificity"])
    assert best["corrected_youden"] == pytest.approx(best["youden"] - best["optimism"])
    assert best["optimism"] > 0
    assert best["threshold_range_low"] <= best["threshold"] <= best["threshold_range_high"]


def test_a_feature_that_points_the_other_way_keeps_its_side_and_is_named(featured):
    turned = featured.assign(rim_contrast_ppb=-featured["rim_contrast_ppb"])
    answer = histology_accuracy(turned)
    area = rows(answer.areas, "rim_contrast_ppb", "chronic_active")["estimate"]
    assert (area < 0.5).all()
    for frame in (answer.areas, answer.cutoffs):
        notes = rows(frame, "rim_contrast_ppb", "chronic_active")["note"]
        assert len(notes) > 0
        assert notes.str.contains("direction is opposite").all()
    assert any("rim_contrast_ppb for chronic_active" in note for note in answer.notes)


def test_a_class_without_lesions_has_an_area_with_the_reason_and_no_curve(
    accuracy_without_a_class,
):
    answer = accuracy_without_a_class
    row = rows(answer.areas, "mwf_percent", "chronic_inactive").iloc[0]
    assert np.isnan(row["estimate"])
    assert "one reference group" in row["note"]
    assert rows(answer.roc, "mwf_percent", "chronic_inactive").empty
    assert rows(answer.cutoffs, "mwf_percent", "chronic_inactive").empty


def test_a_column_without_a_value_is_no_feature(featured):
    empty = featured.assign(mwf_percent=pd.Series(np.nan, index=featured.index))
    assert continuous_features(empty) == ["rim_contrast_ppb"]


def test_few_brains_are_said_to_understate_the_optimism(answer):
    assert set(answer.cutoffs["resampled"]) == {"lesions"}
    assert any(note.startswith("Too few brains to resample") for note in answer.notes)
    assert "bootstrap of lesions" in answer.methods
