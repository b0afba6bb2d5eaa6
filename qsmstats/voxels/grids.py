"""The voxel grid of an image: where each voxel lies in world space, in mm.

A grid is the shape of the volume and the affine ``x = M i + t`` from voxel indices to mm. What is
measured on it follows from ``M`` alone: the volume of a voxel is ``|det M|``, the spacing along an
axis is the norm of a column, and the distance between neighbouring planes of an axis is one over
the norm of a row of the inverse; the two differ on a sheared grid, where the axes are not
orthogonal. Voxels are counted in Fortran order (first index fastest), the order of NIfTI files.

Two affines A and B place voxel i apart by ``inv(M_A) (A - B) (i, 1)``, one component per axis of A,
in voxels. It is linear in i, so that its largest component over a volume is that of one of the
eight corners. Grids agree where it is at most 0.01 voxel.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from qsmstats.arrays import Flags, Floats, Integers

__all__ = [
    "GRID_TOLERANCE",
    "Columns",
    "Grid",
]


Columns: TypeAlias = dict[str, Floats | Integers | Flags]
"""Column of a table -> its values, one per row."""

# Voxels by which two grids may differ. The quaternions of scanners are of single precision and move
# the corners of a volume by up to 0.006 voxel; a shift of 0.01 changes an interpolated value by a
# hundredth of the difference between neighbours.
GRID_TOLERANCE = 0.01

# Cosine between two axes above which distances along them no longer add by Pythagoras; float32
# affines of rotated images reach 1e-6, real shears (gantry tilt, affine registration) 1e-2.
_SHEAR = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """Shape and affine of a volume.

    Attributes
    ----------
    shape
        Number of voxels along the three axes.
    affine
        Shape (4, 4); voxel index to world coordinate in mm.
    """

    shape: tuple[int, int, int]
    affine: Floats

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)  # as Python's integers: damaged dimensions overflow 64 bits

    @property
    def matrix(self) -> Floats:
        """The 3 x 3 part of the affine: one column per axis, in mm per voxel."""
        return self.affine[:3, :3]

    @property
    def spacing(self) -> Floats:
        """Distance in mm between neighbouring voxels along each axis."""
        return np.asarray(np.linalg.norm(self.matrix, axis=0), dtype=np.float64)

    @property
    def plane_spacing(self) -> Floats:
        """Distance in mm between neighbouring voxel planes of each axis."""
        return np.asarray(1 / np.linalg.norm(np.linalg.inv(self.matrix), axis=1), dtype=np.float64)

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel in mm³."""
        return float(abs(np.linalg.det(self.matrix)))

    @property
    def sheared(self) -> bool:
        """Whether two axes are not orthogonal."""
        unit = self.matrix / self.spacing
        cosines = unit.T @ unit - np.eye(3)
        return bool(np.abs(cosines).max() > _SHEAR)

    def axes(self, index: Integers) -> tuple[Integers, Integers, Integers]:
        """Return the voxel coordinates of flat indices in Fortran order, axis by axis."""
        rows, planes = self.shape[0], self.shape[0] * self.shape[1]
        k = index // planes
        rest = index - k * planes
        j = rest // rows
        return rest - j * rows, j, k

    def coordinates(self, index: Integers) -> Integers:
        """Return the voxel coordinates, shape (n, 3), of flat indices in Fortran order."""
        return np.stack(self.axes(index), axis=1)

    def box_index(self, first: Integers, last: Integers) -> Integers:
        """Return the flat indices in Fortran order of a box of voxels, in the box's shape.

        Parameters
        ----------
        first, last
            Shape (3,); coordinates of its first voxel, and one beyond its last.
        """
        i, j, k = np.ix_(*map(np.arange, first, last))
        return np.asarray(i + self.shape[0] * (j + self.shape[1] * k), dtype=np.int64)

    def corner_displacement(self, affine: Floats) -> float:
        """Return how far apart this and another affine place a corner, in voxels along an axis."""
        corners = np.array(list(itertools.product(*((0, n - 1) for n in self.shape))))
        homogeneous = np.column_stack([corners, np.ones(len(corners))])
        moved = homogeneous @ (self.affine - affine)[:3].T
        return float(np.abs(np.linalg.solve(self.matrix, moved.T)).max())

    def placed_by(self, affine: Floats) -> bool:
        """Return whether another affine places every voxel where this one does."""
        return self.corner_displacement(affine) <= GRID_TOLERANCE
