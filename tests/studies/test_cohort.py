from __future__ import annotations

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


def test_the_flow_counts_scanners():
    people = pd.DataFrame({"participant_id": ["a", "b"], "group": "HC", "scanner": ["1", "2"]})
    sessions = pd.DataFrame({"participant_id": ["a", "b"], "session_id": "1", "years": 0.0})
    columns = ["participant_id", "session_id", "lesion_id", "lesion_type", "years", "volume_mm3"]
    lesions = pd.DataFrame(columns=[*columns, "touches_lesion"])
    tables = StudyTables(participants=people, sessions=sessions, lesions=lesions)
    flow = describe_cohort(tables, lesions, sessions.iloc[:0]).flow.set_index("stage")
    assert flow.loc["imaged", "note"] == "at least one session, on 2 scanners"


def test_census_is_of_the_first_session(description):
    census = description.lesions.set_index("lesion_type")
    assert census.loc["isointense", "n_lesions"] == 1
    assert census.loc["isointense", "share"] == pytest.approx(0.5)
    assert census.loc["paramagnetic_rim", "n_lesions"] == 0
