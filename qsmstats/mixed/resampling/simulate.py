r"""New outcomes from a fitted model: drawn from it, or made of its own parts.

A simulated outcome (kind "parametric") is

.. math:: y^* = X\hat\beta + \sum_k Z_k u_k^* + e^*, \quad u_k^* \sim N(0, \hat\sigma^2 \hat T_k),
   \quad e_i^* \sim N(0, \hat\sigma^2 / w_i),

with new random effects for every level, on the scale of the left side of the formula (a model of
``log(y)`` simulates ``log(y)``).

Of kind "residual", :math:`u^*` and :math:`e^*` are drawn with replacement from the predicted random
effects and the residuals of the fit. Both are shrunken, so that they would vary too little; they
are therefore centred and transformed to have the covariance that was estimated,
:math:`\tilde u = \hat\Sigma^{1/2} S^{-1/2} (\hat u - \bar u)` with :math:`S` their own (Carpenter,
Goldstein & Rasbash 2003, Appl Stat 52:431-443). Directions in which :math:`S` is zero stay zero.

Every outcome has a random stream of its own, derived from the seed and its number, so that neither
batches nor processes nor the number of outcomes alter it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats, Integers
from qsmstats.errors import UsageError
from qsmstats.mixed.fitted import Fitted
from qsmstats.mixed.inference.components import square_root
from qsmstats.mixed.prediction.predict import random_effects, residuals

__all__ = ["Drawn", "check_number", "drawn", "reused", "seed_of", "simulate", "stream"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Term:
    """A random term to draw.

    Attributes
    ----------
    columns, codes
        Of each row, shapes (n, q) and (n,).
    size
        Number of groups.
    root
        Maps standard normal effects to those of the term, shape (q, q).
    pool
        Effects to draw from in place of normal ones, shape (groups, q), or None.
    """

    columns: Floats
    codes: Integers
    size: int
    root: Floats
    pool: Floats | None

    def effects(self, random: np.random.Generator) -> Floats:
        """Draw the effects of all groups, shape (groups, q)."""
        if self.pool is None:
            return random.standard_normal((self.size, len(self.root))) @ self.root.T
        return self.pool[random.integers(self.size, size=self.size)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Where outcomes are drawn from.

    Attributes
    ----------
    mean
        Fixed part and offset of each row, shape (n,).
    terms
        The random terms.
    spread
        Residual standard deviation of each row, shape (n,).
    pool
        Residuals to draw from, in units of their standard deviation, or None for normal ones.
    seed
        Seed of all streams.
    """

    mean: Floats
    terms: tuple[_Term, ...]
    spread: Floats
    pool: Floats | None
    seed: int

    def __call__(self, task: tuple[int, int]) -> Floats:
        """Draw the outcomes numbered from task[0] up to task[1], shape (m, n)."""
        return np.array([self._one(number) for number in range(*task)])

    def _one(self, number: int) -> Floats:
        random = stream(self.seed, number)
        made = self.mean.copy()
        for term in self.terms:
            effects = term.effects(random)[term.codes]
            made += (term.columns * effects).sum(axis=1)
        n = len(made)
        noise = (
            random.standard_normal(n)
            if self.pool is None
            else self.pool[random.integers(len(self.pool), size=n)]
        )
        made += self.spread * noise
        return made


def stream(seed: int, number: int) -> np.random.Generator:
    """Return the random numbers of one outcome."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))


def seed_of(seed: int | None) -> int:
    """Return the seed itself, or a fresh one that can be written down.

    Raises
    ------
    UsageError
        If it is negative.
    """
    if seed is None:
        return int(np.random.default_rng().integers(2**63))
    if seed < 0:
        raise UsageError(f"seed must be a whole number from 0 on, not {seed}")
    return int(seed)


def check_number(n: int) -> None:
    """Refuse a number of outcomes or refits below one.

    Raises
    ------
    UsageError
        If `n` is less than 1.
    """
    if n < 1:
        raise UsageError(f"n must be at least 1, not {n}")


def simulate(fit: Fitted, n: int = 1, *, seed: int | None = None) -> pd.DataFrame:
    """Draw outcomes from a fitted model, with new random effects.

    Parameters
    ----------
    fit
        A fitted mixed model.
    n
        Number of outcomes.
    seed
        Seed of the generators; outcome k of a seed is the same however many are drawn.

    Returns
    -------
    DataFrame
        Shape (rows of the fit, n), in the units of the formula's left side, indexed by the
        position of the row in the data given to the fit.

    Raises
    ------
    UsageError
        If `n` is less than 1 or the seed negative.
    """
    check_number(n)
    values = drawn(fit, seed_of(seed))((0, n)).T
    return pd.DataFrame(np.ascontiguousarray(values), index=pd.Index(fit.frame.kept, name="row"))


def drawn(fit: Fitted, seed: int) -> Drawn:
    """Return the source of normal outcomes of a fit."""
    frame = fit.frame.data
    terms = tuple(
        _Term(
            columns=term.design.matrix(frame),
            codes=term.design.grouping.codes(frame),
            size=term.design.grouping.size,
            root=square_root(term.covariance),
            pool=None,
        )
        for term in fit.random
    )
    weights = np.ones(len(frame)) if fit.weights is None else fit.weights
    return Drawn(
        mean=fit.fixed.matrix(frame) @ fit.estimates + fit.offset,
        terms=terms,
        spread=fit.sigma / np.sqrt(weights),
        pool=None,
        seed=seed,
    )


def reused(fit: Fitted, seed: int) -> Drawn:
    """Return the source of outcomes made of the fit's own effects and residuals."""
    normal = drawn(fit, seed)
    modes = random_effects(fit)["estimate"].to_numpy()
    terms, at = [], 0
    for term, one in zip(fit.random, normal.terms, strict=True):
        size = one.size * len(one.root)
        effects = modes[at : at + size].reshape(one.size, -1)
        terms.append(replace(one, pool=_reflated(effects, term.covariance)))
        at += size
    noise = residuals(fit).to_numpy() / normal.spread
    centred = noise - noise.mean()
    return replace(normal, terms=tuple(terms), pool=centred / np.sqrt(np.square(centred).mean()))


def _reflated(effects: Floats, covariance: Floats) -> Floats:
    """Centre effects and give them the covariance, as far as they vary at all."""
    centred = effects - effects.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    held = values > 1e-12 * max(float(values[-1]), np.finfo(np.float64).tiny)
    white = centred @ (vectors[:, held] / np.sqrt(values[held])) @ vectors[:, held].T
    size, axes = np.linalg.eigh(covariance)
    made: Floats = white @ (axes * np.sqrt(np.maximum(size, 0.0))) @ axes.T
    return made
