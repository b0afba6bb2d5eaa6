"""Newton's method in a trust region for many criteria at once.

The iteration is that of `optimise`, step for step, with an array in place of each number: every
outcome has a trust region of its own, leaves when it has converged, and is not touched by the
others. Where a covariance matrix comes out singular the further starts of `search` are tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from qsmstats.mixed.batch.criterion import Values, evaluate_together
from qsmstats.mixed.batch.products import Bundle
from qsmstats.mixed.batch.sweeps import Form
from qsmstats.mixed.criterion.covariance import Parametrisation
from qsmstats.mixed.optimum.search import SAME, further_starts, is_singular
from qsmstats.mixed.optimum.trust_region import MOST_ITERATIONS, TOLERANCE

__all__ = ["Minima", "minimise_together"]

# How close (share of T, units of -2 log likelihood) a descent from a further start comes to the
# known minimum before it is taken to end there.
_NEAR = 1e-2

Matrix = NDArray[np.float64]
Flags = NDArray[np.bool_]


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

    theta: Matrix
    value: Matrix
    converged: Flags
    singular: Flags
    iterations: NDArray[np.int64]


def minimise_together(bundle: Bundle, start: Matrix, form: Form) -> Minima:
    """Minimise the criteria of m outcomes from starts of their own, shape (m, k)."""
    parametrisation = form.parametrisation
    found = _descend(bundle, start, form)
    if max(parametrisation.widths) == 1 or not found.singular.any():
        return found
    again = np.flatnonzero(found.singular & np.isfinite(found.value))
    made = found
    # All starts of an outcome go side by side; as many outcomes at a time as the chunk holds.
    count = len(further_starts(parametrisation, found.theta[0]))
    size = max(1, len(start) // count)
    for at in range(0, len(again), size):
        part = again[at : at + size]
        made = _put(made, part, _from_further_starts(bundle, _pick(made, part), part, form))
    return made


def _from_further_starts(
    bundle: Bundle, first: Minima, places: NDArray[np.intp], form: Form
) -> Minima:
    """Return the best of the minima found and those reached from the further starts."""
    starts = np.array([further_starts(form.parametrisation, theta) for theta in first.theta])
    m, count, k = starts.shape
    known = _Known(
        value=np.repeat(first.value, count),
        elements=np.repeat(_elements(first.theta, form), count, axis=0),
    )
    found = _descend(
        bundle.take(np.repeat(places, count)), starts.reshape(m * count, k), form, known
    )
    value = found.value.reshape(m, count)
    best = np.arange(m) * count + value.argmin(axis=1)
    # Of minima that agree to rounding the first one stays, so that a fit does not wander.
    better = first.value - value.min(axis=1) >= SAME
    made = _put(first, np.flatnonzero(better), _pick(found, best[better]))
    tried = first.iterations + found.iterations.reshape(m, count).sum(axis=1)
    return replace(made, iterations=tried)


def _pick(found: Minima, which: NDArray[np.intp]) -> Minima:
    return Minima(**{field.name: getattr(found, field.name)[which] for field in fields(Minima)})


def _put(found: Minima, which: NDArray[np.intp], best: Minima) -> Minima:
    placed = {field.name: getattr(found, field.name).copy() for field in fields(Minima)}
    for name, values in placed.items():
        values[which] = getattr(best, name)
    return Minima(**placed)


@dataclass(frozen=True, slots=True)
class _Known:
    """Minima that are known already: criteria, shape (m,), and elements of T, shape (m, k)."""

    value: Matrix
    elements: Matrix

    def reached(self, which: NDArray[np.intp], value: Matrix, elements: Matrix) -> Flags:
        """Whether descents of some outcomes are about to end where the known minimum is."""
        distance = _norm(elements - self.elements[which])
        close = distance < _NEAR * (1.0 + _norm(self.elements[which]))
        above = value - self.value[which]
        return np.asarray(close & (above > -SAME) & (above < _NEAR))


def _elements(theta: Matrix, form: Form) -> Matrix:
    """Elements of T, shape (m, k)."""
    made: Matrix = 0.5 * np.einsum("tab,na,nb->nt", form.curvature, theta, theta, optimize=True)
    return made


@dataclass(slots=True)
class _State:
    """The descents under way: what changes from step to step."""

    theta: Matrix
    value: Matrix
    gradient: Matrix
    hessian: Matrix
    radius: Matrix
    iterations: NDArray[np.int64]
    converged: Flags
    running: Flags


def _descend(bundle: Bundle, start: Matrix, form: Form, known: _Known | None = None) -> Minima:
    state = _begin(evaluate_together(bundle, start, form), start)
    part, inside = bundle, np.arange(len(start))
    for _ in range(MOST_ITERATIONS):
        active = np.flatnonzero(state.running)
        if not len(active):
            break
        state.iterations[active] += 1
        step, expected = _steps(state.gradient[active], state.hessian[active], state.radius[active])
        done = expected <= TOLERANCE
        state.converged[active[done]] = True
        state.running[active[done]] = False
        active, step, expected = active[~done], step[~done], expected[~done]
        if not len(active):
            break
        if len(active) < len(inside):
            part = part.take(np.searchsorted(inside, active))
            inside = active
        trial = evaluate_together(part, state.theta[active] + step, form)
        _advance(state, active, step, expected, trial)
        if known is not None:
            elements = _elements(state.theta[active], form)
            state.running[active[known.reached(active, state.value[active], elements)]] = False
    theta = np.array([form.parametrisation.orient(one) for one in state.theta]).reshape(start.shape)
    return Minima(
        theta=theta,
        value=state.value,
        converged=state.converged,
        singular=_singular(form.parametrisation, theta),
        iterations=state.iterations,
    )


def _singular(parametrisation: Parametrisation, theta: Matrix) -> Flags:
    return np.array([is_singular(parametrisation, one) for one in theta], dtype=bool)


def _begin(values: Values, start: Matrix) -> _State:
    running = np.isfinite(values.value)
    return _State(
        theta=start.copy(),
        value=values.value.copy(),
        gradient=values.gradient.copy(),
        hessian=values.hessian.copy(),
        radius=np.ones(len(start)),
        iterations=np.zeros(len(start), dtype=np.int64),
        converged=np.zeros(len(start), dtype=bool),
        running=running,
    )


def _advance(
    state: _State, active: NDArray[np.intp], step: Matrix, expected: Matrix, trial: Values
) -> None:
    """Judge a step of every running descent, as `optimise.minimise` does."""
    length = np.sqrt(np.square(step).sum(axis=1))
    ratio = _quality(state.value[active], trial.value, expected)
    radius = state.radius[active]
    radius = np.where(ratio < 0.25, 0.25 * length, radius)
    radius = np.where(ratio > 0.75, np.maximum(radius, 2.0 * length), radius)
    state.radius[active] = radius
    taken = ratio > 1e-4
    moved = active[taken]
    size = np.sqrt(np.square(state.theta[active]).sum(axis=1))
    state.running[active[~taken & (radius < 1e-14 * (1.0 + size))]] = False
    state.theta[moved] += step[taken]
    state.value[moved] = trial.value[taken]
    state.gradient[moved] = trial.gradient[taken]
    state.hessian[moved] = trial.hessian[taken]


def _quality(before: Matrix, after: Matrix, expected: Matrix) -> Matrix:
    """Fall of the criteria over the fall that the quadratic models promised."""
    noise = 1e-13 * np.maximum(1.0, np.abs(before))
    finite = np.isfinite(after)
    fall = before - np.where(finite, after, 0.0)
    rounding = (np.abs(fall) <= noise) & (expected <= 1e3 * noise)
    made: Matrix = np.where(finite, np.where(rounding, 1.0, fall / expected), -1.0)
    return made


def _steps(gradient: Matrix, hessian: Matrix, radius: Matrix) -> tuple[Matrix, Matrix]:
    """Find the best steps of the quadratic models within the radii, and the falls they promise."""
    values, vectors = np.linalg.eigh(hessian)
    slope = np.einsum("nji,nj->ni", vectors, gradient)
    floor = 1e-10 * np.maximum(1.0, np.abs(values).max(axis=1))
    least = floor * radius
    # Leave a saddle: a direction of negative curvature is used even without a slope.
    flat = (values[:, 0] < -floor) & (np.abs(slope[:, 0]) <= least)
    slope[:, 0] = np.where(flat, least, slope[:, 0])
    shift = np.maximum(0.0, floor - values[:, 0])
    step = -slope / (values + shift[:, None])
    far = np.flatnonzero(_norm(step) > radius)
    if len(far):
        shift = _shifts_to_radius(values[far], slope[far], shift[far], radius[far])
        step[far] = -slope[far] / (values[far] + shift[:, None])
    expected = -(np.einsum("ni,ni->n", slope, step) + 0.5 * (step * values * step).sum(axis=1))
    return np.einsum("nij,nj->ni", vectors, step), expected


def _norm(rows: Matrix) -> Matrix:
    made: Matrix = np.sqrt(np.square(rows).sum(axis=1))
    return made


def _shifts_to_radius(values: Matrix, slope: Matrix, low: Matrix, radius: Matrix) -> Matrix:
    """Return the shifts at which the steps are as long as the radii, by bisection."""

    def long(shift: Matrix) -> Flags:
        return np.asarray(_norm(slope / (values + shift[:, None])) > radius)

    high = np.maximum(low, 1e-10) + _norm(slope) / radius
    low = np.maximum(low, high * 1e-16)
    high = _grown(high, long)
    for _ in range(60):
        middle = np.sqrt(low * high)
        wide = ~(high < 1.01 * low)
        if not wide.any():
            break
        above = long(middle)
        low = np.where(wide & above, middle, low)
        high = np.where(wide & ~above, middle, high)
    return high


def _grown(high: Matrix, long: Callable[[Matrix], Flags]) -> Matrix:
    while (above := long(high)).any():
        high = np.where(above, 4.0 * high, high)
    return high
