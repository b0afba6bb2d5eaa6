"""Which voxels belong to which region: lesions, their layers and rings, white matter and NAWM.

Everything here follows from the label images and the mask, before any map is read. The voxels to
keep from each map are the union of lesions, rings and white matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.errors import ImageError, UsageError
from qsmstats.settings import FeatureSettings
from qsmstats.voxels.edge_distance import Surroundings, depths, nearest_only, slack, surroundings
from qsmstats.voxels.grids import Grid
from qsmstats.voxels.images import Volume, on_same_grid, require_same_grid
from qsmstats.voxels.kernels import Groups, group_voxels
from qsmstats.voxels.labels import (
    LabelSource,
    TissueSource,
    open_labels,
    open_tissue,
    read_lesions,
    read_tissue,
)
from qsmstats.voxels.stream import LabelVoxels

__all__ = ["N_LAYERS", "Layers", "Regions", "read_regions"]

# Layers of the profile. Lesions deeper than eight layers of 1 mm, 16 mm across, are rare and
# mostly confluent; a fixed number gives all participants one table.
N_LAYERS = 8

_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layers:
    """Each lesion cut into layers, and the ring around it.

    Attributes
    ----------
    shell
        Shape (n_lesion_voxels,), in the order of `Regions.lesion`; whether a voxel lies in the
        outer shell; the others are the core.
    number
        Shape (n_lesion_voxels,); number of each voxel's layer in the profile, from 0; -1 beyond
        the last.
    ring
        Shape (n_ring_voxels,); positions in `Regions.kept`.
    ring_number
        Shape (n_ring_voxels,); number of the lesion that a ring voxel belongs to.
    in_tissue
        Shape (n_lesions,); share of each lesion's voxels that lie in the mask; NaN without one.
    shell_widened, ring_widened
        Whether the grid is too coarse for the width asked for, so that one voxel is used.
    """

    shell: Flags
    number: Integers
    ring: Integers
    ring_number: Integers
    in_tissue: Floats
    shell_widened: bool
    ring_widened: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Regions:
    """The regions of one session; positions point into `kept`.

    Attributes
    ----------
    reference
        The label image, or the mask where there are no labels; its grid is that of all images.
    groups
        The lesions.
    kept
        Shape (n_kept,); flat indices of the voxels to read from each map, ascending.
    lesion
        Shape (n_lesion_voxels,); positions, lesion after lesion.
    white_matter, nawm
        Positions of the mask's voxels, and of those far from every lesion; None without a mask.
        `nawm` is None also where no session shows a lesion, and where no voxel is far enough.
    layers
        None where only the basic table is asked for.
    left_out
        As in `LabelVoxels`.
    flags
        What was unusual about the images.
    """

    reference: Volume
    groups: Groups
    kept: Integers
    lesion: Integers
    white_matter: Integers | None = None
    nawm: Integers | None = None
    layers: Layers | None = None
    left_out: Integers | None = None
    flags: tuple[str, ...] = ()

    @property
    def grid(self) -> Grid:
        """The grid of all images."""
        return self.reference.grid


def read_regions(
    labels: LabelSource | None,
    tissue: TissueSource | None,
    other_labels: Sequence[LabelSource],
    settings: FeatureSettings | None,
) -> Regions:
    """Read label image and mask, and find the regions.

    Parameters
    ----------
    labels, tissue
        Lesions and white matter; one of them may be None.
    other_labels
        Label images of the participant's other sessions, whose lesions NAWM avoids too.
    settings
        Distances; None for lesions alone, without layers, rings and NAWM.

    Raises
    ------
    ImageError
        If an image cannot be read, or the mask lies on another grid or is empty.
    """
    reference, voxels, mask = _read(labels, tissue)
    groups = group_voxels(voxels.label, voxels.index)
    flags = (*reference.flags, *voxels.flags)
    if settings is None:
        return Regions(
            reference=reference,
            groups=groups,
            kept=voxels.index,
            lesion=np.searchsorted(voxels.index, groups.index),
            left_out=voxels.left_out,
            flags=flags,
        )
    others, unaligned = _other_lesions(reference, other_labels)
    grid = reference.grid
    # A ring narrower than the voxels would hold none; it is then one voxel wide, and flagged.
    ring_width = max(settings.ring_mm, float(grid.spacing.min()))
    near = surroundings(groups, grid, max(ring_width, settings.nawm_distance_mm))
    # A ring holds white matter (any voxel without a mask) outside all lesions.
    tissue_voxels = np.ones(grid.size, dtype=np.bool_) if mask is None else mask.copy()
    tissue_voxels[voxels.index] = False
    width = ring_width + slack(grid)
    ring = near.where(np.flatnonzero((near.distance > 0) & (near.distance <= width)))
    ring = nearest_only(ring.where(np.flatnonzero(tissue_voxels[ring.index])), groups)
    if mask is None:
        kept = np.union1d(voxels.index, ring.index)
    else:
        tissue_voxels[voxels.index] = True
        kept = np.flatnonzero(tissue_voxels)
    return Regions(
        reference=reference,
        groups=groups,
        kept=kept,
        lesion=np.searchsorted(kept, groups.index),
        white_matter=None if mask is None else np.flatnonzero(mask[kept]),
        nawm=None if mask is None else _nawm(near, others, mask, kept, grid, settings),
        layers=_layers(groups, ring, kept, mask, grid, settings),
        left_out=voxels.left_out,
        flags=(*flags, *unaligned),
    )


def _read(
    labels: LabelSource | None, tissue: TissueSource | None
) -> tuple[Volume, LabelVoxels, Flags | None]:
    volumes = () if labels is None else open_labels(labels)
    white_matter = None if tissue is None else open_tissue(tissue)
    reference = volumes[0] if volumes else white_matter
    if reference is None:
        message = "neither a label image nor a tissue mask is given; give one to measure in"
        raise UsageError(message)
    voxels = LabelVoxels(index=_NONE, label=_NONE)
    if labels is not None:
        voxels = read_lesions(labels, volumes)
    if tissue is None or white_matter is None:
        return reference, voxels, None
    require_same_grid(reference, white_matter)
    return reference, voxels, read_tissue(tissue, white_matter)[0]


def _other_lesions(
    reference: Volume, sources: Sequence[LabelSource]
) -> tuple[list[Groups], tuple[str, ...]]:
    """Read the lesions of the participant's other sessions, as far as they share the grid.

    A damaged label image excludes its own session, not those beside it.
    """
    others, flags = [], set()
    for source in sources:
        try:
            volumes = open_labels(source, "label image of another session")
            if not on_same_grid(reference, volumes[0]):
                flags.add("other_session_on_another_grid")
                continue
            voxels = read_lesions(source, volumes)
        except ImageError:
            flags.add("other_session_unreadable")
        else:
            others.append(group_voxels(voxels.label, voxels.index))
    return others, tuple(flags)


def _nawm(
    near: Surroundings,
    others: Sequence[Groups],
    mask: Flags,
    kept: Integers,
    grid: Grid,
    settings: FeatureSettings,
) -> Integers | None:
    if not len(near.index) and not any(len(groups.index) for groups in others):
        return None
    far = mask.copy()
    for voxels in (near, *(surroundings(g, grid, settings.nawm_distance_mm) for g in others)):
        far[voxels.index[voxels.distance < settings.nawm_distance_mm - slack(grid)]] = False
    nawm = np.flatnonzero(far[kept])
    return nawm if len(nawm) else None


def _layers(
    groups: Groups,
    ring: Surroundings,
    kept: Integers,
    mask: Flags | None,
    grid: Grid,
    settings: FeatureSettings,
) -> Layers:
    depth = depths(groups, grid)
    number = np.ceil((depth - slack(grid)) / settings.layer_mm).astype(np.int64) - 1
    # As for the ring: the outermost voxels are the thinnest shell that a grid can show.
    thickness = max(settings.shell_mm, grid.spacing.min()) + slack(grid)
    in_tissue = np.full(len(groups.labels), np.nan)
    if mask is not None:
        in_tissue = np.bincount(groups.number, mask[groups.index], len(groups.labels))
        in_tissue = in_tissue / groups.counts
    return Layers(
        shell=depth <= thickness,
        number=np.where(number < N_LAYERS, number, -1),
        ring=np.searchsorted(kept, ring.index),
        ring_number=ring.number,
        in_tissue=in_tissue,
        shell_widened=grid.spacing.min() > settings.shell_mm + slack(grid),
        ring_widened=grid.spacing.min() > settings.ring_mm + slack(grid),
    )
