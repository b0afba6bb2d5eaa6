"""Table 1: what it says of whom, and how; numbers beside those of another program."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import UsageError
from qsmstats.own_schemas import Level, Schemas
from qsmstats.settings import TableOneSettings
from qsmstats.studies.patients.table import patient_table
from qsmstats.studies.table_one import TableOne, table_one
from qsmstats.tables.read import StudyTables

from .patients.conftest import make_cohort

REFERENCE = Path(__file__).parents[1] / "reference" / "table_one"
PATIENTS, CONTROLS, FOLLOWED = 12, 6, 8
VOLUME = "Lesion volume per patient (mL)"


def with_controls() -> tuple[StudyTables, pd.DataFrame]:
    """Return a cohort of which eight patients were followed, and its patient table."""
    tables, lesions = make_cohort(patients=PATIENTS)
    controls = [f"sub-9{at:02}" for at in range(CONTROLS)]
    every = PATIENTS + CONTROLS
    people = pd.concat([tables.participants, pd.DataFrame({"participant_id": controls})])
    people = people.reset_index(drop=True).assign(
        group=["MS"] * PATIENTS + ["HC"] * CONTROLS,
        age=np.arange(every) + 30.0,
        sex=(["F", "F", "M"] * every)[:every],
        # Symmetrical in patients, and median all the same; not recorded in controls.
        edss=[*np.tile([1.0, 2.0, 3.0, 4.0], 3), *[np.nan] * CONTROLS],
        nfl=[np.nan, *np.exp(np.arange(PATIENTS - 1) / 2), *[4.0, 5.0] * 2, np.nan, 6.0],
        site=(["basel", "bern", "zurich"] * every)[:every],
        smoker=(["yes", "no"] * every)[:every],
        treated=(["1", "0", "0"] * every)[:every],
        comment=[f"seen by {at}" for at in range(every)],
    )
    people["treated"] = people["treated"].astype(int)
    sessions = tables.sessions
    late = sessions["participant_id"] >= f"sub-{FOLLOWED:03}"
    sessions = sessions[~(late & (sessions["years"] > 0))]
    more = pd.DataFrame({"participant_id": controls, "session_id": "ses-01", "years": 0.0})
    sessions = pd.concat([sessions, more], ignore_index=True)
    sessions["sdmt"] = 50.0 + np.arange(len(sessions)) % 5
    sessions["age_at_session"] = 1.0  # of which the age is the first
    lesions = lesions.merge(sessions[["participant_id", "session_id"]])
    listed = lesions[tables.lesions.columns]
    tables = replace(tables, participants=people, sessions=sessions, lesions=listed)
    return tables, patient_table(tables, lesions)


@pytest.fixture(scope="module")
def cohort():
    return with_controls()


@pytest.fixture(scope="module")
def made(cohort):
    return table_one(*cohort)


def of(table: TableOne, variable: str, level: str = "") -> pd.Series:
    found = table.rows[(table.rows["variable"] == variable) & (table.rows["level"] == level)]
    (row,) = (row for _, row in found.iterrows())
    return row


def heads(table: TableOne) -> list[str]:
    return [str(name).replace("\N{NO-BREAK SPACE}", " ") for name in table.printed()][1:]


def test_numbers_and_differences_are_those_of_another_program():
    people = pd.read_csv(REFERENCE / "people.tsv", sep="\t")
    people.insert(0, "participant_id", [f"sub-{at}" for at in people.index])
    sessions = people[["participant_id"]].assign(session_id="1", years=0.0)
    _, lesions = make_cohort(patients=1, visits=1)
    tables = StudyTables(participants=people, sessions=sessions, lesions=lesions.iloc[:0])
    patients = patient_table(tables, lesions.iloc[:0])
    table = table_one(tables, patients, settings=TableOneSettings(median=("nfl",)))
    names = {"age": "Age (years)", "nfl": "Nfl", "sex": "Sex: female", "site": "Site"}
    reference = json.loads((REFERENCE / "reference.json").read_text(encoding="utf-8"))
    compared = 0
    for row in reference[1:]:
        name = row["variable"].partition(",")[0]
        if name == "sex" and row["level"] == "M":
            continue  # the row of females says it
        level = row["level"] if name == "site" else ""
        ours = of(table, names[name], level)
        for group in ("HC", "MS"):
            theirs = row[group].replace(",", ", ").replace(")", "%)" if row["level"] else ")")
            assert ours[group] == theirs
        if row["SMD (HC,MS)"]:
            # Three decimals are printed, without a sign for categories.
            found = of(table, names[name])["standardised_difference"]
            assert abs(found) == pytest.approx(abs(float(row["SMD (HC,MS)"])), abs=5.1e-4)
            compared += 1
    assert compared == 4
    assert of(table, "Nfl")["missing_HC"] + of(table, "Nfl")["missing_MS"] == 3


def test_ordinal_counted_and_skewed_variables_have_medians_and_others_means(made):
    statistics = made.rows.set_index("variable")["statistic"]
    expected = {
        "EDSS": "median [IQR]",
        "Lesions per patient": "median [IQR]",
        VOLUME: "median [IQR]",
        "Nfl": "median [IQR]",
        "Age (years)": "mean (SD)",
        "Sdmt": "mean (SD)",
    }
    assert {name: statistics[name] for name in expected} == expected
    # Whole numbers have no decimals that they cannot have.
    assert of(made, "EDSS")["MS"] == "2.5 [1.8, 3.2]"
    assert of(made, "Age (years)")["MS"] == "35.5 (3.6)"
    # Patients are 30 to 41, controls 42 to 47 years old; variances 13 and 3.5.
    difference = of(made, "Age (years)")["standardised_difference"]
    assert difference == pytest.approx((35.5 - 44.5) / np.sqrt((13 + 3.5) / 2))


def test_one_row_says_sex_and_yes_or_no_and_others_have_one_per_category(made):
    assert of(made, "Sex: female")["MS"] == "8 (66.7%)"
    assert of(made, "Smoker")["HC"] == "3 (50.0%)"
    assert of(made, "Treated")["MS"] == "4 (33.3%)"
    assert of(made, "Site", "bern")["MS"] == "4 (33.3%)"
    # The shares are the same in every group.
    assert of(made, "Site")["standardised_difference"] == pytest.approx(0.0)
    assert "Comment" not in set(made.rows["variable"])


def test_lesions_and_follow_up_are_of_whom_they_can_be(made, cohort):
    patients = cohort[1]
    first = patients[patients["years"] == 0]
    row = of(made, "Any lesion: paramagnetic rim (PRL)")
    having = int((first["n_paramagnetic_rim"] > 0).sum())
    assert row["MS"] == f"{having} ({having / PATIENTS:.1%})"
    assert row["HC"] is None or pd.isna(row["HC"])
    median = np.round(first["n_lesions"].median(), 1)
    assert of(made, "Lesions per patient")["MS"].startswith(f"{median:g} [")
    follow_up = of(made, "Time of follow-up (years)")
    assert follow_up["followed"] == "2.0 (0.0)"
    assert follow_up[["MS", "not_followed"]].isna().all()
    assert list(made.rows.iloc[0][["HC", "MS", "followed", "not_followed"]]) == [
        "6",
        "12",
        "8",
        "4",
    ]


def test_missing_values_are_in_the_footnotes_and_not_those_of_whom_none_was_asked(made):
    (note,) = (note for note in made.footnotes if note.startswith("Missing"))
    assert note == "Missing values: Nfl, 1 control, 1 patient (1 followed)."
    assert any("not recorded or not applicable" in note for note in made.footnotes)


def test_what_is_printed_is_headed_by_the_groups_and_their_sizes(made):
    printed = made.printed()
    printed.columns = printed.columns.str.replace("\N{NO-BREAK SPACE}", " ")
    assert list(printed)[1:4] == [
        "Controls (n = 6)",
        "Patients (n = 12)",
        "SMD",
    ]
    assert list(printed)[4:6] == [
        "Followed (n = 8)",
        "Not followed (n = 4)",
    ]
    age, site = printed.iloc[0], printed[printed["Characteristic"] == "Site, n (%)"].iloc[0]
    assert age["SMD"].startswith("\N{MINUS SIGN}3.13")
    assert (site["Controls (n = 6)"], site["SMD"]) == ("", "0.00")
    assert printed.astype(str).eq(printed).all(axis=None)


def test_groups_without_participants_are_no_columns(cohort):
    tables, patients = cohort
    cases = tables.participants[tables.participants["group"] == "MS"]
    alone = replace(tables, participants=cases)
    table = table_one(alone, patients)
    assert heads(table)[0] == "Patients (n = 12)"
    assert "SMD" in table.printed()  # of the followed
    first = patients[patients["years"] == 0]
    once = table_one(alone, first)
    assert heads(once) == ["Patients (n = 12)"]
    assert not any("SMD" in note for note in once.footnotes)


def test_settings_choose_columns_titles_and_medians(cohort):
    settings = TableOneSettings(
        variables=("sdmt", "nfl"), median=("sdmt",), titles={"nfl": "Serum NfL (pg/mL)"}
    )
    table = table_one(*cohort, settings=settings)
    names = list(table.rows["variable"])
    at = names.index("Sdmt")
    assert names[at : at + 2] == ["Sdmt", "Serum NfL (pg/mL)"]
    assert "Site" not in names
    assert of(table, "Sdmt")["statistic"] == "median [IQR]"
    ordinal = table_one(*cohort, settings=TableOneSettings(median=("treated",)))
    assert of(ordinal, "Treated")["MS"] == "0 [0, 1]"
    for wrong, text in (
        ({"variables": ("nfll",)}, "has a column 'nfll'; did you mean 'nfl'"),
        ({"median": ("age_at_session",)}, "has a column 'age_at_session'"),
        ({"variables": ("sdmt",), "median": ("nfl",)}, "'nfl' is not in the table"),
        ({"median": ("site",)}, "'site' holds texts"),
        ({"variables": ("comment",)}, "'comment' has 18 different texts"),
    ):
        with pytest.raises(UsageError, match=text):
            table_one(*cohort, settings=TableOneSettings(**wrong))


def test_types_of_a_study_of_its_own_have_rims_of_their_own(cohort):
    tables, _ = cohort
    schemas = Schemas(types={"flat": Level(title="flat"), "ring": Level(title="ring", rim=True)})
    _, lesions = make_cohort(patients=PATIENTS, visits=1)
    lesions["lesion_type"] = np.where(lesions["lesion_type"] == "paramagnetic_rim", "ring", "flat")
    own = replace(tables, schemas=schemas)
    table = table_one(own, patient_table(own, lesions))
    assert "Any lesion: ring" in set(table.rows["variable"])


def test_a_study_without_clinical_columns_follow_up_and_rims_has_what_is_left(cohort):
    tables, _ = cohort
    bare = replace(
        tables,
        participants=tables.participants[["participant_id", "group"]],
        sessions=tables.sessions.loc[tables.sessions["years"] == 0].iloc[:, :3],
    )
    _, lesions = make_cohort(patients=PATIENTS, visits=1)
    left = lesions[lesions["lesion_type"] == "isointense"]
    table = table_one(bare, patient_table(bare, left))
    assert list(table.rows["variable"])[1:3] == ["Lesions per patient", VOLUME]
    assert of(table, "Any lesion: paramagnetic rim (PRL)")["MS"] == "0 (0.0%)"
    assert "Time of follow-up (years)" not in set(table.rows["variable"])
    assert heads(table) == [
        "Controls (n = 6)",
        "Patients (n = 12)",
    ]
    assert not any("SMD" in note for note in table.footnotes)


def test_scanners_are_those_of_the_first_sessions_and_no_numbers(cohort):
    tables, patients = cohort
    sessions = tables.sessions
    odd = (sessions["participant_id"].str[-1].astype(int) % 2).astype(str)
    told = sessions.assign(scanner=odd.where(sessions["years"] == 0, "9"))
    made = table_one(replace(tables, sessions=told), patients).rows
    rows = made[made["variable"] == "Scanner"].set_index("level")
    assert rows.index.to_list() == ["", "0", "1"]
    assert rows.loc["0", ["HC", "MS"]].to_list() == ["3 (50.0%)", "6 (50.0%)"]
    assert rows.loc["", "standardised_difference"] == pytest.approx(0.0)
