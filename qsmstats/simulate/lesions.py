"""Lesions in the voxels: where they lie, and their shape at each session.

A lesion grows from a site in white matter: the voxels of its box are ranked by their distance from
the site in a random ellipsoid's metric with smooth noise, and the first n that are connected are
the lesion. White matter therefore bounds it as it does in patients. A second session takes more or
fewer voxels of the same ranking. Reserved voxels are dilated by one voxel in all 26 directions, so
that no two lesions of a participant ever touch, at one session or across two. Large lesions are
placed first; one for which there is no room is left out and counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.settings import FeatureSettings
from qsmstats.simulate.anatomy import Anatomy
from qsmstats.simulate.parameters import RIM_TYPES, LesionParameters
from qsmstats.simulate.plans import Plan, draw_plans

__all__ = ["Lesion", "Shape", "draw_lesions", "shell_depth"]

SITES = 40
"""Sites that are tried for one lesion before it is left out."""

LESION_VOXELS = 3
RIM_VOXELS = 12
"""Fewest voxels of a lesion; a rim that closes around a core takes more."""
CONNECTED = 0.85
"""Least share of a lesion's intended size that may be left of it where white matter is narrow."""
NEIGHBOURS = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), axis=-1).reshape(-1, 3)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """The voxels of a lesion at one session.

    Attributes
    ----------
    voxels
        Shape (n,); flat indices (C order) into the volume.
    depth
        Shape (n,); distance in mm to the nearest voxel centre outside the lesion.
    """

    voxels: Integers
    depth: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesion:
    """One lesion of a participant.

    Attributes
    ----------
    lesion_id
        The same at every session.
    types
        Consensus type at each session.
    shapes
        One entry per session; None where the lesion is not there.
    """

    lesion_id: str
    types: tuple[str, ...]
    shapes: tuple[Shape | None, ...]

    @property
    def lesion_type(self) -> str:
        """Type at the first session, by which the values of the maps are drawn."""
        return self.types[0]

    def at(self, session: int) -> Shape:
        """Return the shape at a session; ValueError where the lesion is not there."""
        shape = self.shapes[session]
        if shape is None:
            message = f"{self.lesion_id} is not there at session {session}"
            raise ValueError(message)
        return shape

    @property
    def first(self) -> Shape:
        """Shape at the first session that shows the lesion."""
        return next(shape for shape in self.shapes if shape is not None)


def shell_depth(resolution: float) -> float:
    """Return the depth in mm of the outer shell: the default, or one voxel where that is more."""
    return max(FeatureSettings().shell_mm, resolution)


def draw_lesions(
    rng: np.random.Generator,
    anatomy: Anatomy,
    parameters: LesionParameters,
    years: tuple[float, ...],
) -> tuple[list[Lesion], int]:
    """Draw the lesions of one patient.

    Parameters
    ----------
    rng
        Random numbers of this patient.
    anatomy, parameters
        Where lesions can lie, and their truth.
    years
        Time of each session; one or two of them.

    Returns
    -------
    lesions
        At least one is there at every session.
    left_out
        Number of lesions for which there was no room.
    """
    plans = draw_plans(rng, parameters, years)
    order = sorted(range(len(plans)), key=lambda i: -plans[i].largest)
    ground = _Ground(anatomy)
    placed = {i: ground.place(rng, plans[i]) for i in order}
    lesions: list[Lesion] = []
    for i, plan in enumerate(plans):
        shapes = placed[i]
        if shapes is None:
            continue
        lesions.append(
            Lesion(
                lesion_id=f"lesion-{len(lesions) + 1:03d}",
                types=(plan.lesion_type,) * len(years),
                shapes=shapes,
            )
        )
    return lesions, len(plans) - len(lesions)


class _Ground:
    """White matter of one participant that no lesion has taken yet."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy
        self.free = anatomy.white_matter.copy()
        self.sites = np.flatnonzero(anatomy.preference)
        self.weights = anatomy.preference.ravel()[self.sites]
        self.depth = anatomy.depth.ravel()[self.sites]

    def place(self, rng: np.random.Generator, plan: Plan) -> tuple[Shape | None, ...] | None:
        """Find room for a lesion and take it; None where there is none."""
        resolution, shell = self.anatomy.resolution, shell_depth(self.anatomy.resolution)
        rim = plan.lesion_type in RIM_TYPES
        least = RIM_VOXELS if rim else LESION_VOXELS
        counts = [
            None if volume is None else max(round(volume / resolution**3), least)
            for volume in plan.volumes
        ]
        allowed = self.free.ravel()[self.sites] & (~rim | (self.depth > shell))
        total = np.cumsum(np.where(allowed, self.weights, 0.0))
        for _ in range(SITES if total[-1] > 0.0 else 0):
            place = np.searchsorted(total, rng.random() * total[-1], side="right")
            shapes = self._grow(rng, int(self.sites[place]), counts)
            # A rim needs a core at every session.
            if shapes is None or (
                rim and any(shape and shape.depth.max() <= shell for shape in shapes)
            ):
                continue
            edge = np.array(self.free.shape) - 1
            for shape in filter(None, shapes):
                own = np.stack(np.unravel_index(shape.voxels, self.free.shape), axis=1)
                around = np.clip(own[:, None, :] + NEIGHBOURS, 0, edge).reshape(-1, 3)
                self.free[tuple(around.T)] = False
            return shapes
        return None

    def _grow(
        self, rng: np.random.Generator, site: int, counts: list[int | None]
    ) -> tuple[Shape | None, ...] | None:
        """Grow one ranking of voxels around a site and cut it to the size at each session."""
        centre = np.array(np.unravel_index(site, self.free.shape))
        largest = max(n for n in counts if n is not None)
        half = int(np.ceil(1.6 * np.cbrt(0.75 * largest / np.pi))) + 2
        low = np.maximum(centre - half, 0)
        box = tuple(slice(a, c + half + 1) for a, c in zip(low, centre, strict=True))
        room = _connected(self.free[box], centre - low)
        ranked = np.flatnonzero(room)
        if len(ranked) < largest:
            return None
        score = _metric(rng, room.shape, centre - low)
        ranked = ranked[np.argsort(score.ravel()[ranked], kind="stable")]
        shapes = [self._cut(ranked, count, room.shape, low, centre - low) for count in counts]
        lost = any((n is None) != (shape is None) for n, shape in zip(counts, shapes, strict=True))
        return None if lost else tuple(shapes)

    def _cut(
        self,
        ranked: Integers,
        count: int | None,
        size: tuple[int, ...],
        low: Integers,
        centre: Integers,
    ) -> Shape | None:
        """Take the first `count` voxels as far as they are connected; None where few are."""
        if count is None:
            return None
        mask = np.zeros(size, dtype=np.bool_)
        mask.ravel()[ranked[:count]] = True
        mask = _connected(mask, centre)
        if mask.sum() < count * CONNECTED:
            return None
        # Padded, because a lesion that fills its box to a side ends there, too.
        distance = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=self.anatomy.resolution)
        coordinates = np.argwhere(mask)
        depth = distance[tuple((coordinates + 1).T)]
        voxels = np.ravel_multi_index(tuple((coordinates + low).T), self.free.shape)
        return Shape(voxels=voxels, depth=depth)


def _connected(mask: Flags, inside: Integers) -> Flags:
    """Return the face-connected part of a mask that holds the voxel `inside`."""
    labels, _ = ndimage.label(mask)
    return np.asarray(labels == labels[tuple(inside)]) & mask


def _metric(rng: np.random.Generator, shape: tuple[int, ...], centre: Integers) -> Floats:
    """Return distances from `centre` in a random ellipsoid's metric, with smooth noise."""
    # A rotation from a unit quaternion, uniform over all rotations; in plain arithmetic, because
    # the last digits of a matrix factorisation differ between machines.
    w, p, q, r = rng.normal(size=4).tolist()
    n = w * w + p * p + q * q + r * r
    axes = (
        (1 - 2 * (q * q + r * r) / n, 2 * (p * q - w * r) / n, 2 * (p * r + w * q) / n),
        (2 * (p * q + w * r) / n, 1 - 2 * (p * p + r * r) / n, 2 * (q * r - w * p) / n),
        (2 * (p * r - w * q) / n, 2 * (q * r + w * p) / n, 1 - 2 * (p * p + q * q) / n),
    )
    stretch = np.exp(rng.normal(scale=0.2, size=3))
    x, y, z = (axis - c for axis, c in zip(np.indices(shape), centre, strict=True))
    squares = [(stretch[i] * (a * x + b * y + c * z)) ** 2 for i, (a, b, c) in enumerate(axes)]
    distance = np.sqrt(squares[0] + squares[1] + squares[2])
    noise = ndimage.gaussian_filter(rng.normal(size=shape), 1.5)
    return np.asarray(distance * np.exp(0.15 * noise / noise.std()))
