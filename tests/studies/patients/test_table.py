"""Lesions counted and averaged per patient and session."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmstats.dictionaries import result_dictionary
from qsmstats.errors import InvalidDataError
from qsmstats.own_schemas import Level, Schemas
from qsmstats.studies.patients.table import patient_table

from .conftest import TYPES, study_tables

KEYS = ["participant_id", "session_id"]
PEOPLE = pd.DataFrame(
    {
        "participant_id": ["a", "b", "c", "h"],
        "group": ["MS", "MS", "MS", "HC"],
        "age": [40.0, 50.0, 60.0, 30.0],
    }
)
SESSIONS = pd.DataFrame(
    [
        *[
            ("a", "1", 0.0, 2.0),
            ("a", "2", 2.0, 3.0),
            ("b", "1", 0.0, 1.0),
            ("b", "2", 1.0, np.nan),
        ],
        *[("c", "1", 0.0, 4.0), ("c", "2", 1.5, 4.5), ("h", "1", 0.0, np.nan)],
    ],
    columns=[*KEYS, "years", "edss"],
)
LESIONS = pd.DataFrame(
    [
        ("a", "1", "L1", 1, "isointense", 100.0, 6.0),
        ("a", "1", "L2", 2, "paramagnetic_rim", 300.0, 2.0),
        ("a", "1", "L3", 3, None, 50.0, np.nan),
        ("a", "2", "L1", 1, "hypointense_rim", 200.0, 7.0),
        ("c", "1", "L1", 1, "isointense", 10.0, 5.0),
    ],
    columns=[*KEYS, "lesion_id", "label", "lesion_type", "volume_mm3", "mwf_percent"],
)
LISTED = LESIONS.drop(columns=["volume_mm3", "mwf_percent"])
# Lesions of c's second session are listed, and none was measured.
TABLES = study_tables(PEOPLE, SESSIONS, pd.concat([LISTED, LISTED.tail(1).assign(session_id="2")]))
TISSUE = pd.DataFrame(
    [("a", "1", "nawm", 9.0), ("h", "1", "hc_white_matter", 11.0)],
    columns=[*KEYS, "tissue", "mwf_percent"],
)


@pytest.fixture(scope="module")
def table():
    return patient_table(TABLES, LESIONS, tissue=TISSUE).set_index(KEYS)


def test_lesions_volumes_and_shares_of_a_session(table):
    row = table.loc[("a", "1")]
    assert (row["n_lesions"], row["volume_mm3"]) == (3, 450.0)
    assert (row["n_isointense"], row["n_paramagnetic_rim"], row["n_untyped"]) == (1, 1, 1)
    assert row["volume_mm3_paramagnetic_rim"] == 300.0
    assert row["share_isointense"] == pytest.approx(1 / 3)
    assert (row["n_rims"], row["share_rims"]) == (1, pytest.approx(1 / 3))
    assert row["mwf_percent"] == 4.0
    # 6 with 100 mm³ and 2 with 300 mm³; the lesion without a value has no weight.
    assert row["mwf_percent_volume_weighted"] == 3.0
    assert row["mwf_percent_nawm"] == 9.0


def test_no_lesions_are_zero_and_an_unmeasured_session_is_missing(table):
    none, lost = table.loc[("b", "1")], table.loc[("c", "2")]
    assert (none["measured"], none["n_lesions"], none["volume_mm3"], none["n_rims"]) == (1, 0, 0, 0)
    assert none[["share_rims", "mwf_percent"]].isna().all()
    assert not lost["measured"]
    assert lost[["n_lesions", "volume_mm3", "n_isointense", "mwf_percent"]].isna().all()
    assert "h" not in table.index.get_level_values(0)
    failures = pd.DataFrame({"participant_id": ["b"], "session_id": ["1"]})
    told = patient_table(TABLES, LESIONS, failures=failures).set_index(KEYS)
    assert pd.isna(told.loc[("b", "1"), "n_lesions"])
    assert pd.isna(told.loc[("b", "2"), "n_lesions_per_year"])
    assert told.loc[("b", "2"), "n_lesions"] == 0
    assert "mwf_percent_nawm" not in told


def test_change_per_year_since_the_first_session(table):
    change = table.filter(like="_per_year")
    assert change.xs("1", level="session_id").isna().all().all()
    row = table.loc[("a", "2")]
    assert row["n_lesions_per_year"] == -1.0
    assert row["volume_mm3_per_year"] == -125.0
    assert row["mwf_percent_per_year"] == 1.5
    assert row["edss_per_year"] == 0.5
    assert table.loc[("b", "2"), "n_lesions_per_year"] == 0.0
    assert "age_per_year" not in table


def test_rims_are_those_that_the_study_declares():
    types = {"plain": Level(title="plain"), "ring": Level(title="ring", rim=True)}
    words = {"isointense": "plain", "paramagnetic_rim": "ring", "hypointense_rim": "ring"}
    own = LESIONS.assign(lesion_type=LESIONS["lesion_type"].map(words))
    schemas = Schemas(types=types)
    found = patient_table(replace(TABLES, schemas=schemas), own).set_index(KEYS)
    assert list(found.filter(regex="^n_.*[a-z]$").filter(regex="^(?!.*_per_year)")) == [
        *("n_lesions", "n_plain", "n_ring", "n_rims", "n_untyped")
    ]
    assert found.loc[("a", "1"), "n_rims"] == 1
    assert Schemas.from_declared(schemas.declared()).rims == ("ring",)
    assert Schemas().rims == ("hypointense_rim", "paramagnetic_rim")
    described = result_dictionary("patients", found.columns, schemas)
    assert described["n_ring"]["LongName"] == "n: ring"


def test_every_column_is_described(table):
    described = result_dictionary("patients", [*KEYS, *table.columns])
    assert all(entry["Description"] for entry in described.values())
    own = [name for name, entry in described.items() if "study's own" in entry["Description"]]
    assert own == ["edss_per_year"]
    assert described["mwf_percent"]["Units"] == "percent"
    assert "Change per year" in described["n_rims_per_year"]["Description"]


def test_a_column_of_the_study_that_is_computed_here_is_refused():
    sessions = SESSIONS.assign(n_rims=1)
    with pytest.raises(InvalidDataError, match=r"'n_rims': is computed .*; rename the column"):
        patient_table(replace(TABLES, sessions=sessions), LESIONS)


def test_a_study_without_any_lesion():
    table = patient_table(replace(TABLES, lesions=LISTED.iloc[:0]), LESIONS.iloc[:0])
    assert (table["n_lesions"] == 0).all()
    assert table["measured"].all()


_lesion = st.tuples(
    st.sampled_from([("a", "1"), ("a", "2"), ("b", "1"), ("c", "2")]),
    st.sampled_from([*TYPES, None]),
    st.floats(1.0, 1e4),
)


@settings(max_examples=10, deadline=None)
@given(st.lists(_lesion, max_size=12))
def test_types_add_up_to_all_lesions(drawn):
    rows = [(*key, f"L{at}", at, kind, size, 5.0) for at, (key, kind, size) in enumerate(drawn)]
    lesions = pd.DataFrame(rows, columns=LESIONS.columns)
    listed = lesions[LISTED.columns]
    table = patient_table(study_tables(PEOPLE, SESSIONS, listed), lesions)
    assert table["n_lesions"].sum() == len(drawn)
    for what, total in (("n", "n_lesions"), ("volume_mm3", "volume_mm3")):
        parts = table[[f"{what}_{name}" for name in (*TYPES, "untyped")]].sum(axis=1)
        np.testing.assert_allclose(parts.astype(float), table[total].astype(float))
    shares = table[[f"share_{name}" for name in (*TYPES, "untyped")]].sum(axis=1, min_count=1)
    assert shares.dropna().to_numpy() == pytest.approx(1.0)
    assert (shares.isna() == (table["n_lesions"] == 0)).all()
    rims = table["n_hypointense_rim"] + table["n_paramagnetic_rim"]
    assert (table["n_rims"] == rims).all()
