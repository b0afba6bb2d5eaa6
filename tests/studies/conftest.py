"""A tidy table of lesions with known effects, made without our own simulator."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

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
