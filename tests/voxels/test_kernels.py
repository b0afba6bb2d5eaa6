"""Group statistics against the naive loop, numpy and scipy.ndimage."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage, stats

from qsmstats.voxels.kernels import (
    MAD_TO_SD,
    QUANTILES,
    describe,
    group_means,
    group_sums,
    group_voxels,
)

# The bound; both sides are sums of at most a few thousand doubles.
TOLERANCE = {"rtol": 1e-12, "atol": 1e-12}


def naive_quantile(ordered, p):
    h = (len(ordered) - 1) * p
    low = math.floor(h)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (h - low) * (ordered[high] - ordered[low])


def naive(values, absent):
    """Return what `describe` should, by loops over Python floats."""
    valid = [float(v) for v, a in zip(values, absent, strict=True) if math.isfinite(v) and not a]
    result = {
        "n_total": len(values),
        "n_valid": len(valid),
        "n_nonfinite": sum(not math.isfinite(v) for v in values),
        "n_zero": sum(v == 0 for v in values),
        "coverage": len(valid) / len(values),
    }
    nan = dict.fromkeys(("mean", "sd", "mad", "min", "max", *QUANTILES), math.nan)
    if not valid:
        return result | nan
    mean = sum(valid) / len(valid)
    ordered = sorted(valid)
    result |= {name: naive_quantile(ordered, p) for name, p in QUANTILES.items()}
    squares = sum((v - mean) ** 2 for v in valid)
    return result | {
        "mean": mean,
        "sd": math.sqrt(squares / (len(valid) - 1)) if len(valid) > 1 else math.nan,
        "mad": naive_quantile(sorted(abs(v - result["median"]) for v in valid), 0.5),
        "min": ordered[0],
        "max": ordered[-1],
    }


def assert_matches_naive(values, counts, absent, scale=1.0):
    result = describe(values, counts, absent)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    for i, (first, last) in enumerate(pairwise(bounds)):
        expected = naive(values[first:last], absent[first:last])
        assert expected.keys() == result.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(
                result[name][i], value, rtol=1e-12, atol=1e-12 * scale, err_msg=f"{name}, group {i}"
            )


@settings(max_examples=150, deadline=None)
@given(
    counts=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    data=st.data(),
)
def test_describe_equals_the_naive_loop(counts, data):
    counts = np.array(counts)
    number = st.floats(-1e4, 1e4) | st.sampled_from([0.0, np.nan, np.inf, -np.inf])
    values = data.draw(hnp.arrays(np.float64, int(counts.sum()), elements=number))
    absent = data.draw(hnp.arrays(np.bool_, int(counts.sum())))
    # Near-cancelling sums: the error is relative to the largest value, not to the mean.
    assert_matches_naive(values, counts, absent, scale=1e4)


def test_describe_of_many_values_selects_the_same_ranks_as_a_sort():
    rng = np.random.default_rng(0)
    wild = rng.standard_cauchy(120_000)
    ties = np.round(rng.normal(size=120_001), 1)
    constant = np.full(60_000, 2.5)
    mostly = np.where(rng.random(90_000) < 0.999, 1.0, rng.normal(size=90_000))
    huge = np.append(rng.normal(size=70_000), [1e308, -1e308])
    parts = [wild, ties, constant, mostly, huge]
    result = describe(np.concatenate(parts[:4]), np.array([len(part) for part in parts[:4]]))
    last = describe(huge, np.array([len(huge)]))
    for name, p in QUANTILES.items():
        expected = [np.quantile(part, p) for part in parts]
        np.testing.assert_allclose(np.append(result[name], last[name]), expected, **TOLERANCE)
    expected = [stats.median_abs_deviation(part) for part in parts]
    np.testing.assert_allclose(np.append(result["mad"], last["mad"]), expected, **TOLERANCE)


def test_describe_equals_scipy_ndimage_over_a_label_image(labels, values):
    flat = labels.ravel(order="F").astype(np.int64)
    index = np.flatnonzero(flat)
    groups = group_voxels(flat[index], index)
    values = values.astype(np.float64)
    result = describe(values.ravel(order="F")[groups.index], groups.counts)
    np.testing.assert_array_equal(groups.labels, [1, 2, 3, 4])
    for name, function in (
        ("mean", ndimage.mean),
        ("median", ndimage.median),
        ("min", ndimage.minimum),
        ("max", ndimage.maximum),
    ):
        expected = function(values, labels, groups.labels)
        np.testing.assert_allclose(result[name], expected, **TOLERANCE)
    # scipy divides by n, we by n - 1; lesion 1 is one voxel, which has no standard deviation.
    expected = np.sqrt(ndimage.variance(values, labels, [2, 3, 4]))
    n = groups.counts[1:]
    np.testing.assert_allclose(result["sd"][1:] * np.sqrt((n - 1) / n), expected, **TOLERANCE)
    assert np.isnan(result["sd"][0])


def test_mean_of_a_million_values_keeps_twelve_digits():
    rng = np.random.default_rng(1)
    values = rng.normal(1000, 1, 1_000_003)
    result = describe(values, np.array([len(values)]))
    # fsum is exact.
    mean = math.fsum(values) / len(values)
    assert result["mean"][0] == pytest.approx(mean, rel=1e-14)
    sd = math.sqrt(math.fsum((values - mean) ** 2) / (len(values) - 1))
    assert result["sd"][0] == pytest.approx(sd, rel=1e-12)


def test_group_sums_of_empty_groups_are_zero():
    sums = group_sums(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0, 0, 1, 0]))
    np.testing.assert_array_equal(sums, [0, 3, 0, 0, 4, 0])
    counts = group_sums(np.array([True, False, True]), np.array([2, 0, 1]))
    np.testing.assert_array_equal(counts, [1, 0, 1])


def test_group_means_of_unordered_groups():
    mean, n = group_means(np.array([1.0, 5.0, 3.0]), np.array([2, 0, 2]), 4)
    np.testing.assert_array_equal(n, [1, 0, 2, 0])
    np.testing.assert_array_equal(mean, [5, np.nan, 2, np.nan])


@given(label=hnp.arrays(np.int64, st.integers(0, 40), elements=st.integers(1, 10**12)))
def test_groups_hold_every_voxel_once_in_ascending_order(label):
    index = np.arange(len(label)) * 3
    groups = group_voxels(label, index)
    assert groups.counts.sum() == len(label)
    for i, value in enumerate(groups.labels):
        start = groups.starts[i]
        part = groups.index[start : start + groups.counts[i]]
        np.testing.assert_array_equal(part, index[label == value])


def test_mad_of_a_normal_distribution_scales_to_its_standard_deviation():
    assert pytest.approx(1 / stats.norm.ppf(0.75), rel=1e-15) == MAD_TO_SD
