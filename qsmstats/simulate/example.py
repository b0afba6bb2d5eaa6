"""A small table of lesions for examples: no images, no files, known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qsmstats.own_schemas import Schemas

__all__ = ["example_lesions"]

# Myelin water fraction of each lesion type in percent at the first session, and its change a year.
_MEANS = (9.0, 7.5, 6.0, 5.5, 5.0)
_SLOPES = (0.3, 0.1, -0.2, -0.4, -0.6)
_PATIENT_SD, _LESION_SD, _RESIDUAL_SD = 0.8, 0.7, 0.4


def example_lesions(patients: int = 24, *, seed: int = 1) -> pd.DataFrame:
    """Draw a small table of lesions, to try the models on.

    The outcome of lesion l of patient p at t years is m + s t + u_p + v_pl + e, with mean m and
    slope s of its type, and normal u, v and e with standard deviations 0.8, 0.7 and 0.4.

    Parameters
    ----------
    patients
        Number of patients. Each has one lesion of each of the five types, seen at 0, 1 and 2 years.
    seed
        Of the draws.

    Returns
    -------
    DataFrame
        As `tidy_lesions` makes it: participant_id, session_id, lesion_id, lesion_type, years, age,
        sex, edss, volume_mm3 and mwf_percent; 15 rows per patient.

    Examples
    --------
    >>> lesions = qs.example_lesions(patients=2)
    >>> lesions.shape
    (30, 10)
    >>> list(lesions["lesion_type"].cat.categories[:2])
    ['isointense', 'hypointense']
    """
    random = np.random.default_rng(seed)
    types = Schemas().lesion_types
    index = pd.MultiIndex.from_product([range(patients), range(len(types)), range(3)])
    person, kind, year = (index.get_level_values(level).to_numpy() for level in range(3))
    lesion = person * len(types) + kind
    ages, edss = random.normal(45, 10, patients), random.integers(0, 13, patients) / 2
    volumes = np.exp(random.normal(4, 0.8, patients * len(types)))
    value = np.take(_MEANS, kind) + np.take(_SLOPES, kind) * year
    value += random.normal(0, _PATIENT_SD, patients)[person]
    value += random.normal(0, _LESION_SD, patients * len(types))[lesion]
    value += random.normal(0, _RESIDUAL_SD, len(index))
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{number + 1:02d}" for number in person],
            "session_id": [f"ses-{number + 1:02d}" for number in year],
            "lesion_id": [f"L{number + 1}" for number in kind],
            "lesion_type": pd.Categorical(np.take(types, kind), categories=list(types)),
            "years": year.astype(float),
            "age": ages[person],
            "sex": np.where(person % 2, "M", "F"),
            "edss": edss[person],
            "volume_mm3": volumes[lesion],
            "mwf_percent": value,
        }
    )
