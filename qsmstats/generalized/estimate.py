"""From a generalised mixed model on its rows to the maximum of its likelihood.

With nested integration the search goes in three stages. Few nodes, placed anew at every point, lead
near the maximum. There the number of nodes of each level is doubled until -2 log likelihood moves
by less than 1e-6. At these nodes, held, Newton's method converges; placing them once more must then
change nothing, else the last two stages are repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qsmstats.arrays import Flags, Floats, Integers, Places
from qsmstats.errors import NotIdentifiedError, UsageError
from qsmstats.generalized.assembly import GeneralizedLayout
from qsmstats.generalized.chain import Chain
from qsmstats.generalized.laplace import Laplace
from qsmstats.generalized.parameters import Parameters
from qsmstats.generalized.quadrature import Quadrature
from qsmstats.generalized.separation import start_fixed
from qsmstats.generalized.specification import Integration
from qsmstats.mixed.criterion.covariance import Parametrisation
from qsmstats.mixed.criterion.elimination_order import Factor, Level, eliminate, merge_factors
from qsmstats.mixed.optimum.boundary import SAME, further_starts
from qsmstats.mixed.optimum.principal_axes import is_singular
from qsmstats.mixed.optimum.trust_region import Descents, descend

__all__ = ["Engine", "Evaluate", "Optimum", "build_engine", "laplace_beside", "likelihood", "solve"]

MOST_NESTED = 3
"""Columns of all random terms together that nested integration takes."""

_FIRST_ORDER = 7
_MOST_ORDER, _MOST_NODES = 224, 2**13
# Elements of the largest array of a top group, which is integrated as a whole.
_MOST_ELEMENTS = 2**27
_MOVES = 1e-6
_MOST_ROUNDS = 6
# Falls of the criterion that a Newton step may promise before the last step, and after it.
_NEAR, _LEFT = 1e-7, 1e-8
# Standard deviation, in units of the whitened columns, from which the search starts.
_START = 0.7

Evaluate = Callable[[Floats], tuple[float, Floats, Floats]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The likelihood of a model on its rows.

    Attributes
    ----------
    layout
        The rows.
    parameters, order
        The free parameters, and the formula position of each term in their order.
    whiteners
        S of each term, in the order of the formula.
    integration
        How the random effects are integrated.
    levels, codes
        Groupings in the order of the parameters: formula positions of their terms, and the group of
        each row, shape (n,).
    chain
        The rows of a nested design, for quadrature; or None.
    laplace
        Laplace's approximation; or None.
    start
        Where to start, shape (m,).
    """

    layout: GeneralizedLayout
    parameters: Parameters
    order: tuple[int, ...]
    whiteners: tuple[Floats, ...]
    integration: Integration
    levels: tuple[tuple[int, ...], ...]
    codes: tuple[Integers, ...]
    chain: Chain | None
    laplace: Laplace | None
    start: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """The maximum that was found.

    Attributes
    ----------
    phi
        Free parameters, shape (m,).
    value, gradient, hessian
        Log likelihood and derivatives there.
    converged
        Whether the optimiser's own test was met.
    orders
        Nodes in each dimension of each level, in the order of the parameters; ones for Laplace.
    iterations, evaluations
        Of all stages.
    settled
        Whether doubling the nodes moves -2 log likelihood by less than 1e-6.
    effects
        Mean and covariance of the standard normal effects of each level, for every group.
    """

    phi: Floats
    value: float
    gradient: Floats
    hessian: Floats
    converged: bool
    orders: tuple[int, ...]
    iterations: int
    evaluations: int
    settled: bool
    effects: list[tuple[Floats, Floats]]


def build_engine(layout: GeneralizedLayout, integration: Integration | None) -> Engine:
    """Order the groupings, choose the integration, and find where to start.

    Raises
    ------
    UsageError
        If nested integration is asked for and cannot be done.
    NotIdentifiedError
        If fixed columns separate the outcome.
    """
    design = layout.design
    factors = merge_factors(
        [frozenset(part.design.grouping.names) for part in design.random],
        [part.codes for part in design.random],
        [part.columns.shape[1] for part in design.random],
    )
    levels = eliminate(factors)
    chosen = _choose(integration, factors, levels)
    terms, codes = _groupings(chosen, factors, levels)
    order = tuple(term for group in terms for term in group)
    widths = tuple(design.random[term].columns.shape[1] for term in order)
    parameters = Parameters(
        rank=design.basis.shape[1],
        covariance=Parametrisation(strata=0, widths=widths),
        levels=tuple(map(len, terms)),
        has_shape=layout.outcome.has_shape,
    )
    fixed = start_fixed(
        layout.outcome, design.basis, design.root, design.offset, design.fixed.names
    )
    theta = _START * parameters.covariance.start()
    start = np.concatenate([fixed, theta, np.zeros(int(parameters.has_shape))])
    columns = [part.columns for part in design.random]
    chain = laplace = None
    if chosen == "nested":
        chain = Chain.of(levels, columns, design.basis, design.offset, layout.outcome)
    else:
        laplace = _laplace(layout, terms, codes, parameters)
    return Engine(
        layout=layout,
        parameters=parameters,
        order=order,
        whiteners=tuple(part.whitener for part in design.random),
        integration=chosen,
        levels=terms,
        codes=codes,
        chain=chain,
        laplace=laplace,
        start=start,
    )


def _laplace(
    layout: GeneralizedLayout,
    terms: Sequence[Sequence[int]],
    codes: Sequence[Integers],
    parameters: Parameters,
) -> Laplace:
    design = layout.design
    columns = [np.column_stack([design.random[one].columns for one in group]) for group in terms]
    return Laplace(layout.outcome, design.basis, design.offset, columns, codes, parameters)


def laplace_beside(engine: Engine, phi: Floats) -> float | None:
    """Return Laplace's log likelihood at parameters of nested integration.

    None where the fit is Laplace's itself, or where it would not fit into memory.
    """
    if engine.laplace is not None:
        return None
    try:
        other = _laplace(engine.layout, engine.levels, engine.codes, engine.parameters)
    except NotIdentifiedError:
        return None
    return other.slope(phi)[0]


def _groupings(
    integration: Integration, factors: list[Factor], levels: tuple[Level, ...]
) -> tuple[tuple[tuple[int, ...], ...], tuple[Integers, ...]]:
    """Return the terms of each grouping, and the group of each row, in the order of integration."""
    if integration == "nested":
        terms = tuple(tuple(member.term for member in level.members) for level in levels)
        return terms, tuple(level.codes for level in levels)
    # The widest grouping is swept out first.
    factors = sorted(factors, key=lambda one: -one.size * sum(one.widths))
    return tuple(one.terms for one in factors), tuple(one.codes for one in factors)


def _choose(
    asked: Integration | None, factors: list[Factor], levels: tuple[Level, ...]
) -> Integration:
    nested = all(member.local is None for level in levels for member in level.members)
    columns = sum(sum(factor.widths) for factor in factors)
    if asked == "nested" and not nested:
        raise UsageError(
            "integration='nested' needs groupings of which each lies within the next, and these "
            "are crossed; use integration='laplace'"
        )
    if asked == "nested" and columns > MOST_NESTED:
        raise UsageError(
            f"integration='nested' takes at most {MOST_NESTED} random columns, and the model has "
            f"{columns}; use integration='laplace', or fewer random terms"
        )
    if asked is not None:
        return asked
    return "nested" if nested and columns <= MOST_NESTED else "laplace"


def solve(engine: Engine, like: Optimum | None = None) -> Optimum:
    """Maximise the likelihood.

    `like` is the maximum of a similar outcome of the same design: the search starts there and keeps
    its numbers of nodes.

    The likelihood of a correlated term can have several maxima on the boundary of the covariance
    matrices (correlations of +1 and -1, say). A singular maximum of such a term is therefore
    compared with the one reached when its zero directions are opened.
    """
    found = _maximum(engine, engine.start if like is None else like.phi, like)
    covariance, place = engine.parameters.covariance, engine.parameters.theta
    theta = found.phi[place]
    if max(covariance.widths) == 1 or not is_singular(covariance, theta):
        return found
    again = found.phi.copy()
    again[place] = further_starts(covariance, theta[None])[0, 1]
    other = _maximum(engine, again, like)
    best = other if other.value > found.value + SAME else found
    return replace(
        best,
        iterations=found.iterations + other.iterations,
        evaluations=found.evaluations + other.evaluations,
    )


def _maximum(engine: Engine, start: Floats, like: Optimum | None) -> Optimum:
    """Return the maximum that is reached from a start."""
    if engine.laplace is not None:
        return _solve_laplace(engine, engine.laplace, start)
    assert engine.chain is not None  # noqa: S101
    return _Search(engine.chain, engine.parameters).run(start, like)


def likelihood(engine: Engine, optimum: Optimum) -> Evaluate:
    """Return the log likelihood with its derivatives, integrated as at the maximum."""
    if engine.laplace is not None:
        return engine.laplace.at
    assert engine.chain is not None  # noqa: S101
    rule = Quadrature(engine.chain, engine.parameters, optimum.orders, optimum.phi)

    def evaluate(phi: Floats) -> tuple[float, Floats, Floats]:
        rule.move(phi)
        return rule.at(phi)

    return evaluate


def _solve_laplace(engine: Engine, laplace: Laplace, start: Floats) -> Optimum:
    search = _Counter(laplace.at)
    state = search.descend(start)
    phi = engine.parameters.orient(state.theta[0])
    # Where a sign was turned, the derivatives turn with it.
    if not np.array_equal(phi, state.theta[0]):
        state = search.descend(phi)
    return Optimum(
        phi=phi,
        value=-0.5 * float(state.value[0]),
        gradient=-0.5 * state.gradient[0],
        hessian=-0.5 * state.hessian[0],
        converged=bool(state.converged[0]),
        orders=tuple(1 for _ in engine.levels),
        iterations=int(state.iterations[0]),
        evaluations=search.evaluations,
        settled=True,
        effects=laplace.posterior(phi),
    )


class _Counter:
    """-2 log likelihood for the trust region, counting its evaluations."""

    def __init__(self, evaluate: Evaluate) -> None:
        self.evaluate, self.evaluations = evaluate, 0

    def descend(self, start: Floats, gain: float = 0.0, radius: float = 0.0) -> Descents:
        """Minimise until a Newton step promises less than `gain`, or a radius is so small."""

        def arrived(_: Places, state: Descents) -> Flags:
            left = _newton(state.gradient[0], state.hessian[0])[1]
            return np.array([left < gain or state.radius[0] < radius])

        return descend(self._at, start[None], arrived)

    def _at(self, _: Places, phi: Floats) -> tuple[Floats, Floats, Floats]:
        self.evaluations += 1
        value, gradient, hessian = self.evaluate(phi[0])
        return np.array([-2.0 * value]), -2.0 * gradient[None], -2.0 * hessian[None]


def _newton(gradient: Floats, hessian: Floats) -> tuple[Floats, float]:
    """Newton's step, and the fall of the criterion it promises: without end at a saddle.

    Flat directions, as of a correlation where one of the two variances is zero, take no step.
    """
    values, vectors = np.linalg.eigh(hessian)
    floor = 1e-8 * max(1.0, float(values[-1]))
    if values[0] < -floor:
        return np.zeros(len(gradient)), np.inf
    slope = np.where(values > floor, vectors.T @ gradient, 0.0)
    values = np.maximum(values, floor)
    return -vectors @ (slope / values), 0.5 * float((slope**2 / values).sum())


class _Search:
    """The three stages of the search with nested integration."""

    def __init__(self, chain: Chain, parameters: Parameters) -> None:
        self.chain, self.parameters = chain, parameters
        self.orders = [_FIRST_ORDER] * len(chain.codes)
        self.iterations = self.evaluations = 0
        self.settled = True

    def run(self, start: Floats, like: Optimum | None) -> Optimum:
        rule = self.rule(start)

        def placed(phi: Floats) -> tuple[float, Floats, Floats]:
            rule.move(phi)
            return rule.at(phi)

        # With few nodes that move, small steps may make no progress.
        phi = self.descend(placed, start, gain=0.1, radius=1e-3).theta[0]
        for _ in range(_MOST_ROUNDS):
            if like is None:
                self.orders = self.adequate(phi)
            else:
                self.orders, self.settled = list(like.orders), like.settled
            # Half the nodes bring the search to where one or two steps with all of them are left.
            half = self.rule(phi, [(order + 1) // 2 for order in self.orders])
            phi = self.parameters.orient(self.descend(half.at, phi, gain=1e-5).theta[0])
            rule = self.rule(phi)
            state = self.descend(rule.at, phi, gain=_NEAR)
            # So near, the Hessian stays; the gradient is computed at the last point too.
            hessian = state.hessian[0]
            step, gain = _newton(state.gradient[0], hessian)
            phi = self.parameters.orient(state.theta[0] + step)
            rule.move(phi)
            value, gradient, effects = rule.posterior(phi)
            # Where the nodes do not settle the integral, placing them anew moves it too.
            moved = abs(value + 0.5 * (float(state.value[0]) - gain))
            left = _newton(-2.0 * gradient, hessian)[1]
            converged = gain < _NEAR and (not self.settled or (left < _LEFT and moved < _MOVES))
            if converged:
                break
        return Optimum(
            phi=phi,
            value=value,
            gradient=gradient,
            hessian=-0.5 * hessian,
            converged=converged,
            orders=tuple(self.orders),
            iterations=self.iterations,
            evaluations=self.evaluations,
            settled=self.settled,
            effects=effects,
        )

    def rule(self, phi: Floats, orders: list[int] | None = None) -> Quadrature:
        return Quadrature(self.chain, self.parameters, orders or self.orders, phi)

    def descend(
        self, evaluate: Evaluate, start: Floats, gain: float, radius: float = 0.0
    ) -> Descents:
        search = _Counter(evaluate)
        state = search.descend(start, gain, radius)
        self.iterations += int(state.iterations[0])
        self.evaluations += search.evaluations
        return state

    def adequate(self, phi: Floats) -> list[int]:
        """Return for each level the number of nodes that doubling does not improve on.

        The levels are doubled one at a time, the others at the first order: what one of them lacks
        hardly depends on the others.
        """
        first = [_FIRST_ORDER] * len(self.orders)
        widths = [columns.shape[1] for columns in self.chain.columns]
        rule = self.rule(phi, first)
        base = rule.value(phi)
        self.settled = True
        found = []
        for depth in range(len(first)):
            order, value = _FIRST_ORDER, base
            while 2 * order <= _MOST_ORDER and (2 * order) ** widths[depth] <= _MOST_NODES:
                trial = first.copy()
                trial[depth] = 2 * order
                doubled = rule.with_orders(trial, phi).value(phi)
                self.evaluations += 1
                if abs(doubled - value) < 0.5 * _MOVES:
                    break
                order, value = 2 * order, doubled
            else:
                self.settled = False
            found.append(max(order, self.orders[depth]))
        rows = int(np.bincount(self.chain.codes[-1]).max())
        while rows * math.prod(np.power(found, widths)) > _MOST_ELEMENTS:
            largest = found.index(max(found))
            found[largest] = (found[largest] + 1) // 2
            self.settled = False
        return found
