"""The criteria of outcomes that share their rows against those of outcomes of any rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats.mixed.batch.criterion import evaluate_together
from qsmstats.mixed.batch.design import blocks_seen
from qsmstats.mixed.batch.optimum import prepare, prepare_shared
from qsmstats.mixed.batch.products import outcome_products
from qsmstats.mixed.batch.single_factor import evaluate_shared
from qsmstats.mixed.model import MixedModel
from tests.mixed.designs import FORMULAS, random_data


def visits(jitter: float) -> pd.DataFrame:
    """Twelve groups of three visits each."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 3), "x": np.tile([0.0, 1.0, 2.0], 12)})
    data["x"] += jitter * rng.normal(size=36)
    data["z"], data["w"] = rng.normal(size=36), rng.uniform(0.5, 2.0, 36)
    return data


@pytest.mark.parametrize(
    ("formula", "data", "method", "weights", "shapes"),
    [
        (FORMULAS[0], random_data(5), "reml", None, None),
        (FORMULAS[3], random_data(5), "ml", None, 9),
        (FORMULAS[1], visits(0.0), "reml", None, 1),
        (FORMULAS[2], visits(0.1), "reml", None, 12),
        (FORMULAS[1], visits(0.0), "ml", "w", 12),
    ],
)
def test_the_criteria_are_those_of_any_rows(formula, data, method, weights, shapes):
    design = MixedModel(formula).design(data, method=method, weights=weights)
    grouped = design.grouped
    if shapes is None:
        # Groups of equal size are alike where there is an intercept only.
        shapes = data["g"].value_counts().nunique()
    assert len(grouped.shared.counts) == shapes
    rng = np.random.default_rng(1)
    values = 50.0 + rng.normal(size=(7, len(data))) * np.arange(1, 8)[:, None]
    shared, starts = prepare_shared(design, grouped, grouped.shared, values, None)
    stack, index = blocks_seen(grouped, np.ones(values.shape, dtype=bool))
    parts, expected_starts = prepare(design, grouped, stack, index, values, None)
    general = outcome_products(stack, index, parts)
    np.testing.assert_allclose(starts, expected_starts, rtol=1e-9)
    theta = rng.normal(size=starts.shape)
    theta[0] = 0.0
    found = evaluate_shared(
        grouped.parametrisation, shared.take(np.array([6, 2, 0])), theta[:3], reml=grouped.reml
    )
    expected = evaluate_together(grouped, general.take(np.array([6, 2, 0])), theta[:3])
    for name in ("value", "gradient", "hessian", "estimates", "inverse", "slopes", "curve_hessian"):
        # Both add the same numbers in another order; a mean of residuals may be zero.
        scale = max(1.0, np.abs(getattr(expected, name)).max())
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), atol=1e-10 * scale, err_msg=name
        )


def test_an_outcome_without_residual_variance_has_an_infinite_criterion_of_its_own():
    data = visits(0.1)
    design = MixedModel(FORMULAS[1]).design(data)
    values = np.random.default_rng(1).normal(size=(2, 36))
    values[0] = 3.0 + 2.0 * data["x"]
    products, starts = prepare_shared(design, design.grouped, design.grouped.shared, values, None)
    found = evaluate_shared(design.grouped.parametrisation, products, starts, reml=True)
    assert np.isinf(found.value).tolist() == [True, False]
    fits = design.fit_outcomes(values.T)
    assert [bool(problem) for problem in fits.problems] == [True, False]
