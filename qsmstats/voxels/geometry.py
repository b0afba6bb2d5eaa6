"""Where each lesion lies and what shape it has, from its voxels alone.

With A the affine, v the volume of a voxel and n the number of voxels of a lesion:

- volume n v; equivalent diameter (6 n v / pi)^(1/3); centroid A applied to the mean voxel index.
- surface area by Crofton's formula over the 13 lattice directions d_k (Lehmann and Legland,
  Insight Journal 2012, "Efficient N-dimensional surface estimation using Crofton formula and
  run-length encoding"): S = 2 sum_k c_k N_k v / |A d_k|, where N_k counts how often a line along
  d_k enters or leaves the lesion, and c_k is the share of the sphere that is nearest to +-d_k
  (spherical Voronoi cells, summing to 1). On the lattice N_k = 2 (n - pairs of the lesion's voxels
  that are d_k apart). It holds for sheared grids, too, since only A d_k enters.
- sphericity pi^(1/3) (6 V)^(2/3) / S (Wadell, J Geol 1935;43:250-280): 1 for a ball.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.spatial import SphericalVoronoi

from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.voxels.grids import Columns, Grid
from qsmstats.voxels.kernels import Groups, group_sums

__all__ = ["DIRECTIONS", "describe_shapes", "direction_shares", "neighbour_pairs", "place"]

DIRECTIONS: Integers = np.array(
    [(i, j, k) for k in (-1, 0, 1) for j in (-1, 0, 1) for i in (-1, 0, 1)][14:], dtype=np.int64
)
"""Shape (13, 3); one of each pair of opposite neighbours of a voxel, the later in Fortran order."""

# Below this the surface of so few voxels is mostly an artefact of the lattice: for balls the
# sphericity then exceeds 1 by more than a tenth.
MIN_SPHERICITY_VOXELS = 27


def place(groups: Groups, grid: Grid) -> Columns:
    """Return volume_mm3 and centroid_x, centroid_y, centroid_z (world mm) of each group."""
    # Sums of rows and planes give those of coordinates: fewer passes over a million voxels.
    per_row, per_column, _ = grid.shape
    row = groups.index // per_row
    plane = row // per_column
    index, row, plane = (group_sums(x, groups.counts) for x in (groups.index, row, plane))
    sums = np.stack([index - per_row * row, row - per_column * plane, plane], axis=1)
    means = sums / groups.counts[:, None]
    world: Floats = means @ grid.matrix.T + grid.affine[:3, 3]
    volume = np.asarray(groups.counts * grid.voxel_volume, dtype=np.float64)
    columns: Columns = {"volume_mm3": volume}
    return columns | {f"centroid_{name}": world[:, axis] for axis, name in enumerate("xyz")}


def describe_shapes(groups: Groups, grid: Grid) -> Columns:
    """Describe the shape of each group.

    Returns
    -------
    dict
        Column -> shape (n_groups,): bbox_i_min, bbox_i_max, ... (first and last voxel index along
        each axis), equivalent_diameter_mm, surface_mm2, sphericity (NaN below 27 voxels),
        touches_border (a voxel lies on a face of the volume), touches_lesion (one of the 26
        neighbours of a voxel belongs to another group).
    """
    columns: Columns = {}
    coordinates = grid.coordinates(groups.index)
    border = np.zeros(len(groups.labels), dtype=np.bool_)
    if len(groups.labels):
        for axis, name in enumerate("ijk"):
            low = np.minimum.reduceat(coordinates[:, axis], groups.starts)
            high = np.maximum.reduceat(coordinates[:, axis], groups.starts)
            columns |= {f"bbox_{name}_min": low, f"bbox_{name}_max": high}
            border |= (low == 0) | (high == grid.shape[axis] - 1)
    else:
        empty = np.empty(0, dtype=np.int64)
        columns |= {f"bbox_{name}_{end}": empty for name in "ijk" for end in ("min", "max")}
    volume = groups.counts * grid.voxel_volume
    pairs, touching = neighbour_pairs(groups, grid)
    steps = np.linalg.norm(DIRECTIONS @ grid.matrix.T, axis=1)
    crossings = 2 * (groups.counts[:, None] - pairs)
    surface = 2 * crossings @ (direction_shares(grid) / steps) * grid.voxel_volume
    sphericity = np.cbrt(np.pi) * np.cbrt(6 * volume) ** 2 / surface
    return columns | {
        "equivalent_diameter_mm": np.cbrt(6 * volume / np.pi),
        "surface_mm2": surface,
        "sphericity": np.where(groups.counts < MIN_SPHERICITY_VOXELS, np.nan, sphericity),
        "touches_border": border,
        "touches_lesion": touching,
    }


def neighbour_pairs(groups: Groups, grid: Grid) -> tuple[Integers, Flags]:
    """Count the pairs of neighbouring voxels of each group.

    Returns
    -------
    pairs
        Shape (n_groups, 13); pairs of the group's voxels that are one of `DIRECTIONS` apart.
    touching
        Shape (n_groups,); whether a voxel of the group is a neighbour of another group's.
    """
    # One empty voxel between rows and planes: a step off the volume then meets no voxel.
    i, j, _ = grid.shape
    strides = np.array([1, i + 1, (i + 1) * (j + 1)])
    code = grid.coordinates(groups.index) @ strides
    order = np.argsort(code)
    code, number = code[order], groups.number[order]
    pairs = np.zeros((len(groups.labels), len(DIRECTIONS)), dtype=np.int64)
    touching = np.zeros(len(groups.labels), dtype=np.bool_)
    for k, direction in enumerate(DIRECTIONS):
        target = code + direction @ strides
        found = np.minimum(np.searchsorted(code, target), max(len(code) - 1, 0))
        present = code[found] == target
        here, there = number[present], number[found[present]]
        same = here == there
        pairs[:, k] = np.bincount(here[same], minlength=len(groups.labels))
        touching[here[~same]] = True
        touching[there[~same]] = True
    return pairs, touching


def direction_shares(grid: Grid) -> Floats:
    """Return the shares c_k of the sphere, shape (13,), that belong to `DIRECTIONS`."""
    return _shares(tuple(map(tuple, grid.matrix.round(9))))


@cache
def _shares(matrix: tuple[tuple[float, ...], ...]) -> Floats:
    directions = np.concatenate([DIRECTIONS, -DIRECTIONS]) @ np.array(matrix).T
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    areas = SphericalVoronoi(unit).calculate_areas()
    shares: Floats = areas[: len(DIRECTIONS)] * 2 / areas.sum()
    shares.flags.writeable = False
    return shares
