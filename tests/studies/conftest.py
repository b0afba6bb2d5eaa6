"""A tidy table of lesions with known effects, made without our own simulator."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats import baseline_differences, histology_accuracy, trajectories
from qsmstats.settings import HistologySettings

from .lesion_histology import make_histology, with_features

TYPES = ["isointense", "hypointense", "hyperintense", "hypointense_rim", "paramagnetic_rim"]
MEANS = dict(zip(TYPES, [6.0, 6.4, 4.5, 4.8, 4.0], strict=True))
SLOPES = dict(zip(TYPES, [0.4, 0.5, 0.0, 0.0, -0.2], strict=True))


def make_lesions(seed: int = 3, patients: int = 24, followed: int = 14) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        intercept, slope = rng.normal(0, 0.6), rng.normal(0, 0.1)
        age, sex = rng.normal(45, 10), rng.choice(["F", "M"])
        years = [0.0, rng.normal(2, 0.1)] if patient < followed else [0.0]
        for lesion in range(int(rng.integers(6, 25))):
            kind = str(rng.choice(TYPES, p=[0.4, 0.15, 0.2, 0.1, 0.15]))
            own, volume = rng.normal(0, 0.7), np.exp(rng.normal(5, 1))
            for visit, time in enumerate(years):
                mean = MEANS[kind] + (SLOPES[kind] + slope) * time + intercept + own
                rows.append(
                    {
                        "participant_id": f"sub-{patient:03}",
                        "session_id": f"ses-{visit + 1:02}",
                        "lesion_id": f"lesion-{lesion:03}",
                        "lesion_type": kind,
                        "years": time,
                        "age": age,
                        "sex": sex,
                        "volume_mm3": volume,
                        "mwf_percent": mean + rng.normal(0, 0.3),
                    }
                )
    table = pd.DataFrame(rows)
    table["lesion_type"] = pd.Categorical(table["lesion_type"], categories=TYPES)
    return table


@pytest.fixture(scope="session")
def lesions() -> pd.DataFrame:
    return make_lesions()


@pytest.fixture(scope="session")
def holes(lesions) -> pd.DataFrame:
    """The same with the age of three participants and the sex of another missing."""
    made = lesions.copy()
    made.loc[made["participant_id"].isin(["sub-001", "sub-004", "sub-020"]), "age"] = np.nan
    made.loc[made["participant_id"] == "sub-007", "sex"] = None
    return made


# Each analysis below takes seconds; the tests read from one.


@pytest.fixture(scope="session")
def baseline(lesions):
    return baseline_differences(lesions, "mwf_percent")


@pytest.fixture(scope="session")
def trajectory(lesions):
    return trajectories(lesions, "mwf_percent")


@pytest.fixture(scope="session")
def histology():
    return make_histology()


@pytest.fixture(scope="session")
def featured(histology):
    """The same lesions with two continuous features."""
    return with_features(histology)


@pytest.fixture(scope="session")
def accuracy(histology):
    return histology_accuracy(histology)


@pytest.fixture(scope="session")
def featured_accuracy(featured):
    return histology_accuracy(featured)


@pytest.fixture(scope="session")
def accuracy_excluding_unmapped(histology):
    return histology_accuracy(histology, settings=HistologySettings(unmapped="exclude"))


@pytest.fixture(scope="session")
def accuracy_without_a_class(featured):
    """No lesion is chronic inactive."""
    return histology_accuracy(featured.query("reference_standard != 'chronic_inactive'"))


def check_agreement(table: pd.DataFrame) -> None:
    """Adjusted p below 0.05 exactly where the adjusted interval leaves out no effect."""
    null = table["null"]
    outside = (table["conf_low_adjusted"] > null) | (table["conf_high_adjusted"] < null)
    np.testing.assert_array_equal(table["p_adjusted"] < 0.05, outside)
    inside = (table["conf_low_adjusted"] < table["estimate"]) & (
        table["estimate"] < table["conf_high_adjusted"]
    )
    assert len(table)
    assert inside.all()
    wider = table["conf_high_adjusted"] - table["conf_low_adjusted"]
    assert (wider > table["conf_high"] - table["conf_low"]).all()
