"""Lesions of two visits on one grid: which is which, and what became of each.

Two lesions are tied if the voxels they share are at least `min_overlap` of the smaller one (the
overlap coefficient of Szymkiewicz and Simpson), so that growth and shrinkage do not separate them,
and a few common voxels, as a small misregistration leaves between neighbours, make no tie.
A lesion tied to exactly one, which is tied to it alone, is the same; without a tie it is gone or
new.

Where several are tied to several, ties are thinned first: a tie is kept if it is the best (largest
Dice coefficient) of at least one of its two lesions. Where the best of each is the best of both,
this is the one-to-one assignment with the largest sum of Dice coefficients
(scipy.optimize.linear_sum_assignment; Crouse, IEEE Trans Aerosp Electron Syst 2016;52:1679-1696),
which also decides between equals. The remaining ties give the relation: several to one have
merged, one has split into several, and a chain of both is called merged_and_split.

Dice 2 |A and B| / (|A| + |B|); IoU |A and B| / |A or B|.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.errors import UsageError
from qsmstats.voxels.geometry import place
from qsmstats.voxels.grids import Columns, Grid
from qsmstats.voxels.images import require_same_grid
from qsmstats.voxels.kernels import Groups, group_voxels
from qsmstats.voxels.labels import LabelSource, open_labels, read_lesions

__all__ = ["RELATIONS", "match_groups", "match_lesions", "matches_table"]

RELATIONS = ("same", "split", "merged", "merged_and_split", "gone", "new")
# By whether the later lesion of a tie has several ties, the earlier one, or both.
_BY_TIES = ("same", "merged", "split", "merged_and_split")


def match_lesions(
    labels_a: LabelSource, labels_b: LabelSource, *, min_overlap: float = 0.25
) -> pd.DataFrame:
    """Match the lesions of two visits.

    Parameters
    ----------
    labels_a, labels_b
        Label images of the earlier and the later visit, registered and on one grid; forms as for
        `extract_features`.
    min_overlap
        Share of the smaller lesion that two lesions must have in common to be tied, above 0 and
        at most 1.

    Returns
    -------
    DataFrame
        One row per tie, and per lesion without one: label_a, label_b (one is missing for "gone"
        and "new"), relation (same, split, merged, merged_and_split, gone, new), group (number of
        the lesions that are connected by ties), n_a, n_b, n_overlap (voxels), overlap, dice, iou,
        centroid_distance_mm, volume_a_mm3, volume_b_mm3, and volume_change_mm3 and
        volume_change_percent of the whole group, later minus earlier.

    Raises
    ------
    ImageError
        If an image cannot be read as labels, or the grids differ.
    UsageError
        If `min_overlap` lies outside 0 to 1.

    Examples
    --------
    >>> import nibabel as nib, numpy as np
    >>> first, second = np.zeros((2, 9, 9, 9), "int16")
    >>> first[2:5, 2:5, 2:5], second[2:5, 2:5, 3:6] = 1, 4
    >>> image = lambda values: nib.Nifti1Image(values, np.eye(4))
    >>> qs.match_lesions(image(first), image(second))[["label_a", "label_b", "relation"]]
       label_a  label_b relation
    0        1        4     same
    """
    if not 0 < min_overlap <= 1:
        message = f"min_overlap is {min_overlap}; give a share above 0 and at most 1"
        raise UsageError(message)
    first = open_labels(labels_a, "label image of the earlier visit")
    second = open_labels(labels_b, "label image of the later visit")
    require_same_grid(first[0], second[0])
    voxels = [read_lesions(labels_a, first), read_lesions(labels_b, second)]
    a, b = (group_voxels(v.label, v.index) for v in voxels)
    return matches_table([match_groups(a, b, first[0].grid, min_overlap)])


def match_groups(a: Groups, b: Groups, grid: Grid, min_overlap: float) -> Columns:
    """Match the lesions of two visits whose label images have been read.

    Returns
    -------
    dict
        The columns of `match_lesions`, for `matches_table`. `relation` is the place in `RELATIONS`;
        of a lesion that is not there (`missing_a`, `missing_b`) label and voxels are 0.
    """
    # Voxels that each pair of lesions has in common, shape (n_a, n_b).
    _, in_a, in_b = np.intersect1d(a.index, b.index, assume_unique=True, return_indices=True)
    pairs = (np.ones(len(in_a), dtype=np.int64), (a.number[in_a], b.number[in_b]))
    shared: Integers = coo_array(pairs, shape=(len(a.labels), len(b.labels))).toarray()
    of_a, of_b = a.counts[:, None], b.counts[None]
    tied: Flags = shared / np.minimum(of_a, of_b) >= min_overlap
    dice = np.where(tied, 2 * shared / (of_a + of_b), 0.0)
    rows, columns = linear_sum_assignment(dice, maximize=True)
    # Far below any difference of two Dice coefficients: it decides between equals alone.
    dice[rows, columns] *= 1 + 1e-12
    # Thinned, where several are tied to several: the best tie of each lesion is kept.
    kept = np.zeros_like(tied)
    in_a, in_b = np.flatnonzero(tied.any(axis=1)), np.flatnonzero(tied.any(axis=0))
    if len(in_a):
        kept[in_a, dice[in_a].argmax(axis=1)] = True
        kept[dice[:, in_b].argmax(axis=0), in_b] = True
    columns = _rows(a, b, kept, shared, grid)
    last = np.iinfo(np.int64).max
    label_a, label_b = (
        np.where(columns[f"missing_{side}"], last, columns[f"label_{side}"]) for side in "ab"
    )
    order = np.lexsort((label_b, label_a))
    return {name: column[order] for name, column in columns.items()}


def matches_table(pairs: Sequence[Columns]) -> pd.DataFrame:
    """Return one table of the matches of any pairs of visits, as `match_groups` returns each."""
    joined = {name: np.concatenate([pair[name] for pair in pairs]) for name in pairs[0]}
    missing = {side: joined.pop(f"missing_{side}") for side in "ab"}
    table = pd.DataFrame(joined)
    relation = pd.Categorical.from_codes(
        joined["relation"].astype(np.int64), categories=pd.Index(RELATIONS)
    )
    counts = {
        f"{name}_{side}": pd.arrays.IntegerArray(joined[f"{name}_{side}"], missing[side])
        for name in ("label", "n")
        for side in "ab"
    }
    return table.assign(relation=relation, **counts)


def _rows(a: Groups, b: Groups, ties: Flags, shared: Integers, grid: Grid) -> Columns:
    number_a, number_b = np.nonzero(ties)
    gone, new = np.flatnonzero(~ties.any(axis=1)), np.flatnonzero(~ties.any(axis=0))
    none_a, none_b = np.full(len(new), -1), np.full(len(gone), -1)
    i = np.concatenate([number_a, gone, none_a])
    j = np.concatenate([number_b, none_b, new])
    several = 2 * (ties.sum(axis=1)[number_a] > 1) + (ties.sum(axis=0)[number_b] > 1)
    relation = [_BY_TIES[kind] for kind in several] + ["gone"] * len(gone) + ["new"] * len(new)
    n_ties, n_lesions = len(number_a), sum(ties.shape)
    graph = coo_array((np.ones(n_ties), (number_a, number_b + len(ties))), shape=(n_lesions,) * 2)
    group = connected_components(graph, directed=False)[1]
    member = group[np.where(i >= 0, i, j + len(ties))].astype(np.int64)
    n_a, n_b = _pick(a.counts, i), _pick(b.counts, j)
    both = (i >= 0) & (j >= 0)
    n = np.where(both, shared[i, j] if shared.size else 0, 0)
    centres, volumes, totals = [], [], []
    for groups, number in ((a, i), (b, j)):
        columns = place(groups, grid)
        centre = np.column_stack([columns[f"centroid_{axis}"] for axis in "xyz"])
        centres.append(np.vstack([centre, np.full(3, np.nan)])[number])
        volumes.append(np.append(groups.counts * grid.voxel_volume, np.nan)[number])
        totals.append(_totals(groups, member, number, grid))
    change = totals[1] - totals[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        percent = np.where(totals[0] > 0, 100 * change / totals[0], np.nan)
    return {
        "label_a": _pick(a.labels, i),
        "label_b": _pick(b.labels, j),
        "relation": np.array([RELATIONS.index(name) for name in relation], dtype=np.int64),
        "group": member + 1,
        "n_a": n_a,
        "n_b": n_b,
        "n_overlap": n,
        "overlap": n / np.where(both, np.minimum(n_a, n_b), 1),
        "dice": 2 * n / (n_a + n_b),
        "iou": n / (n_a + n_b - n),
        "centroid_distance_mm": np.linalg.norm(centres[0] - centres[1], axis=1),
        "volume_a_mm3": volumes[0],
        "volume_b_mm3": volumes[1],
        "volume_change_mm3": change,
        "volume_change_percent": percent,
        "missing_a": i < 0,
        "missing_b": j < 0,
    }


def _pick(values: Integers, number: Integers) -> Integers:
    """Return ``values[number]``, 0 where the number is -1."""
    return np.append(values, 0)[number]


def _totals(groups: Groups, member: Integers, number: Integers, grid: Grid) -> Floats:
    """Return for each row the volume in mm³ of all lesions of one visit in its group."""
    pairs = np.unique(np.stack([member, number])[:, number >= 0], axis=1)
    voxels = groups.counts[pairs[1]]
    sums = np.bincount(pairs[0], weights=voxels, minlength=int(member.max(initial=0)) + 1)
    return np.asarray(sums[member] * grid.voxel_volume, dtype=np.float64)
