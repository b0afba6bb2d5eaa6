import pandas as pd

from qsmstats.report.sections.cohort import flow_steps, once_for_all_maps, table_one


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


def test_table_one_has_a_text_per_row_and_tells_not_recorded_from_missing():
    rows = pd.DataFrame(
        {
            "variable": ["n", "Age, year", "Sex", "EDSS"],
            "level": ["", "", "female", ""],
            "statistic": ["count", "mean ± SD", "n (%)", "median"],
            "HC": ["12", "40.1 ± 9.8", "7 (58.3%)", None],
            "MS": ["30", "44.3 ± 11.0", "20 (66.7%)", "2.0"],
            "missing_HC": [0, 0, 0, 12],
            "missing_MS": [0, 1, 0, 0],
            "standardised_difference": [None, 0.4, 0.17, None],
        }
    )
    table = table_one(rows)
    assert list(table["variable"]) == [
        "n",
        "Age (years), mean ± SD",
        "Sex, female, n (%)",
        "EDSS, median",
    ]
    assert table.loc[2, "HC"] == "7 (58.3\N{NO-BREAK SPACE}%)"
    assert table["missing_HC"].isna().tolist() == [False, False, False, True]
    assert table["missing_MS"].tolist() == [0, 1, 0, 0]


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
