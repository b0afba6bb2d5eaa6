"""Paint the maps of one session and write them as NIfTI.

Outside lesions a voxel mixes white matter, grey matter and fluid by the template's shares; lesions
are painted over. In every region the voxels are then moved (or, for maps that scale, multiplied) so
that the mean over the region's measured voxels is its true value: what the analysis reads from the
files is the truth, up to half a stored step over the root of the number of voxels.

Voxel noise is a normal cut at three standard deviations, which keeps every voxel of a positive map
positive without clipping.

Files are single NIfTI-1 images of int16 with a slope, zero outside the brain, compressed by the
standard library's zlib with no time stamp: the same seed gives the same bytes wherever zlib is the
same, and the same voxels everywhere.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from qsmstats.arrays import Floats, Integers
from qsmstats.simulate.anatomy import Anatomy
from qsmstats.simulate.lesions import Shape, shell_depth
from qsmstats.simulate.maps import MapParameters

__all__ = ["Painting", "far_from_lesions", "paint_labels", "paint_map", "write_image"]

CUT = 3.0
FEWEST_TO_FAIL = 10
"""Lesions of fewer voxels are measured in all of them."""
COMPRESSION = 1
OFFSET = 352
SCANNER = 1  # code of NIfTI-1 for the space of the scanner


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Painting:
    """What one session of a participant shows.

    Attributes
    ----------
    anatomy
        Where the tissues are.
    far
        Flat indices of the white matter that must have the true mean.
    shapes
        Lesions of the session.
    """

    anatomy: Anatomy
    far: Integers
    shapes: Sequence[Shape]


def far_from_lesions(anatomy: Anatomy, shapes: Sequence[Shape], distance: float) -> Integers:
    """Return flat indices of white matter at least `distance` mm from every lesion's voxels.

    All of the white matter where nothing is that far.
    """
    far = anatomy.white_matter.copy()
    reach = int(np.ceil(distance / anatomy.resolution))
    steps = np.arange(-reach, reach + 1)
    offsets = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    # The analysis calls a distance equal that differs in the last digits only.
    length = np.linalg.norm(offsets, axis=1) * anatomy.resolution
    offsets = offsets[length < distance - 1e-3 * anatomy.resolution]
    edge = np.array(far.shape) - 1
    for shape in shapes:
        own = np.stack(np.unravel_index(shape.voxels, far.shape), axis=1)
        around = np.clip(own[:, None, :] + offsets, 0, edge).reshape(-1, 3)
        far[tuple(around.T)] = False
    return np.flatnonzero(far if far.any() else anatomy.white_matter)


def paint_map(
    rng: np.random.Generator,
    painting: Painting,
    truth: MapParameters,
    *,
    white_matter: float,
    lesions: Sequence[tuple[str, float]],
    failed: float = 0.0,
) -> npt.NDArray[np.int16]:
    """Paint one map of one session.

    Parameters
    ----------
    rng
        Random numbers of this participant.
    painting
        Tissues and lesions of the session.
    truth
        Parameters of the map.
    white_matter
        True mean of the white matter at `painting.far`.
    lesions
        Type and true mean of each of `painting.shapes`.
    failed
        Share of brain voxels that are not measured and hold 0.

    Returns
    -------
    ndarray
        Stored values, to be multiplied by `truth.step`; shape of the volume.
    """
    anatomy = painting.anatomy
    brain = np.flatnonzero(anatomy.brain)
    measured = np.zeros(anatomy.brain.size, dtype=np.bool_)
    measured[brain] = rng.random(len(brain)) >= failed
    for shape in painting.shapes:
        if len(shape.voxels) < FEWEST_TO_FAIL:
            measured[shape.voxels] = True
    noise = np.zeros(anatomy.brain.size)
    noise[brain] = np.clip(rng.standard_normal(len(brain)), -CUT, CUT) * truth.voxel_sd
    # Mix the tissues, and give the white matter its true mean.
    white, grey = anatomy.white.ravel(), anatomy.grey.ravel()
    texture = truth.texture * anatomy.texture.ravel()
    values = white * white_matter + grey * truth.grey_matter + truth.iron * anatomy.iron.ravel()
    values += np.clip(1.0 - white - grey, 0.0, 1.0) * truth.fluid
    values = values * (1.0 + texture + noise) if truth.relative else values + texture + noise
    inside = np.flatnonzero(anatomy.white_matter)
    mixed = values[painting.far[measured[painting.far]]].mean()
    if truth.relative:
        values[inside] *= white_matter / mixed
    else:
        values[inside] += white_matter - mixed
    values[~anatomy.brain.ravel()] = 0.0
    shell = shell_depth(anatomy.resolution)
    for shape, (lesion_type, mean) in zip(painting.shapes, lesions, strict=True):
        rim = truth.contrasts[lesion_type] * (shape.depth <= shell)
        pattern = noise[shape.voxels] + rim
        pattern -= pattern[measured[shape.voxels]].mean()
        values[shape.voxels] = mean * (1.0 + pattern) if truth.relative else mean + pattern
    stored = np.rint(values / truth.step)
    # A stored 0 of a positive map means "not measured".
    stored = np.where(measured, np.maximum(stored, 1.0) if truth.relative else stored, 0.0)
    return stored.astype(np.int16).reshape(anatomy.brain.shape)


def paint_labels(anatomy: Anatomy, shapes: Sequence[Shape]) -> npt.NDArray[np.int16]:
    """Return the label image: lesion i of `shapes` has the value i + 1."""
    labels = np.zeros(anatomy.brain.size, dtype=np.int16)
    for i, shape in enumerate(shapes):
        labels[shape.voxels] = i + 1
    return labels.reshape(anatomy.brain.shape)


def write_image(
    path: Path, stored: npt.NDArray[np.int16], affine: Floats, *, slope: float = 1.0
) -> None:
    """Write a NIfTI-1 image of int16; a stored value v means slope * v."""
    make: Any = nib.Nifti1Image  # nibabel gives its images and headers no types
    header = make(stored, affine).header
    header.set_sform(affine, code=SCANNER)
    header.set_qform(affine, code=SCANNER)
    header.set_xyzt_units("mm", "sec")
    header.set_slope_inter(slope, 0.0)
    header["vox_offset"] = OFFSET
    extension = bytes(OFFSET - len(header.binaryblock))
    voxels = stored.astype("<i2").tobytes(order="F")
    content = header.as_byteswapped("<").binaryblock + extension + voxels
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, compresslevel=COMPRESSION, mtime=0))
