"""Images in a common space: one map with a region that changes in patients, one without any effect.

In voxel v of session t of participant i, in the unit of the map and at t_i years,

  y = level + between_sd f_i(v) + within_sd g_it(v) + change t_i B(v)   (the last in patients only)

where f and g are Gaussian random fields of variance 1 and B is a Gaussian blob of height 1. The
fields are white noise smoothed by a Gaussian (`FWHM_MM`); their smoothness stands for that of
registered and smoothed images. The grid is that of the template at 4 mm, the mask its white matter.
The map of neurite density has no change anywhere: what is found in it is false.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from qsmstats.arrays import Floats
from qsmstats.simulate.anatomy import load_anatomy
from qsmstats.simulate.images import write_image

__all__ = [
    "COMMON_MAPS",
    "MASK",
    "CommonMap",
    "blob",
    "common_space_truth",
    "write_common_mask",
    "write_session",
]

RESOLUTION = 4.0
FWHM_MM = 12.0
CENTRE_MM, SD_MM = (-26.0, -30.0, 26.0), 10.0
"""Middle and width of the region that changes: left white matter beside the ventricle."""
UNMEASURED = 0.01
"""Share of the voxels of a map with a stored value for it that are not measured."""
SPACE = "space-MNI152NLin2009aSym"
MASK = f"{SPACE}_label-WM_mask.nii.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonMap:
    """A map in the common space: its file, and what is planted.

    Attributes
    ----------
    pattern, unit, missing
        As in study.toml.
    level, between_sd, within_sd, change
        See the module.
    step
        Difference between stored values.
    """

    pattern: str
    unit: str
    missing: int | None = None
    level: float
    between_sd: float
    within_sd: float
    change: float = 0.0
    step: float


_STEM = f"{{participant}}/{{session}}/{{kind}}/{{participant}}_{{session}}_{SPACE}"
COMMON_MAPS = {
    "mwf_percent": CommonMap(
        pattern=f"{_STEM.replace('{kind}', 'anat')}_MWFmap.nii.gz",
        unit="percent",
        missing=0,
        level=9.4,
        between_sd=1.2,
        within_sd=0.6,
        change=-0.7,
        step=0.01,
    ),
    "ndi": CommonMap(
        pattern=f"{_STEM.replace('{kind}', 'dwi')}_model-NODDI_param-NDI_dwimap.nii.gz",
        unit="fraction",
        level=0.5,
        between_sd=0.05,
        within_sd=0.025,
        step=1e-4,
    ),
}


def write_common_mask(folder: Path) -> None:
    """Write the mask of the white matter in the common space."""
    anatomy = load_anatomy(RESOLUTION)
    write_image(folder / MASK, anatomy.white_matter.astype(np.int16), anatomy.affine)


def write_session(
    folder: Path,
    rng: np.random.Generator,
    visits: Sequence[tuple[str, float]],
    *,
    participant: str,
    patient: bool,
) -> None:
    """Write the images of a participant in the common space.

    Parameters
    ----------
    folder
        Study folder.
    rng
        Random numbers for these images alone.
    visits
        Session and years.
    participant, patient
        Identifier, and whether the participant is a patient, in whom the region changes.
    """
    anatomy = load_anatomy(RESOLUTION)
    for spec in COMMON_MAPS.values():
        own = spec.level + spec.between_sd * _field(rng)
        for session, years in visits:
            values = own + spec.within_sd * _field(rng)
            if patient:
                values += spec.change * years * blob()
            stored = np.maximum(np.rint(values / spec.step), 1.0)
            if spec.missing is not None:
                stored[rng.random(stored.shape) < UNMEASURED] = spec.missing
            stored[~anatomy.white_matter] = 0.0
            name = spec.pattern.format(participant=participant, session=session)
            write_image(folder / name, stored.astype(np.int16), anatomy.affine, slope=spec.step)


def common_space_truth() -> dict[str, Any]:
    """Return what is planted, for the file of the truth."""
    return {
        name: {
            "change_per_year": spec.change,
            "centre_mm": list(CENTRE_MM) if spec.change else None,
            "sd_mm": SD_MM if spec.change else None,
        }
        for name, spec in COMMON_MAPS.items()
    }


@cache
def blob() -> Floats:
    """Return the region that changes, 1 in its middle; shape of the volume."""
    anatomy = load_anatomy(RESOLUTION)
    grid = np.indices(anatomy.brain.shape).reshape(3, -1)
    world = (anatomy.affine[:3, :3] @ grid).T + anatomy.affine[:3, 3]
    distance = np.square(world - np.array(CENTRE_MM)).sum(axis=1)
    made: Floats = np.exp(-distance / (2.0 * SD_MM**2)).reshape(anatomy.brain.shape)
    return made


def _field(rng: np.random.Generator) -> Floats:
    """Return a smooth Gaussian random field of variance 1; shape of the volume."""
    sigma = FWHM_MM / 2.355 / RESOLUTION
    shape = load_anatomy(RESOLUTION).brain.shape
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    made: Floats = smooth / _spread(shape, sigma)
    return made


@cache
def _spread(shape: tuple[int, ...], sigma: float) -> float:
    """Return the standard deviation of smoothed white noise: the root of the kernel's squares."""
    impulse = np.zeros(shape)
    impulse[0, 0, 0] = 1.0
    return float(np.sqrt(np.square(ndimage.gaussian_filter(impulse, sigma, mode="wrap")).sum()))
