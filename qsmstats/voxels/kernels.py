"""Statistics of groups of values: counts, moments and quantiles, group by group.

Values stand group after group; `starts` says where each group begins. With x the valid values of
a group of size n, in ascending order: mean; sd with n - 1 in the denominator; quantile p is
x[h] + (h - floor h)(x[h + 1] - x[h]) at h = (n - 1) p, the type 7 of Hyndman and Fan
(Am Stat 1996;50:361-365), as numpy and R have it; mad is the median of the absolute deviations
from the median, not scaled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from qsmstats.voxels.grids import BoolArray, Columns, FloatArray, IntArray

__all__ = [
    "MAD_TO_SD",
    "QUANTILES",
    "Groups",
    "describe",
    "group_means",
    "group_sums",
    "group_voxels",
]

_Number = TypeVar("_Number", np.float64, np.int64, np.bool_)

MAD_TO_SD = 1.482602218505602
"""1 / Phi^-1(3/4): a normal distribution's standard deviation over its median deviation."""

QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
_PROBABILITIES = np.array(list(QUANTILES.values()))
_HALF = np.array([0.5])

# From so many values on, counting into bins beats numpy's selection; the bins span most of a
# sample of the values.
_MANY = 50_000
_SAMPLE = 1_000
_BINS = 4096
# Values at a time: the steps of one block then stay in the processor's cache.
_BLOCK = 32_768


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Groups:
    """Voxels in the order of their labels.

    Attributes
    ----------
    labels
        Shape (n_groups,); ascending.
    counts, starts
        Shape (n_groups,); size of each group and where it begins.
    index
        Shape (n_voxels,); flat indices of the voxels, group after group, ascending in each.
    """

    labels: IntArray
    counts: IntArray
    starts: IntArray
    index: IntArray

    @property
    def number(self) -> IntArray:
        """Shape (n_voxels,); the number of each voxel's group, from 0."""
        return np.repeat(np.arange(len(self.labels)), self.counts)


def group_voxels(label: IntArray, index: IntArray) -> Groups:
    """Group voxels by label, in one sort.

    Parameters
    ----------
    label, index
        Shape (n_voxels,); label and flat index of each voxel, by ascending index.
    """
    # A stable sort keeps the indices ascending, and on 16 bits is a radix sort.
    small = label.max(initial=0) < 2**16
    order = np.argsort(label.astype(np.uint16) if small else label, kind="stable")
    labels, starts, counts = np.unique(label[order], return_index=True, return_counts=True)
    return Groups(
        labels=labels,
        counts=counts.astype(np.int64),
        starts=starts.astype(np.int64),
        index=index[order],
    )


def describe(values: FloatArray, counts: IntArray, absent: BoolArray | None = None) -> Columns:
    """Describe each group of values.

    Parameters
    ----------
    values
        Shape (n_values,); group after group.
    counts
        Shape (n_groups,); size of each group.
    absent
        Shape (n_values,); values that are there and mean "not measured", or None.

    Returns
    -------
    dict
        Column -> shape (n_groups,): n_total, n_valid, n_nonfinite, n_zero, coverage, mean, sd,
        median, mad, p05, p25, p75, p95, min, max. Statistics of valid (finite and not absent)
        values; NaN where there are none, sd also where there is one.
    """
    finite = np.isfinite(values)
    valid = finite if absent is None else finite & ~absent
    # Copying only what is not complete: a mask of white matter has a million voxels.
    complete = bool(valid.all())
    kept = values if complete else values[valid]
    n_valid = counts if complete else group_sums(valid, counts)
    result: Columns = {
        "n_total": counts,
        "n_valid": n_valid,
        "n_nonfinite": group_sums(~finite, counts),
        "n_zero": group_sums(values == 0, counts),
        "coverage": n_valid / counts,
    }
    return result | _statistics(kept, n_valid)


def group_sums(values: npt.NDArray[_Number], counts: IntArray) -> npt.NDArray[Any]:
    """Return the sum of each group of values that stand group after group.

    Truth values are counted. numpy adds the values of a group pairwise, so that rounding grows
    with the logarithm of their number.

    Parameters
    ----------
    values
        Shape (n_values,).
    counts
        Shape (n_groups,); size of each group, which may be 0.
    """
    kind = np.dtype(np.int64) if values.dtype.kind == "b" else values.dtype
    result = np.zeros(len(counts), dtype=kind)
    filled = counts > 0
    starts = np.cumsum(counts) - counts
    if filled.any() and values.any():
        result[filled] = np.add.reduceat(values, starts[filled], dtype=kind)
    return result


def group_means(values: FloatArray, group: IntArray, n_groups: int) -> tuple[FloatArray, IntArray]:
    """Return mean and number of the values of each group; NaN for an empty one.

    Parameters
    ----------
    values, group
        Shape (n_values,); valid values and the number of the group of each, in any order.
    n_groups
        Number of groups.
    """
    n = np.bincount(group, minlength=n_groups)
    with np.errstate(invalid="ignore"):
        return np.bincount(group, weights=values, minlength=n_groups) / n, n


def _statistics(values: FloatArray, counts: IntArray) -> Columns:
    names = ("mean", "sd", "median", "mad", "p05", "p25", "p75", "p95", "min", "max")
    columns = {name: np.full(len(counts), np.nan) for name in names}
    stop = 0
    for i, n in enumerate(counts):
        start, stop = stop, stop + n
        if n > 0:
            with np.errstate(over="ignore"):  # of squares of what is no measurement
                described = _describe_one(values[start:stop])
            for name, value in described.items():
                columns[name][i] = value
    return dict(columns)


def _describe_one(x: FloatArray) -> dict[str, float]:
    mean = x.mean()
    # In place here and below: for a million voxels new memory costs more than arithmetic.
    deviations = x - mean
    np.multiply(deviations, deviations, out=deviations)
    result = {"mean": mean, "min": x.min(), "max": x.max()}
    result["sd"] = math.sqrt(deviations.sum() / (len(x) - 1)) if len(x) > 1 else math.nan
    result |= dict(zip(QUANTILES, _quantiles(x, _PROBABILITIES), strict=True))
    np.subtract(x, result["median"], out=deviations)
    np.abs(deviations, out=deviations)
    result["mad"] = _quantiles(deviations, _HALF)[0]
    return result


def _quantiles(x: FloatArray, probabilities: FloatArray) -> FloatArray:
    h = (len(x) - 1) * probabilities
    low = np.floor(h).astype(np.int64)
    high = np.minimum(low + 1, len(x) - 1)
    smaller, larger = np.split(_ranked(x, np.append(low, high)), 2)
    return smaller + (h - low) * (larger - smaller)


def _ranked(x: FloatArray, ranks: IntArray) -> FloatArray:
    """Return the values that would have these ranks if `x` were sorted."""
    if len(x) < _MANY:
        return np.asarray(np.partition(x, np.unique(ranks))[ranks])
    # Counting the values into bins tells which few bins hold the ranks; only those are sorted.
    low, high = np.quantile(x[:: len(x) // _SAMPLE], (0.001, 0.999))
    if not low < high:
        return np.asarray(np.partition(x, np.unique(ranks))[ranks])
    bins, counts = _binned(x, low, _BINS / (high - low))
    before = np.cumsum(counts)
    wanted = np.zeros(_BINS, dtype=np.bool_)
    wanted[np.searchsorted(before, ranks, side="right")] = True
    skipped = np.cumsum(np.where(wanted, 0, counts))
    ordered = np.sort(x[wanted[bins]])
    return np.asarray(ordered[ranks - skipped[np.searchsorted(before, ranks, side="right")]])


def _binned(x: FloatArray, low: float, scale: float) -> tuple[npt.NDArray[np.uint16], IntArray]:
    """Return the bin of each value, the outermost open to the outside, and how many each holds."""
    bins = np.empty(len(x), dtype=np.uint16)
    counts = np.zeros(_BINS, dtype=np.int64)
    with np.errstate(over="ignore"):  # an outlier of 1e308 falls into the last bin, too
        for start in range(0, len(x), _BLOCK):
            scaled = x[start : start + _BLOCK] - low
            scaled *= scale
            np.clip(scaled, 0, _BINS - 1, out=scaled)
            block = scaled.astype(np.intp)
            counts += np.bincount(block, minlength=_BINS)
            bins[start : start + _BLOCK] = block
    return bins, counts
