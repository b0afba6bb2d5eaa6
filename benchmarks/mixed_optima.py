"""Optima at zero variance: whether the best one is found, and the fit called singular.

    python benchmarks/mixed_optima.py [--seeds 300] [--outcomes 4096]

Groups that differ by nothing but noise, with random intercepts or slopes. The criterion reached
from the default start is compared with the best of 20 random starts, and `singular` with the sign
of the criterion's slope at zero.

Then the same for many outcomes at once: how many singular ones have a minimum lower than that
of the first descent, by more than 1e-6, 0.01 and 0.1, and how many fits lie so far above the lowest
minimum of the fit and of nine random starts. Groups of equal size have three rows of normal noise;
one design has a group of sixty rows, one has noise with outliers (t, 2 df), one has both.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from qsmstats.mixed.batch.optimum import prepare_shared
from qsmstats.mixed.batch.single_factor import evaluate_shared
from qsmstats.mixed.criterion.covariance import factor_elements, lower_factor
from qsmstats.mixed.model import MixedModel
from qsmstats.mixed.optimum.estimate import criterion_offset
from qsmstats.mixed.optimum.principal_axes import descend_in_axes
from qsmstats.mixed.optimum.trust_region import minimise

MARGINS = (1e-6, 0.01, 0.1)


def zero_variance(seeds: int) -> tuple[float, int, int]:
    """Worst shortfall against 20 random starts; wrong `singular` flags; singular fits."""
    worst, wrong, flagged = 0.0, 0, 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        groups, size = int(rng.integers(4, 15)), int(rng.integers(3, 9))
        frame = pd.DataFrame({"g": np.repeat(np.arange(groups), size)})
        frame["x"] = rng.normal(size=len(frame))
        frame["y"] = 1 + frame["x"] + rng.normal(size=len(frame))
        fit = MixedModel("y ~ x + (1 | g)" if seed % 2 else "y ~ x + (1 + x | g)").fit(frame)
        engine = fit.engine()
        starts = rng.normal(0, 1, (20, len(fit.theta)))
        ends = [minimise(engine.objective.at, start).point for start in starts]
        worst = max(worst, fit.info.criterion - min(map(engine.criterion, ends)))
        flagged += fit.info.singular
        if seed % 2:
            # The criterion is even in theta: its curvature at zero is twice its slope in the
            # variance, so an upward curvature means that zero is the optimum.
            truth = bool(engine.objective.at(np.zeros(1)).hessian[0, 0] > 0)
        else:
            best = min(ends, key=engine.criterion)
            deviations = np.linalg.svd(engine.factors(best.theta)[0], compute_uv=False)
            truth = bool(deviations[-1] < 1e-4 * max(1.0, deviations[0]))
        wrong += fit.info.singular != truth
    return worst, wrong, flagged


def further_minima(
    groups: int, outcomes: int, *, large: bool, outliers: bool
) -> tuple[int, list[int], list[int]]:
    """Singular outcomes; those with a lower minimum, by each margin; fits above the lowest."""
    rng = np.random.default_rng(groups)
    sizes = np.full(groups, 3)
    sizes[0] = 60 if large else 3
    frame = pd.DataFrame({"g": np.repeat(np.arange(groups), sizes)})
    frame["x"] = rng.normal(size=len(frame))
    design = MixedModel("y ~ x + (1 + x | g)").design(frame)
    shape = len(frame), outcomes
    values = rng.standard_t(2, size=shape) if outliers else rng.normal(size=shape)
    fits, grouped = design.fit_outcomes(values), design.grouped
    assert grouped is not None
    assert grouped.shared is not None
    products, start = prepare_shared(design, grouped, grouped.shared, values.T, None)
    fitted = fits.criterion - criterion_offset(
        design.layout.root, len(frame) - 2.0, products.scale, products.log_weight, reml=True
    )

    def descend(start: np.ndarray) -> np.ndarray:
        def evaluate(axes, which, theta):
            made = evaluate_shared(axes, products.take(which), theta, reml=True)
            return made.value, made.gradient, made.hessian

        return descend_in_axes(evaluate, grouped.parametrisation, start).value

    first = descend(start)
    best = np.minimum(first, fitted)
    for spread in (0.3, 1.0, 3.0) * 3:
        random = spread * rng.normal(size=(outcomes, 2, 2))
        best = np.minimum(best, descend(factor_elements([lower_factor(random)])))
    first, fitted, best = (values[fits.singular] for values in (first, fitted, best))
    return (
        len(best),
        [int((first - best > margin).sum()) for margin in MARGINS],
        [int((fitted - best > margin).sum()) for margin in MARGINS],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--outcomes", type=int, default=4096)
    given = parser.parse_args()
    seeds = given.seeds
    worst, wrong, flagged = zero_variance(seeds)
    print(
        f"zero variance, {seeds} seeds: criterion above the best of 20 random starts by at most "
        f"{worst:.2e}; singular in {flagged}, flag wrong in {wrong}"
    )
    print(f"Outcomes above the lowest minimum by more than {MARGINS}:")
    for groups in (10, 20, 40, 100):
        for large, outliers in ((False, False), (True, False), (False, True), (True, True)):
            singular, first, fitted = further_minima(
                groups, given.outcomes, large=large, outliers=outliers
            )
            kind = f"{'one large group' if large else ''} {'outliers' if outliers else ''}"
            print(
                f"{groups:4} groups {kind:25}{singular:6} singular, first descent "
                f"{first}, fit {fitted}",
                flush=True,
            )


if __name__ == "__main__":
    main()
