"""The brain in which every participant is simulated: the MNI152 template that nilearn ships.

T1-weighted contrast and the probabilities of white and grey matter of the symmetric ICBM 2009a
template (Fonov et al., NeuroImage 2011;54:313-327) at 1 mm, smoothed against aliasing, interpolated
linearly to the resolution asked for, and cropped to the brain. Every participant has this anatomy:
the simulator's differences between participants lie in the values and the lesions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import nilearn
import numpy as np
from scipy import ndimage

from qsmstats.arrays import Flags, Floats
from qsmstats.errors import UsageError

__all__ = ["Anatomy", "load_anatomy"]


FILES = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
RESOLUTIONS = (0.8, 4.0)

# Centres (mm, right side; mirrored) and half axes (mm) of iron-rich grey matter, read off the
# template by eye, and what iron adds there (ppb). They make susceptibility maps look like
# susceptibility maps; no analysis reads them.
IRON_NUCLEI = (
    ((19.0, -4.0, -1.0), (5.0, 8.0, 5.0), 110.0),  # pallidum
    ((26.0, 3.0, 2.0), (5.0, 12.0, 8.0), 40.0),  # putamen
    ((13.0, 12.0, 11.0), (4.0, 9.0, 8.0), 35.0),  # caudate
    ((5.0, -20.0, -9.0), (3.0, 3.5, 3.5), 80.0),  # red nucleus
    ((10.0, -17.0, -13.0), (4.0, 5.0, 3.0), 90.0),  # substantia nigra
    ((14.0, -57.0, -34.0), (6.0, 6.0, 4.0), 70.0),  # dentate
)
VENTRICLE = (0.0, -10.0, 15.0)
"""A point in mm around which the cerebrospinal fluid is that of the lateral ventricles."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anatomy:
    """The template on the grid of the study.

    Attributes
    ----------
    affine
        Shape (4, 4); voxel to mm.
    resolution
        Voxel size in mm.
    brain, white_matter
        Masks; the white matter is where its probability is above one half.
    grey, white
        Shares of grey and of white matter in each voxel; 1 of white matter inside the mask.
    texture
        Local deviation of the T1 image, share of its local mean, with mean 0 in white matter.
    iron
        What deep grey nuclei add to susceptibility, ppb.
    depth
        Distance in mm to the nearest voxel outside white matter.
    preference
        Weight of a voxel as the site of a lesion: 0 outside white matter, highest at ventricles.
    """

    affine: Floats
    resolution: float
    brain: Flags
    white_matter: Flags
    grey: Floats
    white: Floats
    texture: Floats
    iron: Floats
    depth: Floats
    preference: Floats


@cache
def load_anatomy(resolution: float = 2.0) -> Anatomy:
    """Load the template at a voxel size in mm; cached.

    Raises
    ------
    UsageError
        If the voxel size lies outside 0.8 to 4 mm: the template has no more detail, and lesions
        no more voxels.
    """
    low, high = RESOLUTIONS
    if not low <= resolution <= high:
        message = (
            f"resolution {resolution:g} mm lies outside {low:g} to {high:g} mm; choose a value "
            "within this range"
        )
        raise UsageError(message)
    (t1, white, grey), affine = _template(resolution)
    brain = ndimage.binary_fill_holes(t1 > 0.2 * t1.max())
    white_matter = (white > 0.5) & brain
    depth = np.asarray(ndimage.distance_transform_edt(white_matter, sampling=resolution))
    fluid = np.clip(1.0 - white - grey, 0.0, 1.0)
    points = _points(brain.shape, affine)
    iron = np.zeros(brain.shape)
    for centre, half, ppb in IRON_NUCLEI:
        terms = zip((np.abs(points[0]), *points[1:]), centre, half, strict=True)
        radius = np.sqrt(sum(((axis - c) / h) ** 2 for axis, c, h in terms))
        iron += ppb / (1.0 + np.exp((radius - 1.0) / 0.15))
    return Anatomy(
        affine=affine,
        resolution=resolution,
        brain=brain,
        white_matter=white_matter,
        grey=np.where(white_matter, 0.0, grey * brain),
        white=np.where(white_matter, 1.0, white * brain),
        texture=_texture(t1, white_matter, resolution),
        iron=iron * ~white_matter * brain,
        depth=depth,
        preference=_preference(points, white_matter, brain & (fluid > 0.5), resolution),
    )


def _template(resolution: float) -> tuple[list[Floats], Floats]:
    """Read T1, white and grey matter, resample them and crop them to the brain."""
    folder = Path(nilearn.__file__).parent / "datasets" / "data"
    images: list[Any] = [nib.load(folder / FILES.format(name)) for name in ("t1", "wm", "gm")]
    source = np.asarray(images[0].affine, dtype=np.float64)
    volumes = [np.asarray(image.dataobj, dtype=np.float64) for image in images]
    step = resolution / np.diag(source)[:3]
    shape = np.ceil(np.array(volumes[0].shape) / step).astype(int)
    # Smoothing to the new voxel's width (FWHM) keeps detail it cannot hold from folding back.
    sigma = np.sqrt(np.clip(step**2 - 1.0, 0.0, None)) / 2.355
    resampled = [
        ndimage.affine_transform(
            ndimage.gaussian_filter(volume, sigma), step, output_shape=tuple(shape), order=1
        )
        for volume in volumes
    ]
    inside = resampled[0] > 0.2 * resampled[0].max()
    found = ndimage.find_objects(inside.astype(np.int8))[0]
    box = [slice(max(s.start - 1, 0), s.stop + 1) for s in found]
    affine = source.copy()
    affine[:3, :3] *= step
    affine[:3, 3] += affine[:3, :3] @ np.array([s.start for s in box])
    t1, white, grey = (volume[tuple(box)] for volume in resampled)
    return [t1, white / 255.0, grey / 255.0], affine


def _points(shape: tuple[int, ...], affine: Floats) -> list[Floats]:
    """Return x, y and z in mm, each of a shape that broadcasts to the volume."""
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    return [affine[i, i] * axis + affine[i, 3] for i, axis in enumerate(axes)]


def _texture(t1: Floats, white_matter: Flags, resolution: float) -> Floats:
    inside = white_matter.astype(np.float64)
    sigma = 12.0 / resolution
    mean = ndimage.gaussian_filter(t1 * inside, sigma) / np.clip(
        ndimage.gaussian_filter(inside, sigma), 1e-3, None
    )
    texture = np.where(white_matter, t1 / np.clip(mean, 1e-3, None) - 1.0, 0.0)
    texture[white_matter] -= texture[white_matter].mean()
    return texture


def _preference(
    points: list[Floats], white_matter: Flags, fluid: Flags, resolution: float
) -> Floats:
    """Return weights of lesion sites: periventricular first, few below the tentorium."""
    x, y, z = (axis - c for axis, c in zip(points, VENTRICLE, strict=True))
    near = (np.abs(x) < 30) & (np.abs(y) < 55) & (np.abs(z) < 22)
    ventricles = fluid & near
    distance = ndimage.distance_transform_edt(~ventricles, sampling=resolution)
    weights = 0.15 + np.exp(-distance / 10.0)
    weights = weights * np.where(points[2] < -30.0, 0.3, 1.0)
    return np.where(white_matter, weights, 0.0)
