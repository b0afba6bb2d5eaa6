"""Functions of the model parameters together with their first and second derivatives.

Parameters are ordered so that a function of the first m of them carries m first derivatives and
m (m + 1) / 2 second derivatives, pairs i <= j ordered by j, then i: what depends on fewer
parameters is a prefix of what depends on more. Derivatives are exact; products follow Leibniz.
Where no second derivatives are asked for, there are none of anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from qsmstats.arrays import Floats, Places

__all__ = ["Jet", "constant", "pair_index", "product", "weighted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Jet:
    """A value with its derivatives.

    Attributes
    ----------
    value
        Shape (...).
    first
        Shape (m, ...).
    second
        Shape (m * (m + 1) / 2, ...), or (0, ...) where they are not asked for.
    """

    value: Floats
    first: Floats
    second: Floats

    def map(self, linear: Callable[[Floats], Floats]) -> Jet:
        """Return a linear function of the value, applied to the derivatives as well.

        The function must act on the trailing axes and keep leading ones.
        """
        return Jet(value=linear(self.value), first=linear(self.first), second=linear(self.second))

    def plus(self, other: Jet) -> Jet:
        """Return the sum; the other may depend on more parameters, of which self's are a prefix."""
        first, second = other.first.copy(), other.second.copy()
        first[: len(self.first)] += self.first
        second[: len(self.second)] += self.second
        return Jet(value=self.value + other.value, first=first, second=second)

    def minus(self, other: Jet) -> Jet:
        """Return the difference, as `plus`, written over the other: its arrays can be large."""
        for mine, yours in (
            (self.value, other.value),
            (self.first, other.first[: len(self.first)]),
            (self.second, other.second[: len(self.second)]),
        ):
            np.subtract(mine, yours, out=yours)
        for rest in (other.first[len(self.first) :], other.second[len(self.second) :]):
            np.negative(rest, out=rest)
        return other

    @property
    def stack(self) -> Floats:
        """The value and its first derivatives, shape (1 + m, ...)."""
        return np.concatenate([self.value[None], self.first])

    def second_matrix(self) -> Floats:
        """Second derivatives as a symmetric array, shape (m, m, ...)."""
        return self.second[pair_index(len(self.first))]


@cache
def pair_index(m: int) -> Places:
    """Position of pair (i, j) among the second derivatives, shape (m, m); read only."""
    high = np.maximum.outer(np.arange(m), np.arange(m))
    low = np.minimum.outer(np.arange(m), np.arange(m))
    index: Places = high * (high + 1) // 2 + low
    index.setflags(write=False)
    return index


def constant(value: Floats, parameters: int = 0) -> Jet:
    """Return a value that none of so many parameters moves."""
    return Jet(
        value=value,
        first=np.zeros((parameters, *value.shape)),
        second=np.zeros((parameters * (parameters + 1) // 2, *value.shape)),
    )


def weighted(parts: Floats, weights: Floats, *, second: bool = True) -> Jet:
    """parts[0] + sum_s weights[s] parts[s + 1], as a function of the weights."""
    first = parts[1:]
    pairs = len(weights) * (len(weights) + 1) // 2 if second else 0
    value = parts[0] + np.tensordot(weights, first, axes=1) if len(weights) else parts[0]
    return Jet(value=value, first=first, second=np.zeros((pairs, *parts.shape[1:])))


def product(a: Jet, b: Jet, bilinear: Callable[[Floats, Floats], Floats]) -> Jet:
    """Return a bilinear function of two jets by Leibniz' rule.

    Parameters
    ----------
    a, b
        The factors; each may depend on more parameters than the other.
    bilinear
        Acts on the trailing axes and broadcasts over leading ones.
    """
    m_a, m_b = len(a.first), len(b.first)
    m = max(m_a, m_b)
    value = bilinear(a.value, b.value)
    first = np.zeros((m, *value.shape))
    exact = len(a.second) + len(b.second) > 0
    second = np.zeros((m * (m + 1) // 2 if exact else 0, *value.shape))
    if m_a:
        first[:m_a] += bilinear(a.first, b.value)
        second[: len(a.second)] += bilinear(a.second, b.value)
    if m_b:
        first[:m_b] += bilinear(a.value, b.first)
        second[: len(b.second)] += bilinear(a.value, b.second)
    for j in range(m if exact else 0):
        start = j * (j + 1) // 2
        if j < m_b and m_a:
            stop = start + min(j + 1, m_a)
            second[start:stop] += bilinear(a.first[: stop - start], b.first[j])
        if j < m_a and m_b:
            stop = start + min(j + 1, m_b)
            second[start:stop] += bilinear(a.first[j], b.first[: stop - start])
    return Jet(value=value, first=first, second=second)
