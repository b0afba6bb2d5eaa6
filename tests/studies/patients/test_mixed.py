"""Types of lesions and change of maps by disability, beside R's glmer and glmmTMB."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qsmstats.settings import ModelSettings, PatientSettings
from qsmstats.studies.patients.change import change_regression
from qsmstats.studies.patients.lesions import lesion_regression

REFERENCE = Path(__file__).parents[2] / "reference" / "patients"


@pytest.fixture(scope="module")
def rows():
    people = pd.read_csv(REFERENCE / "people.tsv", sep="\t")
    return pd.read_csv(REFERENCE / "lesions.tsv", sep="\t").merge(people, on="participant_id")


@pytest.fixture(scope="module")
def reference():
    return json.loads((REFERENCE / "patients.json").read_text(encoding="utf-8"))


def test_the_type_of_a_lesion_is_that_of_glmer(rows, reference):
    first, settings = rows[rows["years"] == 0], PatientSettings()
    (row,), _ = lesion_regression(first, "paramagnetic_rim", "edss", settings=settings, level=0.95)
    expected = reference["lesions"]
    # glmer stops where the deviance changes by 1e-7 of its value.
    assert row["estimate"] == pytest.approx(expected["estimate"], rel=5e-4)
    assert row["std_error"] / row["estimate"] == pytest.approx(expected["std_error"], rel=5e-3)
    low = row["estimate"] * np.exp(-1.959964 * expected["std_error"])
    assert row["conf_low"] == pytest.approx(low, rel=5e-3)
    assert (row["n_lesions"], row["n_participants"]) == (expected["n"], 40)


def test_the_change_of_a_map_is_that_of_glmmtmb(rows, reference):
    (row,), _ = change_regression(rows, "mwf_percent", "edss", models=ModelSettings())
    expected = reference["change"]
    # Both searches stop where the likelihood is flat to 1e-8; a variance there is at 0.
    assert row["estimate"] == pytest.approx(expected["estimate"], rel=1e-3)
    assert row["std_error"] == pytest.approx(expected["std_error"], rel=5e-3)
