"""Types change at the planted rates, and only from and to the types that are named."""

from __future__ import annotations

import numpy as np
import pytest

from qsmstats.simulate.later_types import draw_later_types


def test_changes_per_year_are_those_planted_whatever_the_interval():
    planted = {"a": {"b": 0.05, "c": 0.1}, "b": {"a": 0.02}}
    for years in (0.5, 2.0):
        first = ["a"] * 3_000 + ["b"] * 3_000 + ["c"] * 10
        later = draw_later_types(np.random.default_rng(1), planted, first, years)
        moves = list(zip(first, later, strict=True))
        for (start, end), rate in {("a", "b"): 0.05, ("a", "c"): 0.1, ("b", "a"): 0.02}.items():
            expected = rate * years
            error = np.sqrt(expected * (1 - expected) / 3_000)
            assert moves.count((start, end)) / 3_000 == pytest.approx(expected, abs=4 * error)
        assert moves.count(("b", "c")) == 0
        assert moves.count(("c", "c")) == 10
