"""Quantiles of groups of values, exact, of many small groups and of single large ones.

With x the values of a group of size n in ascending order, quantile p is
x[h] + (h - floor h)(x[h + 1] - x[h]) at h = (n - 1) p: the type 7 of Hyndman and Fan (Am Stat
1996;50:361-365), as numpy and R have it.

Small groups are sorted. Of a large one, counting its values into bins tells which few bins hold
the ranks in question, and only those are sorted.
"""

from __future__ import annotations

import numpy as np

from qsmstats.arrays import Floats, Integers

__all__ = ["MANY", "group_quantiles"]

# From so many values on, counting into bins beats sorting; the bins span most of a sample of the
# values.
MANY = 50_000
_SAMPLE = 1_000
_BINS = 4096
# Values at a time: the steps of one block then stay in the processor's cache.
_BLOCK = 32_768


def group_quantiles(values: Floats, counts: Integers, probabilities: Floats) -> Floats:
    """Return quantiles of each group of values that stand group after group.

    Parameters
    ----------
    values
        Shape (n_values,); finite.
    counts
        Shape (n_groups,); size of each group, at least 1. A group of `MANY` values or more is
        best given alone.
    probabilities
        Shape (n_quantiles,); from 0 to 1.

    Returns
    -------
    ndarray
        Shape (n_groups, n_quantiles).
    """
    h = (counts[:, None] - 1) * probabilities
    low = np.floor(h).astype(np.int64)
    high = np.minimum(low + 1, counts[:, None] - 1)
    if len(counts) == 1 and counts[0] >= MANY:
        smaller, larger = _ranked(values, np.stack([low[0], high[0]]))
    else:
        starts = np.cumsum(counts) - counts
        ordered = values.copy()
        for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
            ordered[start : start + count].sort()
        smaller, larger = ordered[starts[:, None] + np.stack([low, high])]
    return np.asarray(smaller + (h - low) * (larger - smaller))


def _ranked(x: Floats, ranks: Integers) -> Floats:
    """Return the values that would have these ranks if `x` were sorted."""
    low, high = np.quantile(x[:: len(x) // _SAMPLE], (0.001, 0.999))
    if not low < high:
        return np.asarray(np.partition(x, np.unique(ranks))[ranks])
    # The bin of each value, the outermost open to the outside, and how many values each holds.
    bins = np.empty(len(x), dtype=np.uint16)
    counts = np.zeros(_BINS, dtype=np.int64)
    scale = _BINS / (high - low)
    with np.errstate(over="ignore"):  # an outlier of 1e308 falls into the last bin, too
        for start in range(0, len(x), _BLOCK):
            scaled = x[start : start + _BLOCK] - low
            scaled *= scale
            np.clip(scaled, 0, _BINS - 1, out=scaled)
            block = scaled.astype(np.intp)
            counts += np.bincount(block, minlength=_BINS)
            bins[start : start + _BLOCK] = block
    before = np.cumsum(counts)
    wanted = np.zeros(_BINS, dtype=np.bool_)
    wanted[np.searchsorted(before, ranks, side="right")] = True
    skipped = np.cumsum(np.where(wanted, 0, counts))
    ordered = np.sort(x[wanted[bins]])
    return np.asarray(ordered[ranks - skipped[np.searchsorted(before, ranks, side="right")]])
