"""Lesions: how many, of which type and size, where, and in which shape at each session.

Numbers follow `LesionParameters`. A lesion grows from a site in white matter: the voxels of its
box are ranked by their distance from the site in a random ellipsoid's metric with smooth noise, and
the first n that hang together are the lesion. White matter therefore bounds it as it does in
patients. A second session takes more or fewer of the same ranking. Reserved voxels are dilated by
one voxel in all 26 directions, so that no two lesions of a participant ever touch, at one session
or across two. Large lesions are placed first; one that finds no room is left out, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from qsmstats.simulate.anatomy import Anatomy, BoolArray, FloatArray, IntArray
from qsmstats.simulate.parameters import RIM_TYPES, LesionParameters

__all__ = ["Lesion", "Shape", "draw_lesions", "shell_depth"]

SITES = 40
"""Sites that are tried for one lesion before it is left out."""

SHELL_MM = 2.0
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

    voxels: IntArray
    depth: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesion:
    """One lesion of a participant.

    Attributes
    ----------
    lesion_id
        The same at every session.
    lesion_type
        Consensus type, the same at every session.
    shapes
        One entry per session; None where the lesion is not there.
    """

    lesion_id: str
    lesion_type: str
    shapes: tuple[Shape | None, ...]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    lesion_type: str
    volumes: tuple[float | None, ...]

    @property
    def largest(self) -> float:
        return max(volume for volume in self.volumes if volume is not None)


def shell_depth(resolution: float) -> float:
    """Return the depth in mm of the outer shell: 2 mm, or one voxel where that is more."""
    return max(SHELL_MM, resolution)


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
        How many found no room.
    """
    plans = _plans(rng, parameters, years)
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
                lesion_type=plan.lesion_type,
                shapes=shapes,
            )
        )
    return lesions, len(plans) - len(lesions)


def _plans(
    rng: np.random.Generator, parameters: LesionParameters, years: tuple[float, ...]
) -> list[_Plan]:
    """Draw type, volume per session and presence of every lesion of a patient."""
    types = list(parameters.shares)
    shares = rng.dirichlet([parameters.concentration * s for s in parameters.shares.values()])
    old = _count(rng, parameters)
    new = int(rng.poisson(parameters.new)) if len(years) > 1 else 0
    plans = []
    for i in range(old + new):
        lesion_type = types[rng.choice(len(types), p=shares)]
        volume = np.pi / 6.0 * _diameter(rng, parameters, lesion_type) ** 3
        change = rng.normal(scale=parameters.log_volume_change_sd)
        # The first lesion stays, so that no session of a patient is without any.
        gone = rng.random() < parameters.vanished and i > 0
        volumes: list[float | None] = [volume if i < old else None]
        if len(years) > 1:
            change += parameters.log_volume_change[lesion_type] * years[1]
            later = volume * np.exp(change) if i < old else volume
            volumes.append(None if gone and i < old else later)
        plans.append(_Plan(lesion_type=lesion_type, volumes=tuple(volumes)))
    return plans


def _count(rng: np.random.Generator, parameters: LesionParameters) -> int:
    size = parameters.count_size
    probability = size / (size + parameters.count_mean)
    while True:
        count = int(rng.negative_binomial(size, probability))
        if 1 <= count <= parameters.count_max:
            return count


def _diameter(rng: np.random.Generator, parameters: LesionParameters, lesion_type: str) -> float:
    low, high = parameters.diameter_limits
    if lesion_type in RIM_TYPES:
        low = parameters.rim_diameter_minimum
    sd = parameters.diameter_log_sd
    mean = np.log(parameters.diameter[lesion_type]) - sd**2 / 2.0
    while True:
        diameter = float(np.exp(rng.normal(mean, sd)))
        if low <= diameter <= high:
            return diameter


class _Ground:
    """White matter of one participant that no lesion has taken yet."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy
        self.free = anatomy.white_matter.copy()
        self.sites = np.flatnonzero(anatomy.preference)
        self.weights = anatomy.preference.ravel()[self.sites]
        self.depth = anatomy.depth.ravel()[self.sites]

    def place(self, rng: np.random.Generator, plan: _Plan) -> tuple[Shape | None, ...] | None:
        """Find room for a lesion and take it; None where there is none."""
        resolution = self.anatomy.resolution
        rim = plan.lesion_type in RIM_TYPES
        least = RIM_VOXELS if rim else LESION_VOXELS
        counts = [
            None if volume is None else max(round(volume / resolution**3), least)
            for volume in plan.volumes
        ]
        allowed = self.free.ravel()[self.sites] & (~rim | (self.depth > shell_depth(resolution)))
        total = np.cumsum(np.where(allowed, self.weights, 0.0))
        for _ in range(SITES if total[-1] > 0.0 else 0):
            place = np.searchsorted(total, rng.random() * total[-1], side="right")
            shapes = self._grow(rng, int(self.sites[place]), counts)
            if shapes is not None and not (rim and self._coreless(shapes)):
                self._take(shapes)
                return shapes
        return None

    def _coreless(self, shapes: tuple[Shape | None, ...]) -> bool:
        shell = shell_depth(self.anatomy.resolution)
        return any(shape is not None and shape.depth.max() <= shell for shape in shapes)

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
        shapes: list[Shape | None] = []
        for count in counts:
            if count is None:
                shapes.append(None)
                continue
            mask = np.zeros(room.shape, dtype=np.bool_)
            mask.ravel()[ranked[:count]] = True
            mask = _connected(mask, centre - low)
            if mask.sum() < count * CONNECTED:
                return None
            shapes.append(self._shape(mask, low))
        return tuple(shapes)

    def _shape(self, mask: BoolArray, low: IntArray) -> Shape:
        # Padded, because a lesion that fills its box to a side ends there, too.
        distance = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=self.anatomy.resolution)
        coordinates = np.argwhere(mask)
        depth = distance[tuple((coordinates + 1).T)]
        voxels = np.ravel_multi_index(tuple((coordinates + low).T), self.free.shape)
        return Shape(voxels=voxels, depth=depth)

    def _take(self, shapes: tuple[Shape | None, ...]) -> None:
        edge = np.array(self.free.shape) - 1
        for shape in shapes:
            if shape is not None:
                own = np.stack(np.unravel_index(shape.voxels, self.free.shape), axis=1)
                around = np.clip(own[:, None, :] + NEIGHBOURS, 0, edge).reshape(-1, 3)
                self.free[tuple(around.T)] = False


def _connected(mask: BoolArray, inside: IntArray) -> BoolArray:
    """Return the face-connected part of a mask that holds the voxel `inside`."""
    labels, _ = ndimage.label(mask)
    return np.asarray(labels == labels[tuple(inside)]) & mask


def _metric(rng: np.random.Generator, shape: tuple[int, ...], centre: IntArray) -> FloatArray:
    """Return distances from `centre` in a random ellipsoid's metric, with smooth noise."""
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    stretch = np.exp(rng.normal(scale=0.2, size=3))
    offsets = np.moveaxis(np.indices(shape), 0, -1) - centre
    distance = np.linalg.norm((offsets @ axes) * stretch, axis=-1)
    noise = ndimage.gaussian_filter(rng.normal(size=shape), 1.5)
    return np.asarray(distance * np.exp(0.15 * noise / noise.std()))
