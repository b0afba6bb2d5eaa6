"""The reference grid: values, weights and derivatives of design rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmstats.mixed.design.frame import model_frame
from qsmstats.mixed.design.matrices import fixed_design
from qsmstats.mixed.formula.terms import read_terms
from qsmstats.mixed.inference.reference_grid import ReferenceGrid


def grid(formula: str, frame: pd.DataFrame) -> ReferenceGrid:
    terms = read_terms(formula, frame.columns)
    used = model_frame(frame, ["y", *terms.variables], [], terms.factors)
    design, _, _ = fixed_design(terms, used)
    return ReferenceGrid.of(design, used.data)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "a": pd.Categorical(list("uvw") * 20, categories=list("wuv")),
            "b": rng.choice(["l", "r"], 60, p=[0.8, 0.2]),
            "flag": rng.random(60) < 0.3,
            "coded": rng.integers(0, 2, 60),
            "x": rng.uniform(1, 9, 60),
            "y": rng.normal(size=60),
        }
    )


def test_values_are_levels_in_the_frames_order_and_means(frame: pd.DataFrame) -> None:
    found = grid("a + b + flag + coded + x + C(coded)", frame).predictors
    assert found["a"].values == ("w", "u", "v")
    assert found["b"].values == ("l", "r")
    assert found["flag"].values == (False, True)
    assert found["x"].values == (pytest.approx(frame["x"].mean()),)
    # A number with two values is averaged over both, as emmeans does, unless told otherwise.
    two = grid("coded + x", frame)
    assert two.predictors["coded"].values == (0.0, 1.0)
    assert two.at({"coded": 0.3}).means([]).matrix[0, 1] == pytest.approx(0.3)


def test_equal_weights_average_rows_and_proportional_ones_follow_the_data(
    frame: pd.DataFrame,
) -> None:
    made = grid("a * b + x", frame)
    equal = made.means(["a"])
    two = made.means(["a", "b"])
    assert two.keys["a"].tolist() == ["w", "w", "u", "u", "v", "v"]
    np.testing.assert_allclose(equal.matrix, (two.matrix[::2] + two.matrix[1::2]) / 2)
    share = (frame["b"] == "r").mean()
    weighted = made.means(["a"], "proportional").matrix
    np.testing.assert_allclose(
        weighted, (1 - share) * two.matrix[::2] + share * two.matrix[1::2], atol=1e-14
    )


def test_without_predictors_the_grid_has_one_row(frame: pd.DataFrame) -> None:
    np.testing.assert_array_equal(grid("1", frame).means([]).matrix, [[1.0]])


@settings(max_examples=25, deadline=None)
@given(
    centre=st.floats(-1e3, 1e3),
    spread=st.floats(1e-3, 1e3),
    place=st.floats(0, 1),
)
def test_polynomials_to_the_fourth_degree_are_differentiated_exactly(
    centre: float, spread: float, place: float
) -> None:
    x = centre + spread * np.linspace(0, 1, 20)
    frame = pd.DataFrame({"x": x, "y": np.arange(20.0)})
    made = grid(
        "x + I(((x - @c) / @s)**3)".replace("@c", repr(centre)).replace("@s", repr(spread)), frame
    )
    at = float(x[0] + place * (x[-1] - x[0]))
    row = made.at({"x": at}).slopes("x", []).matrix[0]
    u = (at - centre) / spread
    np.testing.assert_allclose(row[:2], [0, 1], atol=1e-12)
    # The step is a thousandth of the range: rounding of a cube divided by it is below 1e-9.
    assert row[2] * spread == pytest.approx(3 * u**2, abs=2e-8)


def test_slopes_stay_inside_the_data_at_both_ends(frame: pd.DataFrame) -> None:
    made = grid("log(x - 0.9)", frame.assign(x=frame["x"].clip(lower=1.0)))
    low, high = made.predictors["x"].span or (0, 0)
    rows = made.at({"x": [low, high]}).slopes("x", ["x"]).matrix
    np.testing.assert_allclose(rows[:, 1], [1 / (low - 0.9), 1 / (high - 0.9)], rtol=1e-4)
