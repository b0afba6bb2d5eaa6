"""Distances from the edge of each lesion: its layers, its ring, and what is far from all lesions.

Inside a lesion, the depth of a voxel is the distance in mm from its centre to the nearest voxel
centre outside the lesion's own label; a touching lesion is outside. Outside, the distance is to
the nearest voxel centre of the lesion. An outermost voxel thus has the depth of one voxel spacing,
and a shell of 2 mm on a 1 mm grid is two voxels thick.

Distances are computed in the bounding box of each lesion, padded by what is asked for, so that
the cost grows with the lesions and not with the image. Where the axes are orthogonal this is the
exact Euclidean distance transform (Maurer, Qi and Raghavan, IEEE Trans Pattern Anal Mach Intell
2003;25:265-270; scipy.ndimage). A sheared grid has no such transform: there a k-d tree of world
coordinates finds the nearest centre.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.voxels.grids import Grid
from qsmstats.voxels.kernels import Groups

__all__ = ["Surroundings", "depths", "nearest_only", "slack", "surroundings"]

# Part of a voxel by which a distance may exceed a limit and still count: columns of float32
# affines have norms such as 0.7500001.
_SLACK = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surroundings:
    """Voxels at most some distance from a lesion, for all lesions; a voxel may occur repeatedly.

    Attributes
    ----------
    index
        Shape (n,); flat indices in Fortran order, within the volume.
    number
        Shape (n,); number of the lesion's group.
    distance
        Shape (n,); mm; 0 on the lesion itself.
    """

    index: Integers
    number: Integers
    distance: Floats

    def where(self, kept: Flags | Integers) -> Surroundings:
        """Return those that `kept` selects."""
        return Surroundings(
            index=self.index[kept], number=self.number[kept], distance=self.distance[kept]
        )


def depths(groups: Groups, grid: Grid) -> Floats:
    """Return the depth in mm of each voxel of each group, shape (n_voxels,)."""
    result = np.empty(len(groups.index))
    planes = float(grid.plane_spacing.min()) if grid.sheared else np.inf
    for _, part, coordinates in _each(groups, grid):
        pad = 1
        while True:
            mask, low = _box(coordinates, np.full(3, pad))
            depth = _distance(mask, grid)
            # In a box of orthogonal axes one voxel of padding holds the nearest centre. On a
            # sheared grid it may lie further off, but no further than the depth found so far.
            needed = int(np.ceil(depth.max() / planes))
            if pad >= needed:
                break
            pad = needed
        result[part] = depth[tuple((coordinates - low).T)]
    return result


def surroundings(groups: Groups, grid: Grid, reach: float) -> Surroundings:
    """Find the voxels at most `reach` mm from each group, the group's own among them."""
    pad = np.ceil(reach / grid.plane_spacing + _SLACK).astype(np.int64)
    limit = reach + slack(grid)
    index, number, distance = [], [], []
    for i, _, coordinates in _each(groups, grid):
        mask, low = _box(coordinates, pad)
        first, last = np.maximum(low, 0), np.minimum(low + mask.shape, grid.shape)
        inside = tuple(map(slice, first - low, last - low))
        away = _distance(~mask, grid)[inside].ravel()
        near = np.flatnonzero(away <= limit)
        index.append(grid.box_index(first, last).ravel()[near])
        distance.append(away[near])
        number.append(np.full(len(near), i))
    return Surroundings(
        index=np.concatenate([np.empty(0, dtype=np.int64), *index]),
        number=np.concatenate([np.empty(0, dtype=np.int64), *number]),
        distance=np.concatenate([np.empty(0), *distance]),
    )


def nearest_only(voxels: Surroundings, groups: Groups) -> Surroundings:
    """Leave each voxel to the nearest lesion.

    Of those that are equally near it goes to the one whose first voxel comes first in the volume:
    how lesions are numbered must not matter.
    """
    ordered = voxels.where(np.argsort(voxels.index))
    again = ordered.index[1:] == ordered.index[:-1]
    several = np.zeros(len(ordered.index), dtype=np.bool_)
    several[1:] |= again
    several[:-1] |= again
    # Most voxels are near one lesion only; sorting the others alone is quicker.
    claimed = ordered.where(several)
    first_voxel = groups.index[groups.starts]
    order = np.lexsort((first_voxel[claimed.number], claimed.distance, claimed.index))
    nearest = np.diff(claimed.index[order], prepend=-1) > 0
    kept = np.concatenate([np.flatnonzero(~several), np.flatnonzero(several)[order[nearest]]])
    return ordered.where(kept)


def slack(grid: Grid) -> float:
    """Return the distance in mm by which a limit may be exceeded through rounding."""
    return float(_SLACK * grid.spacing.min())


def _each(groups: Groups, grid: Grid) -> Iterator[tuple[int, slice, Integers]]:
    coordinates = grid.coordinates(groups.index)
    for i, (start, count) in enumerate(zip(groups.starts, groups.counts, strict=True)):
        part = slice(int(start), int(start + count))
        yield i, part, coordinates[part]


def _box(coordinates: Integers, pad: Integers) -> tuple[Flags, Integers]:
    """Draw a lesion into its padded bounding box; returns the box and its first voxel's place."""
    low = coordinates.min(axis=0) - pad
    box = np.zeros(coordinates.max(axis=0) + pad + 1 - low, dtype=np.bool_)
    box[tuple((coordinates - low).T)] = True
    return box, low


def _distance(mask: Flags, grid: Grid) -> Floats:
    """Return the distance in mm from each True voxel of a box to the nearest False one."""
    distance = np.zeros(mask.shape)
    if grid.sheared:
        tree = cKDTree(np.argwhere(~mask) @ grid.matrix.T)
        distance[mask] = tree.query(np.argwhere(mask) @ grid.matrix.T)[0]
        return distance
    # scipy's own distances are these; without its temporary arrays, in half the time.
    spacing = grid.spacing
    nearest = distance_transform_edt(
        mask, sampling=spacing, return_distances=False, return_indices=True
    )
    for axis, step in enumerate(spacing):
        places = np.arange(mask.shape[axis], dtype=np.int32)
        places = places.reshape([-1 if i == axis else 1 for i in range(3)])
        squared = ((nearest[axis] - places) * step) ** 2
        distance += squared
    return np.sqrt(distance, out=distance)
