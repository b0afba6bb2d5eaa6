"""Lesions joined with sessions, participants and features; tissues beside them."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import InvalidDataError
from qsmstats.schemas import load_schema, map_schemas
from qsmstats.study_file import open_study
from qsmstats.tables.feature_columns import tidy_columns, widen_features
from qsmstats.tables.read import read_tables
from qsmstats.tables.tidy import lesions_without_features, tidy_lesions, tissue_table
from tests.study_folder import tables, write_tables

MAPS = ("mwf_percent", "ndi")
KEY = ["participant_id", "session_id"]


@pytest.fixture
def study(tmp_path):
    return open_study(write_tables(tmp_path))


@pytest.fixture
def features(study) -> pd.DataFrame:
    """Features whose values tell where they come from: label + 100 per map + 1000 per session."""
    read = read_tables(study)
    lesions = read.lesions[[*KEY, "label"]].assign(region="lesion")
    white = [read.sessions[KEY].assign(region=region) for region in ("nawm", "white_matter")]
    rows = pd.concat([lesions, *white], ignore_index=True)
    rows["volume_mm3"] = rows["label"].astype("float64").fillna(5000) * 8
    later = rows["session_id"].eq("ses-02") * 1000
    parts = [
        rows.assign(
            map=name,
            mean=rows["label"].astype("float64").fillna(50) + 100 * at + later,
            shell_mean=rows["label"].astype("float64") + 0.5,
            z=-1.0,
            n_valid=7,
            flags="",
        )
        for at, name in enumerate(MAPS)
    ]
    return pd.concat(parts, ignore_index=True)


def test_one_row_per_lesion_with_all_that_a_model_needs(study, features):
    tidy = tidy_lesions(study, features)
    assert len(tidy) == 20
    assert tidy.columns.to_list() == [
        *("participant_id", "session_id", "lesion_id", "label", "lesion_type"),
        *("years", "group", "age", "sex", "center", "volume_mm3"),
        *("mwf_percent", "mwf_percent_shell", "mwf_percent_z", "mwf_percent_flags"),
        *("ndi", "ndi_shell", "ndi_z", "ndi_flags"),
    ]
    later = 1000 * (tidy["session_id"] == "ses-02")
    label = tidy["label"].astype("float64")
    np.testing.assert_array_equal(tidy["mwf_percent"], label + later)
    np.testing.assert_array_equal(tidy["ndi"], label + 100 + later)
    np.testing.assert_array_equal(tidy["volume_mm3"], 8 * label)
    assert tidy.loc[tidy["session_id"] == "ses-02", "years"].unique() == [2.03]
    assert tidy["lesion_type"].dtype == read_tables(study).lesions["lesion_type"].dtype
    assert tidy.attrs == {"n_without_features": 0, "n_unmeasured": 0, "units": {}}


def test_the_order_of_the_features_does_not_matter(study, features):
    shuffled = features.sample(frac=1, random_state=1)
    again = tidy_lesions(read_tables(study), shuffled)
    expected = tidy_lesions(study, features)
    pd.testing.assert_frame_equal(again[expected.columns], expected)


def test_what_extract_cohort_returns_is_taken_as_it_is(study, features):
    expected = tidy_lesions(study, features)
    result = SimpleNamespace(features=features)
    pd.testing.assert_frame_equal(tidy_lesions(study, result), expected)
    assert len(tissue_table(study, result)) == len(tissue_table(study, features))
    assert lesions_without_features(study, result).empty


def test_labels_read_back_from_a_file_as_floats_still_match(study, features):
    back = features.assign(label=features["label"].astype("float64"))
    assert len(tidy_lesions(study, back)) == 20


def test_a_session_without_features_is_counted_and_listed(study, features, caplog):
    lost = features[~(features["participant_id"] == "sub-02")]
    with caplog.at_level(logging.WARNING):
        tidy = tidy_lesions(study, lost)
    assert len(tidy) == 15
    assert tidy.attrs["n_without_features"] == 5
    assert tidy.attrs["n_unmeasured"] == 1
    assert "5 of 20 lesions have no features" in caplog.text
    missing = lesions_without_features(study, lost)
    assert missing["participant_id"].to_list() == ["sub-02"] * 5
    assert missing.columns.to_list() == read_tables(study).lesions.columns.to_list()
    assert len(lesions_without_features(study, features)) == 0


def test_a_map_that_failed_for_a_session_is_missing_there(study, features):
    lost = features[~((features["participant_id"] == "sub-02") & (features["map"] == "ndi"))]
    tidy = tidy_lesions(study, lost)
    assert len(tidy) == 20
    assert tidy.loc[tidy["ndi"].isna(), "participant_id"].to_list() == ["sub-02"] * 5
    assert tidy["volume_mm3"].notna().all()


def test_features_of_a_lesion_that_no_row_names_are_an_error(study, features):
    extra = features.assign(label=features["label"].replace(3, 33))
    with pytest.raises(InvalidDataError, match="label 33 of sub-01 ses-01 has features and no row"):
        tidy_lesions(study, extra)


def test_two_rows_of_one_map_are_an_error(study, features):
    twice = pd.concat([features, features.iloc[[0]]])
    with pytest.raises(InvalidDataError, match=r"two rows of one map for participant_id sub-01, "):
        tidy_lesions(study, twice)


@pytest.mark.parametrize("column", ["region", "map", "label", "participant_id"])
def test_features_without_a_key_column_are_an_error(study, features, column):
    with pytest.raises(InvalidDataError, match=f"column '{column}': the column is missing"):
        tidy_lesions(study, features.drop(columns=column))


def test_tissues_are_lesions_nawm_of_patients_and_white_matter_of_controls(study, features):
    table = tissue_table(study, features)
    assert table.columns.to_list() == ["tissue", *tidy_lesions(study, features).columns]
    levels = load_schema("tissue").column("tissue").levels
    assert tuple(table["tissue"].cat.categories) == levels
    white = table[table["tissue"].isin(levels[:2])]
    assert white[["tissue", "participant_id", "session_id"]].to_numpy().tolist() == [
        ["hc_white_matter", "sub-04", "ses-01"],
        ["nawm", "sub-01", "ses-01"],
        ["nawm", "sub-01", "ses-02"],
        ["nawm", "sub-02", "ses-01"],
        ["nawm", "sub-03", "ses-01"],
    ]
    assert white["mwf_percent"].to_list() == [50, 50, 1050, 50, 50]
    assert white["volume_mm3"].to_list() == [40_000] * 5
    assert white["lesion_type"].isna().all()
    assert white["label"].isna().all()
    assert white["age"].to_list() == [33.5, 30.5, 30.5, 31.5, 32.5]
    lesions = table[~table["tissue"].isin(levels[:2])]
    assert lesions["tissue"].astype(str).to_list() == lesions["lesion_type"].astype(str).to_list()
    assert table["lesion_type"].dtype == tidy_lesions(study, features)["lesion_type"].dtype
    assert table["group"].dtype == "category"
    assert table["label"].dtype == "Int64"


def test_a_lesion_without_a_type_has_no_tissue(tmp_path, features):
    content = tables()
    content["lesions"][1][4] = "n/a"
    table = tissue_table(open_study(write_tables(tmp_path / "other", content)), features)
    assert table["tissue"].isna().sum() == 1


def test_a_patient_without_lesions_has_no_nawm_and_is_counted(tmp_path, features):
    content = tables()
    # sub-03 has no lesion, and the images of sub-02 could not be read.
    for name in ("lesions", "ratings"):
        content[name] = [row for row in content[name] if row[0] != "sub-03"]
    kept = features[~features["participant_id"].isin(["sub-02", "sub-03"])]
    table = tissue_table(open_study(write_tables(tmp_path / "other", content)), kept)
    assert set(table["participant_id"]) == {"sub-01", "sub-04"}
    assert (table.attrs["n_unmeasured"], table.attrs["n_lesion_free"]) == (1, 1)


def test_a_study_without_masks_has_lesions_alone(study, features):
    table = tissue_table(study, features[features["region"] == "lesion"])
    assert len(table) == 20


def test_tissue_levels_are_white_matter_then_the_lesion_types():
    levels = load_schema("tissue").column("tissue").levels
    assert levels == (
        "hc_white_matter",
        "nawm",
        *load_schema("lesions").column("lesion_type").levels,
    )


def test_the_columns_of_tidy_tables_come_from_the_schema():
    columns = tidy_columns(map_schemas())
    assert len(columns) == len(set(columns))
    assert {"volume_mm3", "mwf_percent", "ndi_shell", "susceptibility_ppb_z"} <= set(columns)
    assert not any("{" in column for column in columns)


def test_features_beyond_the_schema_stay_out(features):
    wide = widen_features(features.assign(odd=1), "lesion", [*KEY, "label"])
    assert "odd" not in wide.columns
    assert "n_valid" not in wide.columns
