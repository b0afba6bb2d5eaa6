import pandas as pd

from qsmstats.report.sections.cohort import flow_steps, once_for_all_maps


def test_the_flow_says_who_left_after_each_step():
    stages = pd.DataFrame(
        [
            ("enrolled", 10, 12, 90),
            ("images read", 9, 11, 80),
            ("controls", 4, 4, 0),
            ("patients", 5, 7, 80),
            ("followed", 2, 4, 30),
        ],
        columns=["stage", "n_participants", "n_sessions", "n_lesions"],
    )
    steps = flow_steps(stages)
    assert list(steps["text"]) == [
        "enrolled\n10 participants, 12 sessions, 90 lesions",
        "images read\n9 participants, 11 sessions, 80 lesions",
        "patients\n5 participants, 7 sessions, 80 lesions",
        "followed\n2 participants, 4 sessions, 30 lesions",
    ]
    assert list(steps["aside"]) == [
        "excluded\n1 participant, 1 session",
        "controls\n4 participants",
        "not followed\n3 participants, 3 sessions",
        "",
    ]


def test_numbers_that_all_maps_share_are_shown_once():
    rows = pd.DataFrame(
        {
            "outcome": ["mwf_percent", "mwf_percent", "ndi", "ndi"],
            "stage": ["lesions", "rows of the model"] * 2,
            "n_observations": [9, 8, 9, 8],
        }
    )
    once = once_for_all_maps(rows)
    assert once["outcome"].tolist() == ["all maps"] * 2
    assert once["n_observations"].tolist() == [9, 8]
    rows.loc[3, "n_observations"] = 7
    assert once_for_all_maps(rows).equals(rows)
