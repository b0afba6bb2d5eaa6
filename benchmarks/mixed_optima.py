"""Optima at zero variance: whether the best one is found, and the fit called singular.

    python benchmarks/mixed_optima.py [--seeds 300] [--outcomes 4096]

Groups that differ by nothing but noise, with random intercepts or slopes. The criterion reached
from the default start is compared with the best of 20 random starts, and `singular` with the sign
of the criterion's slope at zero.

Then the same for many outcomes at once: how many singular ones have a minimum lower than that
of the first descent, by more than 1e-6, 0.01 and 0.1, and how many fits lie so far above the lowest
minimum of the fit and of nine random starts. Groups of equal size have three rows of normal noise;
others have a group of sixty rows, or noise with outliers (t with 2 or 4 df). At the end, outcomes
of all designs by the effective number of groups (`optimum.boundary`): where it is large, single
fits try no further starts.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from qsmstats.mixed.batch.optimum import prepare_shared
from qsmstats.mixed.batch.single_factor import evaluate_shared
from qsmstats.mixed.criterion.covariance import factor_elements, lower_factor
from qsmstats.mixed.model import MixedModel
from qsmstats.mixed.optimum.boundary import effective_groups
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


def further_minima(groups: int, outcomes: int, *, large: bool, df: int | None) -> pd.DataFrame:
    """Return how far first descents and fits of singular outcomes lie above the lowest minimum."""
    rng = np.random.default_rng(groups)
    sizes = np.full(groups, 3)
    sizes[0] = 60 if large else 3
    frame = pd.DataFrame({"g": np.repeat(np.arange(groups), sizes)})
    frame["x"] = rng.normal(size=len(frame))
    design = MixedModel("y ~ x + (1 + x | g)").design(frame)
    shape = len(frame), outcomes
    values = rng.standard_t(df, size=shape) if df else rng.normal(size=shape)
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
    layout = design.layout
    rest = values - layout.basis @ (layout.basis.T @ values) / len(frame)
    (term,) = layout.random
    effective = [effective_groups(term.codes, term.columns, one) for one in rest.T]
    made = {"first": first - best, "fit": fitted - best, "effective": effective}
    return pd.DataFrame(made)[fits.singular]


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
    every = []
    for groups in (10, 20, 40, 100, 300):
        for large, df in ((False, None), (True, None), (False, 4), (False, 2), (True, 2)):
            found = further_minima(groups, given.outcomes, large=large, df=df)
            every.append(found)
            above = {
                name: [int((found[name] > margin).sum()) for margin in MARGINS]
                for name in ("first", "fit")
            }
            kind = f"{'one large group' if large else ''} {f't, {df} df' if df else 'normal'}"
            print(
                f"{groups:4} groups {kind:25}{len(found):6} singular, first descent "
                f"{above['first']}, fit {above['fit']}",
                flush=True,
            )
    pooled = pd.concat(every)
    edges = [0, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100, np.inf]
    told = pooled.groupby(pd.cut(pooled["effective"], edges), observed=True)["first"]
    print(told.agg(singular="size", lower=lambda x: (x > MARGINS[0]).sum(), by_at_most="max"))


if __name__ == "__main__":
    main()
