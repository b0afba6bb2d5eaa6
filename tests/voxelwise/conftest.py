"""Small images in memory, and voxels that lmer has fitted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

REFERENCE = Path(__file__).parents[1] / "reference" / "voxelwise"
FORMULA = "mwf_percent ~ group * years + age + sex + (1 + years | participant_id)"
AFFINE = np.array([[-4.0, 0, 0, 30], [0, 4, 0, -50], [0, 0, 4, -20], [0, 0, 0, 1]])


@dataclass(frozen=True)
class Images:
    """Rows, an image for each, a mask, and the values in its voxels in Fortran order."""

    rows: pd.DataFrame
    images: list[nib.Nifti1Image]
    mask: nib.Nifti1Image
    values: np.ndarray

    @property
    def arguments(self) -> dict[str, Any]:
        return {"images": self.images, "table": self.rows, "mask": self.mask}


def as_images(rows: pd.DataFrame, values: np.ndarray, shape: tuple[int, int, int]) -> Images:
    """Put values, shape (rows, voxels), into images whose last plane lies outside the mask."""
    whole = (*shape[:2], shape[2] + 1)
    volumes = np.full((len(values), np.prod(whole)), 5.0, dtype=np.float32)
    volumes[:, : values.shape[1]] = values
    inside = np.zeros(np.prod(whole), dtype=np.uint8)
    inside[: values.shape[1]] = 1
    images = [nib.Nifti1Image(one.reshape(whole, order="F"), AFFINE) for one in volumes]
    mask = nib.Nifti1Image(inside.reshape(whole, order="F"), AFFINE)
    return Images(rows=rows, images=images, mask=mask, values=values)


@pytest.fixture(scope="session")
def lmer() -> dict[str, Any]:
    return json.loads((REFERENCE / "lmer.json").read_text())


@pytest.fixture(scope="session")
def reference() -> Images:
    rows = pd.read_csv(REFERENCE / "rows.csv")
    values = pd.read_csv(REFERENCE / "values.csv").to_numpy(dtype=np.float32)
    return as_images(rows, values, (4, 5, 2))


@pytest.fixture(scope="session")
def made() -> Images:
    """Return images of 24 participants at two visits; a corner of the box changes in patients."""
    rng = np.random.default_rng(5)
    people, shape = 24, (6, 6, 5)
    rows = pd.DataFrame(
        {
            "participant_id": np.repeat([f"sub-{i:02d}" for i in range(people)], 2),
            "group": pd.Categorical(np.repeat(["HC", "MS"], people), categories=["HC", "MS"]),
            "years": np.tile([0.0, 2.0], people),
            "age": np.repeat(rng.uniform(25, 60, people).round(1), 2),
        }
    )
    values = 10 + np.repeat(rng.normal(0, 1, (people, *shape)), 2, axis=0)
    values += rng.normal(0, 0.5, (len(rows), *shape))
    change = (rows["years"] * (rows["group"] == "MS")).to_numpy()
    values[:, :3, :3, :3] += 0.8 * change[:, None, None, None]
    flat = values.transpose(0, 3, 2, 1).reshape(len(rows), -1)
    return as_images(rows, flat.astype(np.float32), shape)
