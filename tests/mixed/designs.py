"""Random designs of every structure that the engine tells apart, and their naive matrices."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qsmstats.mixed.model import MixedModel
from qsmstats.mixed.optimum.estimate import Engine
from tests.mixed import naive

# Intercepts, slopes, uncorrelated slopes; nested twice; crossed within and across groups.
FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ x + (1 + x | g)",
    "y ~ x + (x || g)",
    "y ~ x + (1 + x + z | g)",
    "y ~ f * x + (1 + x | g) + (1 | g:h)",
    "y ~ x + (1 | g) + (1 + x | g:h)",
    "y ~ x + (1 | s) + (1 | s:g) + (1 | s:g:h)",
    "y ~ x + (1 + x | s) + (1 | s:g) + (1 + x | s:g:h)",
    "y ~ x + (1 | g) + (1 | k)",
    "y ~ x + (1 + x | g) + (1 + x | k)",
    "y ~ x + (1 | g) + (1 | g:f) + (1 | g:h)",
    "y ~ x + (0 + f | g) + (1 | k)",
]


def random_data(seed: int, rows: int = 90) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "g": rng.integers(0, 9, rows),
            "h": rng.integers(0, 3, rows),
            "k": rng.integers(0, 5, rows),
            "f": rng.choice(["a", "b", "c"], rows),
            "x": rng.normal(size=rows),
            "z": rng.normal(2.0, 3.0, size=rows),
            "w": rng.uniform(0.5, 2.0, rows),
            "r": rng.choice(["u", "v", "w"], rows),
        }
    )
    data["s"] = data.g % 3
    data["y"] = (
        1 + data.x + rng.normal(size=9)[data.g] + rng.normal(size=rows) * (1 + (data.r == "u"))
    )
    return data


def engine(seed: int, formula: str, *, reml: bool = True, weights: object = None) -> Engine:
    method = "reml" if reml else "ml"
    return MixedModel(formula).engine(random_data(seed), method=method, weights=weights)


def naive_parts(made: Engine):
    """Fixed columns, outcome and random terms of an engine's layout, in the user's units."""
    layout = made.layout
    x = layout.basis @ layout.root
    terms = [(part.codes, part.columns @ part.whitener) for part in layout.random]
    sizes = [part.design.grouping.size for part in layout.random]
    return x, layout.response, terms, sizes


def residual_variances(made: Engine, ratios: np.ndarray) -> np.ndarray:
    """Residual variance of each row relative to sigma2."""
    residuals = made.layout.residuals
    variance = np.ones(len(made.layout.response))
    if residuals.codes is not None:
        variance = variance * ratios[residuals.codes] ** 2
    return variance if residuals.prior is None else variance / residuals.prior


def naive_covariance(made: Engine, theta: np.ndarray) -> np.ndarray:
    """V / sigma2 at free parameters, n x n."""
    _, _, terms, sizes = naive_parts(made)
    strata = made.objective.parametrisation.strata
    variances = [factor @ factor.T for factor in made.factors(theta)]
    residual = residual_variances(made, np.exp(np.r_[0.0, theta[:strata]]))
    return naive.covariance(terms, sizes, variances, residual)
