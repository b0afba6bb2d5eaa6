"""Lesions of three brains with both readings, some missing, and two continuous features."""

from __future__ import annotations

import numpy as np
import pandas as pd

# index test, reference standard, lesions per brain
CELLS = [
    ("isointense", "remyelinated", (3, 2, 2)),
    ("hypointense", "remyelinated", (1, 0, 0)),
    ("hyperintense", "remyelinated", (0, 1, 0)),
    ("hyperintense", "chronic_inactive", (2, 2, 1)),
    ("paramagnetic_rim", "chronic_inactive", (1, 0, 1)),
    ("paramagnetic_rim", "chronic_active", (5, 4, 4)),
    ("hypointense_rim", "chronic_active", (0, 0, 1)),
    (None, "chronic_active", (1, 0, 0)),
    ("isointense", "indeterminate", (0, 1, 0)),
]


def make_histology() -> pd.DataFrame:
    rows = [
        (f"brain-{brain + 1}", index, reference)
        for index, reference, counts in CELLS
        for brain, count in enumerate(counts)
        for _ in range(count)
    ]
    table = pd.DataFrame(rows, columns=["brain_id", "index_test", "reference_standard"])
    table.insert(1, "lesion_id", [f"lesion-{k:02}" for k in range(len(table))])
    return table


def with_features(histology: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    """Add myelin water that is high where remyelinated, and rims that are high where active."""
    rng = np.random.default_rng(seed)
    reference = histology["reference_standard"]
    mwf = np.where(reference == "remyelinated", 5.5, 3.5) + rng.normal(0, 1.2, len(histology))
    rim = np.where(reference == "chronic_active", 6, 0) + rng.normal(0, 4, len(histology))
    # Rounded, so that there are ties.
    table = histology.assign(mwf_percent=mwf.round(1), rim_contrast_ppb=rim.round())
    table.loc[3, "mwf_percent"] = np.nan
    return table
