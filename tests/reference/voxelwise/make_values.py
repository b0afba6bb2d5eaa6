"""Simulate rows and the values of voxels for lmer_voxels.R: python make_values.py FOLDER VOXELS.

Groups of a third of the voxels have a random slope, a random intercept alone, and no random effect
at all, so that many fits are singular. One value in a hundred is missing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd


def make(folder: Path, voxels: int) -> None:
    """Write rows.csv and values.csv; values have single precision, as those of a stack."""
    rng = np.random.default_rng(11)
    people = 30
    rows = pd.DataFrame(
        {
            "participant_id": np.repeat([f"sub-{i:02d}" for i in range(people)], 3),
            "group": np.repeat(np.where(np.arange(people) < 20, "MS", "HC"), 3),
            "years": np.round(np.tile([0.0, 1.0, 2.0], people) + rng.normal(0, 0.05, 90), 2),
            "age": np.repeat(np.round(rng.uniform(25, 60, people), 1), 3),
            "sex": np.repeat(np.where(np.arange(people) % 2, "M", "F"), 3),
        }
    )
    rows["years"] -= rows.groupby("participant_id")["years"].transform("min")
    rows["years"] = rows["years"].round(2)
    who = np.repeat(np.arange(people), 3)
    kind = np.arange(voxels) % 3
    values = 10 + rng.normal(0, 1.2, (people, voxels))[who] * (kind < 2)
    values += rng.normal(0, 0.6, (people, voxels))[who] * (kind < 1) * rows[["years"]].to_numpy()
    values += rng.normal(0, 0.9, (90, voxels))
    values -= 0.3 * np.outer(rows["years"] * (rows["group"] == "MS"), kind < 1)
    values[rng.random(values.shape) < 0.01] = np.nan
    rows.to_csv(folder / "rows.csv", index=False)
    text = pd.DataFrame(values.astype(np.float32)).map(lambda value: f"{value:.9g}")
    text.replace("nan", "NA").to_csv(folder / "values.csv", index=False)


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
