"""Statistics of groups of values: counts, moments and quantiles, group by group.

Values stand group after group; `starts` says where each group begins. With x the valid values of
a group of size n: mean; sd with n - 1 in the denominator; quantiles as in
`qsmstats.voxels.quantiles`; mad is the median of the absolute deviations from the median, not
scaled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.voxels.grids import Columns
from qsmstats.voxels.quantiles import MANY, group_quantiles

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

_STATISTICS = ("mean", "sd", "median", "mad", "p05", "p25", "p75", "p95", "min", "max")


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

    labels: Integers
    counts: Integers
    starts: Integers
    index: Integers

    @property
    def number(self) -> Integers:
        """Shape (n_voxels,); the number of each voxel's group, from 0."""
        return np.repeat(np.arange(len(self.labels)), self.counts)


def group_voxels(label: Integers, index: Integers) -> Groups:
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


def describe(values: Floats, counts: Integers, absent: Flags | None = None) -> Columns:
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
    # Small groups are described together, and each large one alone.
    result |= {name: np.full(len(counts), np.nan) for name in _STATISTICS}
    filled = np.flatnonzero(n_valid)
    large = n_valid[filled] >= MANY
    stop = 0
    for run in np.split(filled, np.flatnonzero(large[1:] | large[:-1]) + 1):
        start, stop = stop, stop + n_valid[run].sum()
        if len(run):
            with np.errstate(over="ignore"):  # of squares of values that are no measurement
                described = _describe_filled(kept[start:stop], n_valid[run])
            for name, column in described.items():
                result[name][run] = column
    return result


def group_sums(values: npt.NDArray[_Number], counts: Integers) -> npt.NDArray[Any]:
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


def group_means(values: Floats, group: Integers, n_groups: int) -> tuple[Floats, Integers]:
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


def _describe_filled(x: Floats, n: Integers) -> Columns:
    """Return the statistics of groups of valid values, none of them empty."""
    starts = np.cumsum(n) - n
    # numpy adds the values of a group pairwise here, too; see `group_sums`.
    mean = np.add.reduceat(x, starts) / n
    # In place here and below: for a million voxels new memory costs more than arithmetic.
    deviations = x - _each(mean, n)
    np.multiply(deviations, deviations, out=deviations)
    result: Columns = {"mean": mean}
    with np.errstate(invalid="ignore"):  # one value has no standard deviation
        result["sd"] = np.sqrt(np.add.reduceat(deviations, starts) / np.where(n > 1, n - 1, np.nan))
    quantiles = group_quantiles(x, n, _PROBABILITIES)
    result |= dict(zip(QUANTILES, quantiles.T, strict=True))
    np.subtract(x, _each(result["median"], n), out=deviations)
    np.abs(deviations, out=deviations)
    result["mad"] = group_quantiles(deviations, n, _HALF)[:, 0]
    result["min"], result["max"] = np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)
    return result


def _each(values: npt.NDArray[Any], counts: Integers) -> npt.NDArray[Any]:
    """Return the value of its group for each member; of one group, what numpy will spread."""
    return values if len(values) == 1 else np.repeat(values, counts)
