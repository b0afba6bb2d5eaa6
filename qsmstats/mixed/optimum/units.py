"""Between the units of the optimiser and those of the user, for one fit or for many.

The criterion works with whitened random columns, so that T_w = S T S' for a term with whitener S;
its Cholesky factor and lme4's are related by L = S^-1 L_w, made lower triangular by an LQ
decomposition, which holds for singular T too. Its fixed columns are an orthogonal basis Q, X = Q R,
and its outcome is in units of its own size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qsmstats.arrays import Floats
from qsmstats.mixed.criterion.covariance import Parametrisation, lower_factor

__all__ = ["criterion_offset", "free_parameters", "relative_factors"]


def relative_factors(
    parametrisation: Parametrisation,
    order: Sequence[int],
    whiteners: Sequence[Floats],
    theta: Floats,
) -> tuple[Floats, ...]:
    """Relative Cholesky factors in the user's units, in the order of the formula.

    Parameters
    ----------
    parametrisation, order
        The free parameters, and the formula position of each term in their order.
    whiteners
        S of each term, in the order of the formula.
    theta
        Free parameters of one fit, shape (k,), or of many, shape (m, k).
    """
    made = dict(zip(order, parametrisation.factors(theta), strict=True))
    return tuple(
        lower_factor(np.asarray(np.linalg.solve(whitener, made[term])))
        for term, whitener in enumerate(whiteners)
    )


def free_parameters(
    parametrisation: Parametrisation,
    order: Sequence[int],
    whiteners: Sequence[Floats],
    factors: Sequence[Floats],
    log_ratios: Floats,
) -> Floats:
    """Free parameters of Cholesky factors in the user's units: inverse of `relative_factors`."""
    whitened = [lower_factor(whiteners[term] @ factors[term]) for term in order]
    return parametrisation.join(log_ratios, whitened)


def criterion_offset(
    root: Floats,
    degrees: Floats | float,
    scale: Floats | float,
    log_weight: Floats | float,
    *,
    reml: bool,
) -> Floats:
    """Return what units and prior weights add to -2 log likelihood.

    Parameters
    ----------
    root
        R, shape (p, p).
    degrees, scale, log_weight
        nu, the unit of the outcome, and the sum of the logarithms of the prior weights; of one
        fit, or shape (m,).
    reml
        REML or ML.
    """
    made = np.asarray(2.0 * degrees * np.log(scale) - log_weight)
    return made + 2.0 * np.log(np.abs(np.diag(root))).sum() if reml else made
