"""Sweeping single groups: one random column against two that have nothing to do with each other."""

import numpy as np
import pytest

from qsmstats.mixed.criterion.derivatives import constant
from qsmstats.mixed.criterion.nested import invert


@pytest.mark.parametrize("second", [True, False])
@pytest.mark.parametrize("t", [[[0.0]], [[1.7]], [[0.0, 0.3, 2.0, 1e4]]], ids=str)
def test_one_column_is_inverted_as_a_block_of_several_is(t, second):
    a, t = np.array([0.0, 1.0, 3.5, 40.0]), np.array(t)
    blocks = np.zeros((2, 2, 4))
    blocks[0, 0], blocks[1, 1] = a, 2.0
    both, logdet = invert(constant(blocks), t, np.diag([1.0, 0.0])[None], second=second)
    m, own = invert(constant(a[None, None]), t, np.ones((1, 1, 1)), second=second)
    for part in ("value", "first", "second"):
        expected = getattr(both, part)[..., :1, :1, :]
        made = getattr(m, part)
        assert made.shape == expected.shape
        np.testing.assert_allclose(made, expected, rtol=1e-12, atol=0)
        assert getattr(own, part).shape == getattr(logdet, part).shape
        np.testing.assert_allclose(
            getattr(own, part), getattr(logdet, part), rtol=1e-12, atol=1e-15
        )
