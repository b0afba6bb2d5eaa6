"""Small volumes with known content."""

from __future__ import annotations

import nibabel as nib
import numpy as np

AFFINE = np.array([[-0.9, 0, 0, 20], [0, 1.1, 0, -30], [0, 0, 1.3, 5], [0, 0, 0, 1.0]])


def balls(shape, places, radii):
    """Return a label volume with one ball per place, labelled 1, 2, ..., later over earlier."""
    grid = np.indices(shape)
    labels = np.zeros(shape, dtype=np.int16)
    for label, (place, radius) in enumerate(zip(places, radii, strict=True), start=1):
        squared = sum((grid[axis] - place[axis]) ** 2 for axis in range(3))
        labels[squared <= radius**2] = label
    return labels


def image(array, affine=AFFINE):
    """Return an image in memory."""
    return nib.Nifti1Image(array, affine)
