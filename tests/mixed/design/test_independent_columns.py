import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmstats.mixed.design.independent_columns import independent_columns


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    independent=st.integers(1, 5),
    dependent=st.integers(0, 4),
    scales=st.sampled_from([1.0, 1e-8, 1e8]),
)
def test_dependent_columns_are_found_and_reproduced(seed, independent, dependent, scales):
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(30, independent))
    extra = base @ rng.integers(-2, 3, size=(independent, dependent))
    matrix = np.column_stack([base, extra]) * scales ** rng.uniform(
        -1, 1, size=independent + dependent
    )
    basis = independent_columns(matrix)
    assert basis.kept.tolist() == list(range(independent))
    np.testing.assert_allclose(basis.q @ basis.r, matrix[:, basis.kept], rtol=1e-9)
    size = np.abs(matrix) @ np.abs(basis.null_space)
    assert np.all(np.abs(matrix @ basis.null_space) <= 1e-9 * np.maximum(size, 1e-300))
    np.testing.assert_allclose(basis.q.T @ basis.q / 30, np.eye(independent), atol=1e-6)


def test_a_column_far_from_its_origin_is_kept_and_a_zero_column_dropped():
    rng = np.random.default_rng(1)
    x = 1e5 + rng.uniform(size=50)
    basis = independent_columns(np.column_stack([np.ones(50), x, np.zeros(50), x * 3]))
    assert basis.kept.tolist() == [0, 1]
    assert basis.dropped.tolist() == [2, 3]
    np.testing.assert_allclose(basis.q.T @ basis.q / 50, np.eye(2), atol=1e-8)


def test_earlier_columns_are_kept_before_later_ones():
    matrix = np.array([[1.0, 1, 0, 1], [1, 0, 1, 2], [1, 1, 0, 3], [1, 0, 1, 5]])
    assert independent_columns(matrix).dropped.tolist() == [2]
