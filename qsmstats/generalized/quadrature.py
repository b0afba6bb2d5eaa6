r"""Exact likelihood of a nested design: adaptive Gauss-Hermite quadrature at every level.

The likelihood of a top group factorises downwards (rows in lesions in patients):

.. math:: L = \int \varphi(v) \prod_{\mathrm{lesions}} \Bigl[\int \varphi(a) \prod_{\mathrm{rows}}
   f(y_i \mid \eta_i + z_i' L_2 v + z_i' L_1 a)\, da \Bigr] dv.

*Nodes* are :math:`a_k = c + S z_k` with log weight :math:`\log w_k + \log|S| - |a_k|^2/2 +
|z_k|^2/2` (Naylor & Smith 1982, Appl Stat 31:214-225; Pinheiro & Bates 1995, J Comput Graph Stat
4:12-35; for nested levels Rabe-Hesketh, Skrondal & Pickles 2005, J Econometrics 128:301-323). c is
the mode of a group's integrand, in which the levels below have been integrated, and :math:`SS'` its
inverse curvature there. They are found by Newton's method for every group at every node of the
levels above; the integrands are log-concave (Prekopa 1973), so each has one mode.

*Gradient*, by Fisher's identity: the posterior mean of the complete-data score. *Hessian*, by
Louis' identity (1982, J R Stat Soc B 44:226-233),

.. math:: \nabla^2 \log L = E[\nabla^2 \log f \mid y] + \mathrm{Var}(\nabla \log f \mid y),

the variance by the law of total variance up the tree, as the scores of children are independent
given their parent's node. Both are the exact derivatives of the quadrature rule at fixed nodes.

Arrays have the groups (or rows) first, then the combinations of nodes of all levels above (A), then
those of the level itself (K), the finest level running fastest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from scipy.special import roots_hermitenorm

from qsmstats.arrays import Floats, Places
from qsmstats.generalized.chain import Block, BlockLevel, Chain
from qsmstats.generalized.parameters import Parameters

__all__ = ["Quadrature", "hermite_nodes"]

# Elements of the largest array of a block: it should stay in the processor's cache.
_BLOCK = 2**16
# Nodes of the levels below while those of a level are placed: they need not be in place exactly.
_ROUGH = 7
# Length of the Newton steps at which nodes are in place; they need not be exactly at the mode.
_PLACED = 1e-3
_MOST_STEPS = 100

Centres = dict[tuple[int, int], Floats]
"""Centres of the nodes of a level, by the level and the combinations of nodes above it."""

_Place = tuple[Floats, Floats]
"""Centre c, shape (groups, A, d), and root S, shape (groups, A, d, d)."""

Jets = tuple[Floats, Floats, Floats]
"""Value, shape (units, A), gradient (units, A, d) and Hessian (units, A, d, d)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nodes:
    """Nodes of one level: effects, shape (groups, A, K, d), and their log weights without d."""

    centre: Floats
    root: Floats
    effects: Floats
    log_weights: Floats


@cache
def hermite_nodes(order: int, width: int) -> tuple[Floats, Floats]:
    """Nodes, shape (order ** width, width), and log weights of a standard normal density."""
    z, w = roots_hermitenorm(order)
    # Weights too small for doubles belong to nodes that count for nothing.
    held = w > 0.0
    z, w = z[held], w[held]
    grid = np.array(list(product(z, repeat=width)))
    log_weights = np.array(list(product(np.log(w / w.sum()), repeat=width))).sum(axis=1)
    return grid, log_weights


class Quadrature:
    """The log likelihood of a nested design at nodes that are held.

    Nodes are placed in blocks that are as large as the combinations of nodes above the finest level
    allow; the likelihood is evaluated in smaller ones, with the nodes of the finest level too.

    Parameters
    ----------
    chain
        The rows.
    parameters
        Of the model.
    orders
        Nodes in each dimension of each level, finest first.
    phi
        Parameters at which the nodes are placed.
    """

    def __init__(
        self, chain: Chain, parameters: Parameters, orders: Sequence[int], phi: Floats
    ) -> None:
        # glibc gives freed arrays back to the system, and asks for the next page by page, until it
        # has seen a larger one freed. This one is never touched; it saves a quarter of the time.
        np.empty(_BLOCK * 32)
        self.chain, self.parameters = chain, parameters
        self.orders = tuple(orders)
        self.large = self._blocks(self.orders[1:], chain.columns[1:])
        self.blocks = self._blocks(self.orders, chain.columns)
        self.constant = chain.outcome.constant
        # Where the nodes were placed last: there the next search for them starts.
        self.centres: list[Centres] = [{} for _ in self.large]
        self.places: list[_Place] = []
        self.move(phi)

    def _blocks(self, orders: Sequence[int], columns: Sequence[Floats]) -> list[Block]:
        nodes = math.prod(
            order ** part.shape[1] for order, part in zip(orders, columns, strict=True)
        )
        return list(self.chain.blocks(max(1, _BLOCK // nodes)))

    def with_orders(self, orders: Sequence[int], phi: Floats) -> Quadrature:
        """Return the likelihood at other numbers of nodes, placed at the same parameters."""
        if tuple(orders[1:]) != self.orders[1:] or min(orders[0], self.orders[0]) < _ROUGH:
            return Quadrature(self.chain, self.parameters, orders, phi)
        # More nodes of the finest level do not move any.
        made = copy(self)
        made.orders = tuple(orders)
        made.blocks = made._blocks(made.orders, made.chain.columns)
        return made

    def move(self, phi: Floats) -> None:
        """Place the nodes at other parameters."""
        parts = [
            _place_all(_Integral(block, self, phi), centres)
            for block, centres in zip(self.large, self.centres, strict=True)
        ]
        self.places = [
            (
                np.concatenate([part[depth][0] for part in parts]),
                np.concatenate([part[depth][1] for part in parts]),
            )
            for depth in range(len(self.orders))
        ]

    def parts(self, phi: Floats) -> Iterator[tuple[_Integral, list[_Nodes]]]:
        """Yield the integral of each block with its nodes of all levels."""
        start = [0] * len(self.orders)
        for block in self.blocks:
            nodes = []
            for depth, (centre, root) in enumerate(self.places):
                groups = slice(start[depth], start[depth] + len(block.levels[depth].parents))
                nodes.append(_nodes(centre[groups], root[groups], self.orders[depth]))
                start[depth] = groups.stop
            yield _Integral(block, self, phi), nodes

    def value(self, phi: Floats) -> float:
        """Return the log likelihood."""
        made = self.constant
        for integral, nodes in self.parts(phi):
            eta = integral.spread_all(nodes)
            made += integral.upwards(integral.block.outcome.value(eta, integral.kappa), nodes)[0]
        return made

    def at(self, phi: Floats) -> tuple[float, Floats, Floats]:
        """Return the log likelihood, its gradient, shape (m,), and its Hessian, shape (m, m)."""
        value, size = self.constant, self.parameters.size
        gradient, hessian = np.zeros(size), np.zeros((size, size))
        for integral, nodes in self.parts(phi):
            part = integral.derivatives(nodes)
            value += part[0]
            gradient += part[1]
            hessian += part[2]
        return value, gradient, hessian

    def posterior(self, phi: Floats) -> tuple[float, Floats, list[tuple[Floats, Floats]]]:
        """Return log likelihood, gradient, and the posterior of the standard normal effects.

        The last of each level, finest first: means, shape (groups, d), and covariances, shape
        (groups, d, d).
        """
        parts = [integral.posterior(nodes) for integral, nodes in self.parts(phi)]
        levels = range(len(self.orders))
        effects = [
            (
                np.concatenate([made[level][0] for *_, made in parts]),
                np.concatenate([made[level][1] for *_, made in parts]),
            )
            for level in levels
        ]
        value = self.constant + sum(part[0] for part in parts)
        return value, np.sum([part[1] for part in parts], axis=0), effects


class _Integral:
    """The integral over the effects of one block at given parameters."""

    def __init__(self, block: Block, rule: Quadrature, phi: Floats) -> None:
        self.block, self.parameters, self.orders = block, rule.parameters, rule.orders
        beta, self.factors, self.kappa = rule.parameters.split(phi)
        # Columns of the standard normal effects of each level, Z L.
        self.loaded = [
            level.columns @ factor for level, factor in zip(block.levels, self.factors, strict=True)
        ]
        self.eta = (block.offset + block.fixed @ beta)[:, None]

    # ---- Nodes ----------------------------------------------------------------------------------

    def place(self, depth: int, eta: Floats, centres: Centres) -> _Place:
        """Centre and root of the nodes of a level, 0 the finest, at eta of shape (n, A)."""
        level, width = self.block.levels[depth], self.loaded[depth].shape[1]
        shape = (level.sums.shape[0], eta.shape[1], width)
        near = centres.get((depth, eta.shape[1]), centres.get((depth, 1), np.zeros((1, 1, 1))))
        at = np.array(np.broadcast_to(near, shape))
        best, step, curve = self._newton(depth, eta, at, centres)
        for _ in range(_MOST_STEPS):
            if np.abs(step).max() < _PLACED:
                break
            value, onwards, curved = self._newton(depth, eta, at + step, centres)
            up = value >= best - 1e-9 * (1.0 + np.abs(best))
            at = np.where(up[..., None], at + step, at)
            step = np.where(up[..., None], onwards, 0.5 * step)
            curve = np.where(up[..., None, None], curved, curve)
            best = np.where(up, value, best)
        centres[depth, eta.shape[1]] = at
        return at, _inverse_root(curve)

    def _newton(self, depth: int, eta: Floats, at: Floats, centres: Centres) -> Jets:
        """Log integrand of a level's groups at effects, a Newton step, and the curvature."""
        level, loaded = self.block.levels[depth], self.loaded[depth]
        moved = eta + _predictor(level, loaded, at[:, :, None])[:, :, 0]
        value, first, second = _summed(level, self.jets(depth, moved, loaded, centres))
        curve = np.eye(at.shape[-1]) - second
        return value - 0.5 * np.square(at).sum(axis=-1), _solve(curve, first - at), curve

    def jets(self, depth: int, eta: Floats, direction: Floats, centres: Centres) -> Jets:
        """Log likelihood of the units below a level as a function of v in eta + direction v.

        Rows, for the finest level; groups of the level below with its effects integrated, for the
        others. Derivatives are at v = 0.
        """
        if depth == 0:
            made = self.block.outcome.at(eta, self.kappa)
            first = made.first[..., None] * direction[:, None]
            square = direction[:, None, :, None] * direction[:, None, None, :]
            return made.value, first, -made.curve[..., None, None] * square
        place = self.place(depth - 1, eta, centres)
        nodes = _nodes(*place, min(self.orders[depth - 1], _ROUGH))
        below = self.spread(depth - 1, eta, nodes)
        value, first, second = _summed(
            self.block.levels[depth - 1], self.jets(depth - 1, below, direction, centres)
        )
        total, share = _integrate(value, nodes)
        # From derivatives of shape (groups, A * K, ...) to (groups, A, K, ...).
        first, second = (
            part.reshape(*nodes.log_weights.shape, *part.shape[2:]) for part in (first, second)
        )
        mean = np.einsum("gak,gakd->gad", share, first)
        second = second + first[..., :, None] * first[..., None, :]
        spread = np.einsum("gak,gakde->gade", share, second)
        return total, mean, spread - mean[..., :, None] * mean[..., None, :]

    def spread(self, depth: int, eta: Floats, nodes: _Nodes) -> Floats:
        """Linear predictors at the nodes of one more level, shape (n, A * K)."""
        moved = _predictor(self.block.levels[depth], self.loaded[depth], nodes.effects)
        made: Floats = (eta[:, :, None] + moved).reshape(len(eta), -1)
        return made

    def spread_all(self, nodes: Sequence[_Nodes]) -> Floats:
        """Linear predictors at all nodes."""
        eta = self.eta
        for depth in reversed(range(len(nodes))):
            eta = self.spread(depth, eta, nodes[depth])
        return eta

    # ---- The likelihood and its derivatives -----------------------------------------------------

    def upwards(self, value: Floats, nodes: Sequence[_Nodes]) -> tuple[float, list[Floats]]:
        """Log likelihood from that of the rows at all nodes, and each level's posterior shares."""
        shares = []
        for level, placed in zip(self.block.levels, nodes, strict=True):
            value, share = _integrate(level.sums @ value, placed)
            shares.append(share)
        return float(value.sum()), shares

    def downwards(self, shares: Sequence[Floats]) -> list[Floats]:
        """Posterior weight of every combination of nodes, for the groups of each level."""
        weights: list[Floats] = []
        above = np.ones((len(shares[-1]), 1))
        for level, share in zip(reversed(self.block.levels), reversed(shares), strict=True):
            if weights:
                above = weights[0].reshape(len(weights[0]), -1)[level.parents]
            weights.insert(0, above[:, :, None] * share)
        return weights

    def derivatives(self, nodes: Sequence[_Nodes]) -> tuple[float, Floats, Floats]:
        """Log likelihood with gradient and Hessian."""
        eta = self.spread_all(nodes)
        rows = self.block.outcome.at(eta, self.kappa)
        value, shares = self.upwards(rows.value, nodes)
        weights = self.downwards(shares)
        at_rows = weights[0].reshape(len(weights[0]), -1)[self.block.levels[0].codes]
        curves = self._moments(at_rows * rows.curve, nodes)
        size, has_shape = self.parameters.size, self.parameters.has_shape
        base = self.block.base
        columns, effects = self.parameters.places()
        hessian = np.zeros((size, size))
        hessian[: len(columns), : len(columns)] = -_quadratic(base, curves, columns, effects)
        scores = self._scores(rows.first, nodes)
        if has_shape:
            shape = self.block.outcome.shape_slopes(eta, self.kappa)
            scores = np.concatenate([scores, (self.block.levels[0].sums @ shape.value)[None]])
            mixed = self._moments(at_rows * shape.first, nodes)[:, 0]
            cross = np.einsum("it,it->t", base[:, columns], mixed[:, effects])
            hessian[-1, :-1] += cross
            hessian[:-1, -1] += cross
            hessian[-1, -1] += float((at_rows * shape.third).sum())
        gradient, variance = self._total(scores, shares, weights)
        return value, gradient, hessian + variance

    def _scores(self, first: Floats, nodes: Sequence[_Nodes]) -> Floats:
        """Complete-data score of the finest groups at all nodes, shape (p + theta, groups, A)."""
        columns, effects = self.parameters.places()
        products = self.block.products @ first
        sums = products.reshape(self.block.base.shape[1], -1, first.shape[1])
        at = self._effects_of_finest(nodes)
        made = np.empty((len(columns), *sums[0].shape))
        for score, column, effect in zip(made, columns, effects, strict=True):
            score[:] = sums[column] if effect == 0 else sums[column] * at[effect - 1]
        return made

    def _effects_of_finest(self, nodes: Sequence[_Nodes]) -> list[Floats]:
        """Effects of all levels for each finest group at all nodes, each (groups, A)."""
        made: list[Floats] = []
        place = np.arange(len(nodes[0].effects))
        inner = 1
        for level, placed in zip(self.block.levels, nodes, strict=True):
            effects = placed.effects[place]
            flat = effects.reshape(len(place), -1, effects.shape[-1])
            made.extend(
                np.repeat(flat[..., column], inner, axis=1) for column in range(flat.shape[-1])
            )
            inner *= placed.effects.shape[2]
            place = level.parents[place]
        return made

    def _moments(self, weights: Floats, nodes: Sequence[_Nodes]) -> Floats:
        """Second moments of (1, a) under weights of shape (n, A), shape (n, 1 + D, 1 + D).

        At each level a = c + S z, so that the moments in z, products with a constant matrix, give
        those in a.
        """
        n, done = len(weights), 1
        # First index: moments of the levels below, (1, a)(1, a)' of them flattened.
        lower = weights[None]
        for depth, placed in enumerate(nodes):
            groups, above, count, width = placed.effects.shape
            z, _ = hermite_nodes(self.orders[depth], width)
            one = np.column_stack([np.ones(count), z])
            second = (one[:, :, None] * one[:, None]).reshape(count, -1)
            affine = np.zeros((groups, above, 1 + width, 1 + width))
            affine[..., 0, 0] = 1.0
            affine[..., 1:, 0], affine[..., 1:, 1:] = placed.centre, placed.root
            affine = affine[self.block.levels[depth].codes]
            lower = lower.reshape(done, done, n, above, count)
            total = 1 + width
            own = (lower[0, 0] @ second).reshape(n, above, total, total)
            own = affine @ own @ affine.swapaxes(-1, -2)
            cross = np.einsum("naef,lnaf->lena", affine, lower[0, 1:] @ one)
            size = done + width
            made = np.empty((size, size, n, above))
            made[:done, :done] = lower.sum(axis=-1)
            made[0, 0] = own[..., 0, 0]
            made[done:, done:] = own[..., 1:, 1:].transpose(2, 3, 0, 1)
            made[0, done:] = made[done:, 0] = own[..., 0, 1:].transpose(2, 0, 1)
            made[1:done, done:] = cross[:, 1:]
            made[done:, 1:done] = cross[:, 1:].swapaxes(0, 1)
            lower, done = made, size
        return lower[..., 0].transpose(2, 0, 1)

    def _total(
        self, scores: Floats, shares: Sequence[Floats], weights: Sequence[Floats]
    ) -> tuple[Floats, Floats]:
        """Posterior mean and variance of the complete-data score, by the law of total variance."""
        size = len(scores)
        variance = np.zeros((size, size))
        for depth, (share, weight) in enumerate(zip(shares, weights, strict=True)):
            if depth:
                sums = self.block.levels[depth].sums
                scores = np.stack([sums @ score for score in scores])
            scores = scores.reshape(size, *share.shape)
            mean = np.einsum("gak,tgak->tga", share, scores)
            scores *= np.sqrt(weight)
            flat = scores.reshape(size, -1)
            variance += flat @ flat.T
            flat = (mean * np.sqrt(weight.sum(axis=-1))).reshape(size, -1)
            variance -= flat @ flat.T
            scores = mean
        return scores.sum(axis=(1, 2)), variance

    # ---- The posterior of the effects -----------------------------------------------------------

    def posterior(
        self, nodes: Sequence[_Nodes]
    ) -> tuple[float, Floats, list[tuple[Floats, Floats]]]:
        """Log likelihood; gradient; posterior mean and covariance of each level's effects."""
        eta = self.spread_all(nodes)
        rows = self.block.outcome.at(eta, self.kappa)
        value, shares = self.upwards(rows.value, nodes)
        weights = self.downwards(shares)
        at_rows = weights[0].reshape(len(weights[0]), -1)[self.block.levels[0].codes]
        first = self._moments(at_rows * rows.first, nodes)[:, 0]
        columns, effects = self.parameters.places()
        gradient = np.einsum("it,it->t", self.block.base[:, columns], first[:, effects])
        if self.parameters.has_shape:
            shape = self.block.outcome.shape_slopes(eta, self.kappa)
            gradient = np.append(gradient, (at_rows * shape.value).sum())
        made = []
        for weight, placed in zip(weights, nodes, strict=True):
            mean = np.einsum("gak,gakd->gd", weight, placed.effects)
            away = placed.effects - mean[:, None, None]
            made.append((mean, np.einsum("gak,gakd,gake->gde", weight, away, away)))
        return value, gradient, made


def _place_all(integral: _Integral, centres: Centres) -> list[_Place]:
    """Place the nodes of all levels, the top level first."""
    made: list[_Place] = []
    eta = integral.eta
    for depth in reversed(range(len(integral.orders))):
        made.insert(0, integral.place(depth, eta, centres))
        if depth:
            eta = integral.spread(depth, eta, _nodes(*made[0], integral.orders[depth]))
    return made


def _nodes(centre: Floats, root: Floats, order: int) -> _Nodes:
    """Return nodes around a centre, (groups, A, d), by a root S, (groups, A, d, d)."""
    z, log_weights = hermite_nodes(order, centre.shape[-1])
    effects = centre[:, :, None] + np.einsum("gade,ke->gakd", root, z)
    logdet = np.log(np.einsum("gadd->gad", root)).sum(axis=-1)
    weights = log_weights + 0.5 * np.square(z).sum(axis=1) + logdet[..., None]
    weights = weights - 0.5 * np.square(effects).sum(axis=-1)
    return _Nodes(centre=centre, root=root, effects=effects, log_weights=weights)


def _predictor(level: BlockLevel, loaded: Floats, effects: Floats) -> Floats:
    """Share of effects, (groups, A, K, d), in the linear predictors of the rows, (n, A, K)."""
    made = loaded[:, 0, None, None] * effects[level.codes, :, :, 0]
    for column in range(1, loaded.shape[1]):
        made += loaded[:, column, None, None] * effects[level.codes, :, :, column]
    return made


def _summed(level: BlockLevel, jets: Jets) -> Jets:
    """Sum value and derivatives of the units below by the groups of a level."""
    groups = level.sums.shape[0]
    value, first, second = (
        (level.sums @ part.reshape(len(part), -1)).reshape(groups, *part.shape[1:]) for part in jets
    )
    return value, first, second


def _integrate(value: Floats, nodes: _Nodes) -> tuple[Floats, Floats]:
    """Log of the integral over a level, (groups, A), and the share of each node in it."""
    terms = value.reshape(nodes.log_weights.shape) + nodes.log_weights
    largest = terms.max(axis=-1)
    share = np.exp(terms - largest[..., None])
    total = share.sum(axis=-1)
    share /= total[..., None]
    return largest + np.log(total), share


def _solve(curve: Floats, slope: Floats) -> Floats:
    if slope.shape[-1] == 1:  # LAPACK would be called once for each group and node
        return slope / curve[..., 0]
    return np.asarray(np.linalg.solve(curve, slope[..., None])[..., 0])


def _inverse_root(curve: Floats) -> Floats:
    """Lower triangular S with S S' = curve^-1."""
    if curve.shape[-1] == 1:
        return 1.0 / np.sqrt(curve)
    return np.asarray(np.linalg.cholesky(np.linalg.inv(curve)))


def _quadratic(base: Floats, moments: Floats, columns: Places, effects: Places) -> Floats:
    """Sum over rows of base_t base_u moments[effect_t, effect_u], shape (m, m)."""
    made = np.empty((len(columns), len(columns)))
    kinds = np.unique(effects)
    for first, second in product(kinds, kinds):
        here, there = np.flatnonzero(effects == first), np.flatnonzero(effects == second)
        weighted = base[:, columns[here]] * moments[:, first, second, None]
        made[np.ix_(here, there)] = weighted.T @ base[:, columns[there]]
    return made
