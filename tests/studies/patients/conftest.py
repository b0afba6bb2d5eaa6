"""Tables of patients with known lesions, made without our own simulator."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats.own_schemas import Schemas
from qsmstats.studies.patients.table import patient_table
from qsmstats.tables.read import StudyTables

TYPES = Schemas().lesion_types


def study_tables(people: pd.DataFrame, sessions: pd.DataFrame, lesions: pd.DataFrame):
    return StudyTables(participants=people, sessions=sessions, lesions=lesions)


def make_cohort(seed: int = 11, patients: int = 70, visits: int = 2):
    """Return the tables of a cohort and its tidy lesions; EDSS rises with the number of PRL."""
    rng = np.random.default_rng(seed)
    people, sessions, lesions = [], [], []
    for at in range(patients):
        name = f"sub-{at:03}"
        n_prl = int(rng.negative_binomial(1.0, 0.4))
        counts = {"paramagnetic_rim": n_prl, "isointense": int(rng.poisson(6)) + 1}
        counts |= {"hyperintense": int(rng.poisson(2))}
        edss = float(np.clip(np.round(2 * (1.5 + 0.5 * n_prl + rng.normal(0, 1))) / 2, 0, 7))
        site = str(rng.choice(["basel", "bern"]))
        age, sex = round(rng.normal(45, 10), 1), str(rng.choice(["F", "M"]))
        people.append((name, "MS", age, sex, edss, np.exp(rng.normal(2 + 0.1 * n_prl, 0.4)), site))
        effect = rng.normal(0, 0.5)
        for visit in range(visits):
            years = 2.0 * visit
            sessions.append((name, f"ses-{visit + 1:02}", years))
            lesion = 0
            for kind, count in counts.items():
                for _ in range(count):
                    lesion += 1
                    mwf = 5.0 + effect + (0.3 - 0.1 * edss) * years + rng.normal(0, 0.8)
                    key = (name, f"ses-{visit + 1:02}", f"L{lesion}", lesion, kind)
                    lesions.append((*key, years, np.exp(rng.normal(5, 1)), mwf, age, sex, edss))
    columns = ["participant_id", "session_id", "lesion_id", "label", "lesion_type"]
    extra = ["years", "volume_mm3", "mwf_percent", "age", "sex", "edss"]
    tidy = pd.DataFrame(lesions, columns=[*columns, *extra])
    tidy["lesion_type"] = pd.Categorical(tidy["lesion_type"], categories=TYPES)
    tables = study_tables(
        pd.DataFrame(
            people, columns=["participant_id", "group", "age", "sex", "edss", "nfl", "site"]
        ),
        pd.DataFrame(sessions, columns=["participant_id", "session_id", "years"]),
        tidy[columns],
    )
    return tables, tidy


@pytest.fixture(scope="session")
def cohort():
    return make_cohort()


@pytest.fixture(scope="session")
def patients(cohort):
    tables, lesions = cohort
    return patient_table(tables, lesions)
