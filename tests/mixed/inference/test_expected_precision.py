"""Precision before any outcome, against the textbook with dense matrices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import NotIdentifiedError, UsageError
from qsmstats.mixed.inference.expected_precision import expected_design
from qsmstats.mixed.model import MixedModel
from tests.mixed import naive

MODEL = MixedModel("y ~ arm * time + (1 + time | person) + (1 | tooth)")
CONTRAST = {"arm:time": 1.0}
PERSON = np.array([[0.5, 0.05], [0.05, 0.04]])
TOOTH = np.array([[0.3]])


@pytest.fixture(scope="module")
def frame():
    """Unequal numbers of teeth and of visits, no outcome at all."""
    random = np.random.default_rng(4)
    rows = [
        (person, 10 * person + tooth, person % 2, time)
        for person in range(9)
        for tooth in range(int(random.integers(1, 5)))
        for time in (0.0, 0.5, 2.0)[: int(random.integers(2, 4))]
    ]
    return pd.DataFrame(rows, columns=["person", "tooth", "arm", "time"])


@pytest.mark.parametrize("sigma", [0.4, 1.7])
def test_standard_error_and_df_are_those_of_the_textbook(frame, sigma):
    n = len(frame)
    time = frame["time"].to_numpy()
    arm = frame["arm"].to_numpy(float)
    tooth = np.unique(frame["tooth"], return_inverse=True)[1]
    line, ones = np.column_stack([np.ones(n), time]), np.ones((n, 1))
    terms, sizes = [(frame["person"].to_numpy(), line), (tooth, ones)], [9, tooth.max() + 1]

    def covariance(person, teeth, residual):
        return naive.covariance(terms, sizes, [person, teeth], np.full(n, residual))

    v = covariance(PERSON, TOOTH, sigma**2)
    units = [np.diag([1.0, 0.0]), np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([0.0, 1.0])]
    nothing = np.zeros((2, 2))
    derivatives = [
        *(covariance(unit, 0 * TOOTH, 0.0) for unit in units),
        covariance(nothing, np.ones((1, 1)), 0.0),
        np.eye(n),
    ]
    x = np.column_stack([np.ones(n), arm, time, arm * time])
    row = np.array([[0.0, 0.0, 0.0, 1.0]])
    _, df = naive.kenward_roger(x, v, derivatives, row)
    plain = row @ np.linalg.inv(x.T @ np.linalg.inv(v) @ x) @ row.T
    found = expected_design(MODEL, frame, CONTRAST).inference([PERSON, TOOTH], sigma)
    # Both are the same algebra in another order; the dense one loses about seven digits.
    np.testing.assert_allclose(found.std_error, np.sqrt(plain[0, 0]), rtol=1e-8)
    np.testing.assert_allclose(found.df, np.ravel(df)[0], rtol=1e-6)


def test_an_outcome_in_the_data_is_not_looked_at(frame):
    with_outcome = frame.assign(y=1e6 * np.arange(len(frame)))
    designs = [expected_design(MODEL, data, CONTRAST) for data in (frame, with_outcome)]
    first, second = (design.inference([PERSON, TOOTH], 1.0) for design in designs)
    assert first == second


def test_what_the_design_cannot_tell_is_refused(frame):
    one_arm = frame.assign(arm=1.0)
    with pytest.raises(NotIdentifiedError, match="cannot estimate arm:time"):
        expected_design(MODEL, one_arm, CONTRAST)
    with pytest.raises(UsageError, match=r"shapes \[\(1, 1\), \(2, 2\)\]"):
        expected_design(MODEL, frame, CONTRAST).inference([TOOTH, PERSON], 1.0)
