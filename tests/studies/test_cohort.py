from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats.studies.cohort import describe_cohort
from qsmstats.tables.read import StudyTables


@pytest.fixture
def description():
    participants = pd.DataFrame(
        {
            "participant_id": ["sub-1", "sub-2", "sub-3", "sub-4"],
            "group": ["HC", "HC", "MS", "MS"],
            "age": [30.0, 40.0, 50.0, 60.0],
            "sex": ["F", "M", "F", None],
        }
    )
    sessions = pd.DataFrame(
        {
            "participant_id": ["sub-1", "sub-2", "sub-3", "sub-3", "sub-4"],
            "session_id": ["ses-1", "ses-1", "ses-1", "ses-2", "ses-1"],
            "years": [0.0, 0.0, 0.0, 2.0, 0.0],
        }
    )
    lesions = pd.DataFrame(
        {
            "participant_id": ["sub-3", "sub-3", "sub-3", "sub-4"],
            "session_id": ["ses-1", "ses-1", "ses-2", "ses-1"],
            "lesion_id": ["a", "b", "a", "a"],
            "lesion_type": ["isointense", "hyperintense", "isointense", "isointense"],
            "years": [0.0, 0.0, 2.0, 0.0],
            "volume_mm3": [10.0, 20.0, 12.0, 30.0],
            "touches_lesion": pd.array([True, True, False, False], dtype="boolean"),
        }
    )
    tables = StudyTables(
        participants=participants, sessions=sessions, lesions=lesions, capped={"age": 60}
    )
    failures = pd.DataFrame(
        [("sub-4", "ses-1", "x.nii.gz", "broken")],
        columns=["participant_id", "session_id", "file", "reason"],
    )
    measured = lesions[lesions["participant_id"] != "sub-4"]
    measured.attrs["left_out"] = (2, 3.5)
    return describe_cohort(tables, measured, failures)


def test_flow_counts_every_stage(description):
    flow = description.flow.set_index("stage")
    columns = ["n_participants", "n_sessions", "n_lesions", "n_lesion_observations"]
    assert flow.loc["enrolled", columns].tolist() == [4, 5, 3, 4]
    assert flow.loc["images read", columns].tolist() == [3, 4, 2, 3]
    assert flow.loc["controls", columns].tolist() == [2, 2, 0, 0]
    assert flow.loc["followed", columns].tolist() == [1, 2, 2, 3]
    assert flow.loc["images read", "note"] == "1 session failed; failures.tsv gives the reasons"
    assert flow.loc["enrolled", "note"] == (
        "listed in the table of participants; age of 60 or more entered as 60: 1 participant"
    )
    assert flow.loc["patients", "note"] == (
        "2 observed lesions touch another (confluent), 71.4% of the lesion volume; "
        "2 components too small to be lesions left out, 3.5 mm³ in all"
    )


def test_standardised_difference_by_hand(description):
    age = description.participants.query("variable == 'Age, year'").iloc[0]
    # Means 35 and 55, both variances 50: 20 / sqrt(50).
    assert age["standardised_difference"] == pytest.approx(20 / np.sqrt(50))
    assert age["HC"] == "35.0 ± 7.1"


def test_missing_values_are_counted_per_group(description):
    sex = description.participants.query("variable == 'Sex' and level == 'female'").iloc[0]
    assert (sex["missing_HC"], sex["missing_MS"], sex["MS"]) == (0, 1, "1 (100.0%)")


def test_census_is_of_the_first_session(description):
    census = description.lesions.set_index("lesion_type")
    assert census.loc["isointense", "n_lesions"] == 1
    assert census.loc["isointense", "share"] == pytest.approx(0.5)
    assert census.loc["paramagnetic_rim", "n_lesions"] == 0


def test_columns_of_the_study_are_variables_of_table_1():
    people = pd.DataFrame(
        {
            "participant_id": ["sub-1", "sub-2", "sub-3", "sub-4"],
            "group": ["HC", "HC", "MS", "MS"],
            "nfl": [5.0, 7.0, 9.0, None],
            "site": ["A", "B", "A", "A"],
            "comment": ["seen by X", "b", "c", "d"],  # free text names people
        }
    )
    sessions = pd.DataFrame(
        {
            "participant_id": ["sub-1", "sub-2", "sub-3", "sub-3", "sub-4"],
            "session_id": ["1", "1", "1", "2", "1"],
            "years": [0.0, 0.0, 0.0, 2.0, 0.0],
            "sdmt": [60.0, 62.0, 50.0, 40.0, 52.0],
            "nfl_at_session": [5.0, 7.0, 9.0, 8.0, None],  # of which nfl is the first
        }
    )
    lesions = pd.DataFrame(
        columns=[
            *("participant_id", "session_id", "lesion_id", "lesion_type"),
            *("years", "volume_mm3", "touches_lesion"),
        ]
    )
    tables = StudyTables(participants=people, sessions=sessions, lesions=lesions)
    failures = pd.DataFrame(columns=["participant_id", "session_id", "file", "reason"])
    table = describe_cohort(tables, lesions, failures).participants
    found = table[["variable", "level", "HC", "MS"]].to_numpy().tolist()
    assert found == [
        ["n", "", "2", "2"],
        ["nfl", "", "6.0 ± 1.4", "n/a"],
        ["site", "A", "1 (50.0%)", "2 (100.0%)"],
        ["site", "B", "1 (50.0%)", "0 (0.0%)"],
        ["sdmt, first session", "", "61.0 ± 1.4", "51.0 ± 1.4"],
    ]
    assert table.set_index("variable").loc["nfl", "missing_MS"] == 1
