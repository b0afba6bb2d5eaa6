"""The scan of the boundary against the criterion, and what it finds against random starts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats.mixed.batch import boundary_scan
from qsmstats.mixed.batch.optimum import prepare_shared
from qsmstats.mixed.batch.single_factor import evaluate_shared
from qsmstats.mixed.criterion.covariance import factor_elements, lower_factor
from qsmstats.mixed.model import MixedModel
from qsmstats.mixed.optimum.estimate import criterion_offset
from qsmstats.mixed.optimum.trust_region import descend


def _prepared(groups, method, count, *, outliers=False):
    """Outcomes of noise alone, normal or with outliers, and their products."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": groups, "x": rng.normal(size=len(groups))})
    shape = count, len(data)
    values = rng.standard_t(2, shape) if outliers else rng.normal(size=shape)
    design = MixedModel("y ~ x + (1 + x | g)").design(data, method=method)
    grouped = design.grouped
    return design, values, *prepare_shared(design, grouped, grouped.shared, values, None)


@pytest.mark.parametrize("method", ["reml", "ml"])
def test_the_scan_differs_from_the_criterion_by_a_constant(method):
    groups = np.repeat(np.arange(6), [2, 3, 3, 4, 5, 5])
    design, _, products, _ = _prepared(groups, method, 4)
    for angle in boundary_scan._ANGLES[::5]:
        found = boundary_scan._along(products, angle, reml=method == "reml")
        u = np.array([np.cos(angle), np.sin(angle), 0.0])
        known = [
            evaluate_shared(
                design.grouped.parametrisation,
                products,
                np.tile(length * u, (4, 1)),
                reml=method == "reml",
            ).value
            for length in boundary_scan._LENGTHS
        ]
        away = found - np.array(known)
        np.testing.assert_allclose(away, np.broadcast_to(away[:1], away.shape), atol=1e-7)


@pytest.mark.parametrize(
    ("groups", "outliers"),
    [(np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4]), False), (np.arange(30) // 3, True)],
    ids=["13 rows", "outliers"],
)
def test_no_random_start_does_better_for_any_outcome(groups, outliers):
    """Some of these outcomes have their minimum elsewhere than the first descent comes to."""
    design, values, products, start = _prepared(groups, "reml", 256, outliers=outliers)
    fits = design.fit_outcomes(values.T)
    rng, parametrisation = np.random.default_rng(5), design.grouped.parametrisation
    degrees = design.n_obs - 2.0
    offset = criterion_offset(
        design.layout.root, degrees, products.scale, products.log_weight, reml=True
    )

    def evaluate(which, theta):
        made = evaluate_shared(parametrisation, products.take(which), theta, reml=True)
        return made.value, made.gradient, made.hessian

    moments = descend(evaluate, start).value
    best = moments.copy()
    for number in range(12):
        spread = (0.3, 1.0, 3.0)[number % 3]
        random = factor_elements([lower_factor(spread * rng.normal(size=(256, 2, 2)))])
        best = np.minimum(best, descend(evaluate, random).value)
    assert (moments - best > 0.01).any()
    assert (fits.criterion - offset - best).max() < 1e-6
