"""The minima of many criteria, found together.

Every outcome descends by itself; where a covariance matrix comes out singular, the further starts
of `optimum.boundary` are tried as well, all of them side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from qsmstats.arrays import Flags, Floats, Integers, Places
from qsmstats.mixed.batch.criterion import evaluate_together
from qsmstats.mixed.batch.design import IndependentGroups
from qsmstats.mixed.batch.products import OutcomeProducts
from qsmstats.mixed.optimum.boundary import SAME, further_starts, is_singular
from qsmstats.mixed.optimum.trust_region import Descents, descend

__all__ = ["Minima", "minimise_together"]

# How close (share of T, units of -2 log likelihood) a descent from a further start comes to the
# known minimum before it is taken to end there.
_NEAR = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True)
class Minima:
    """Where the descents of m outcomes ended.

    Attributes
    ----------
    theta
        Best points, shape (m, k).
    value
        Criteria there, shape (m,); infinite where the criterion fell without end.
    converged, singular
        Shapes (m,).
    iterations
        Steps tried, shape (m,).
    """

    theta: Floats
    value: Floats
    converged: Flags
    singular: Flags
    iterations: Integers


def minimise_together(
    grouped: IndependentGroups, products: OutcomeProducts, start: Floats
) -> Minima:
    """Minimise the criteria of m outcomes from starts of their own, shape (m, k)."""
    parametrisation = grouped.parametrisation
    found = _descend(grouped, products, start)
    if max(parametrisation.widths) == 1 or not found.singular.any():
        return found
    again = np.flatnonzero(found.singular & np.isfinite(found.value))
    made = found
    # All starts of an outcome go side by side; as many outcomes at a time as the chunk holds.
    count = len(further_starts(parametrisation, found.theta[0]))
    size = max(1, len(start) // count)
    for at in range(0, len(again), size):
        part = again[at : at + size]
        made = _put(
            made, part, _from_further_starts(grouped, products.take(part), _pick(made, part))
        )
    return made


def _from_further_starts(
    grouped: IndependentGroups, products: OutcomeProducts, first: Minima
) -> Minima:
    """Return the best of the minima found and those reached from the further starts."""
    starts = np.array([further_starts(grouped.parametrisation, theta) for theta in first.theta])
    m, count, k = starts.shape
    value_known = np.repeat(first.value, count)
    elements_known = np.repeat(_elements(grouped, first.theta), count, axis=0)

    def arrived(which: Places, state: Descents) -> Flags:
        """Whether descents are about to end where the known minimum is."""
        elements = elements_known[which]
        distance = np.linalg.norm(_elements(grouped, state.theta[which]) - elements, axis=1)
        close = distance < _NEAR * (1.0 + np.linalg.norm(elements, axis=1))
        above = state.value[which] - value_known[which]
        return np.asarray(close & (above > -SAME) & (above < _NEAR))

    again = products.take(np.repeat(np.arange(m), count))
    found = _descend(grouped, again, starts.reshape(m * count, k), arrived)
    value = found.value.reshape(m, count)
    best = np.arange(m) * count + value.argmin(axis=1)
    # Of minima that agree to rounding the first one stays, so that a fit does not wander.
    better = first.value - value.min(axis=1) >= SAME
    made = _put(first, np.flatnonzero(better), _pick(found, best[better]))
    tried = first.iterations + found.iterations.reshape(m, count).sum(axis=1)
    return replace(made, iterations=tried)


def _pick(found: Minima, which: Places) -> Minima:
    return Minima(**{field.name: getattr(found, field.name)[which] for field in fields(Minima)})


def _put(found: Minima, which: Places, best: Minima) -> Minima:
    placed = {field.name: getattr(found, field.name).copy() for field in fields(Minima)}
    for name, values in placed.items():
        values[which] = getattr(best, name)
    return Minima(**placed)


def _elements(grouped: IndependentGroups, theta: Floats) -> Floats:
    """Elements of T, shape (m, k)."""
    made: Floats = 0.5 * np.einsum("tab,na,nb->nt", grouped.curvature, theta, theta, optimize=True)
    return made


def _descend(
    grouped: IndependentGroups,
    products: OutcomeProducts,
    start: Floats,
    arrived: Callable[[Places, Descents], Flags] | None = None,
) -> Minima:
    part, inside = products, np.arange(len(start))

    def evaluate(which: Places, theta: Floats) -> tuple[Floats, Floats, Floats]:
        nonlocal part, inside
        if len(which) < len(inside):
            part, inside = part.take(np.searchsorted(inside, which)), which
        values = evaluate_together(grouped, part, theta)
        return values.value, values.gradient, values.hessian

    found = descend(evaluate, start, arrived)
    theta = grouped.parametrisation.orient(found.theta)
    return Minima(
        theta=theta,
        value=found.value,
        converged=found.converged,
        singular=is_singular(grouped.parametrisation, theta),
        iterations=found.iterations,
    )
