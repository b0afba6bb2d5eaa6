"""Stated truths of trials, small enough to simulate."""

from __future__ import annotations

import pandas as pd
import pytest

from qsmstats.studies.planning.assumptions import TrialAssumptions


@pytest.fixture(scope="session")
def alike() -> TrialAssumptions:
    """Return a truth in which every patient has four isointense lesions."""
    return TrialAssumptions(
        patient_sd=0.6,
        slope_sd=0.12,
        correlation=0.2,
        lesion_sd=0.7,
        residual_sd=0.3,
        lesions={"isointense": 4},
        slopes={"isointense": 0.3},
        means={"isointense": 6.0},
    )


@pytest.fixture(scope="session")
def mixed() -> TrialAssumptions:
    """Return a truth with three types, whose numbers differ between patients."""
    counts = pd.DataFrame(
        {
            "isointense": [6, 2, 3, 8, 0, 4],
            "hypointense": [1, 0, 2, 1, 3, 0],
            "hyperintense": [0, 2, 1, 3, 1, 2],
        }
    )
    return TrialAssumptions(
        patient_sd=0.6,
        slope_sd=0.15,
        correlation=-0.3,
        lesion_sd=0.5,
        residual_sd=0.3,
        lesions=counts,
        slopes={"isointense": 0.3, "hypointense": 0.6},
    )
