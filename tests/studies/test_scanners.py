import pandas as pd

from qsmstats.studies.scanners import scanner_counts
from qsmstats.tables.read import StudyTables


def test_participants_and_sessions_are_counted_by_scanner_and_group():
    people = pd.DataFrame({"participant_id": ["a", "b", "c"], "group": ["MS", "MS", "HC"]})
    visits = pd.DataFrame(
        {
            "participant_id": ["a", "a", "a", "b", "c", "c"],
            "session_id": ["1", "2", "3", "1", "1", "2"],
            "years": [0.0, 1.0, 2.0, 0.0, 0.0, 1.0],
            "scanner": ["x", "x", "y", "x", "y", None],
        }
    )
    tables = StudyTables(participants=people, sessions=visits, lesions=pd.DataFrame())
    assert scanner_counts(tables).to_numpy().tolist() == [
        ["x", "MS", 2, 3, 1],
        ["y", "HC", 1, 1, 0],
        ["y", "MS", 1, 1, 1],
    ]
    of_people = people.assign(scanner=["x", "y", "y"])
    tables = StudyTables(
        participants=of_people, sessions=visits.drop(columns="scanner"), lesions=pd.DataFrame()
    )
    assert scanner_counts(tables)["n_sessions"].tolist() == [3, 2, 1]
    tables = StudyTables(
        participants=people, sessions=visits.drop(columns="scanner"), lesions=pd.DataFrame()
    )
    assert scanner_counts(tables).empty
