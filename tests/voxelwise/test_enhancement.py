"""Cluster enhancement equals nilearn's."""

from __future__ import annotations

import numpy as np
from nilearn.mass_univariate._utils import calculate_tfce
from scipy import ndimage

from qsmstats.voxelwise.enhancement import STEP, enhance


def test_enhanced_maps_equal_those_of_nilearn():
    rng = np.random.default_rng(2)
    statistic = 3 * ndimage.gaussian_filter(rng.standard_normal((14, 11, 9)), 1.0)
    # nilearn divides the range up to the largest value into steps: of 0.1 where that is 4.
    statistic *= 4.0 / np.abs(statistic).max()
    # It leaves dh out of the sum, as FSL does.
    structure = ndimage.generate_binary_structure(3, 1)
    expected = STEP * calculate_tfce(statistic[..., None], structure, dh=STEP)[..., 0]
    np.testing.assert_allclose(enhance(statistic), expected, rtol=1e-9, atol=1e-12)
    assert np.abs(expected).max() > 1


def test_a_block_is_enhanced_as_by_hand():
    statistic = np.zeros((6, 6, 6))
    statistic[1:3, 1:3, 1] = 0.25
    statistic[5, 5, 5] = -0.1
    made = enhance(statistic)
    assert made[1, 1, 1] == 0.1 * 2.0 * (0.1**2 + 0.2**2)
    assert made[5, 5, 5] == -0.1 * 0.1**2
    assert np.count_nonzero(made) == 5
    assert not enhance(np.zeros((2, 2, 2))).any()
