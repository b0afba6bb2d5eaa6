"""Optima at zero variance: whether the best one is found, and the fit called singular.

    python benchmarks/mixed_optima.py [--seeds 300]

Groups that differ by nothing but noise, with random intercepts or slopes. The criterion reached
from the default start is compared with the best of 20 random starts, and `singular` with the sign
of the criterion's slope at zero.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from qsmstats.mixed.model import MixedModel
from qsmstats.mixed.optimum.trust_region import minimise


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=300)
    seeds = parser.parse_args().seeds
    worst, wrong, flagged = zero_variance(seeds)
    print(
        f"zero variance, {seeds} seeds: criterion above the best of 20 random starts by at most "
        f"{worst:.2e}; singular in {flagged}, flag wrong in {wrong}"
    )


if __name__ == "__main__":
    main()
