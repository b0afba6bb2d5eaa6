"""The variance components of a fit, one by one: what each is, its value, its uncertainty.

A component is a standard deviation or correlation of a random term, or a residual standard
deviation. Each is a smooth function of the free parameters (theta, log sigma) of the engine, except
at zero; its derivatives are taken by central differences of that function alone, which needs no
evaluation of the likelihood.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Floats
from qsmstats.mixed.design.matrices import RandomDesign
from qsmstats.mixed.fitted import Fitted
from qsmstats.mixed.optimum.estimate import Engine

__all__ = [
    "Component",
    "component_values",
    "components",
    "components_of",
    "gradient",
    "square_root",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One standard deviation or correlation.

    Attributes
    ----------
    group
        Label of the grouping, or "Residual".
    term, other_term
        The column, or the residual stratum; the other column of a correlation, else "".
    index
        Position of the random term in the formula, or of the residual stratum.
    place
        Positions of `term` and `other_term` within the random term.
    """

    group: str
    term: str
    other_term: str
    index: int
    place: tuple[int, int]

    @property
    def label(self) -> str:
        """Name in one line: "sd(years | patient)", "cor(Intercept, years | patient)"."""
        if self.group == "Residual":
            return f"sd(Residual {self.term})" if self.term else "sd(Residual)"
        if self.is_correlation:
            return f"cor({self.term}, {self.other_term} | {self.group})"
        return f"sd({self.term} | {self.group})"

    @property
    def is_correlation(self) -> bool:
        """Whether it is a correlation."""
        return bool(self.other_term)

    def value(self, fit: Fitted) -> float:
        """Return the estimate: standard deviation in units of the coefficient, or correlation."""
        covariances = [term.covariance[None] for term in fit.random]
        sigma, ratios = np.array([fit.sigma]), fit.residual.ratios[None]
        return float(component_values(self, covariances, sigma, ratios)[0])

    def at(self, engine: Engine, parameters: Floats, unit: float) -> float:
        """Return the same at free parameters (theta, log sigma), sigma in units of `unit`."""
        theta, sigma = parameters[:-1], unit * float(np.exp(parameters[-1]))
        if self.group == "Residual":
            ratio = float(np.exp(theta[self.index - 1])) if self.index else 1.0
            return sigma * ratio
        factor = engine.factors(theta)[self.index]
        i, j = self.place
        size = float(np.linalg.norm(factor[i]))
        if not self.is_correlation:
            return sigma * size
        other = float(np.linalg.norm(factor[j]))
        return float(factor[i] @ factor[j]) / max(size * other, 1e-300)


def components(fit: Fitted) -> list[Component]:
    """All components in the order of the formula; each term's deviations before correlations."""
    return components_of([term.design for term in fit.random], fit.residual.levels)


def components_of(designs: Sequence[RandomDesign], levels: Sequence[object]) -> list[Component]:
    """Components of random terms and of residual strata with these levels, as `components`."""
    found = []
    for index, design in enumerate(designs):
        names, label = design.names, design.grouping.label
        places = [(i, i) for i in range(len(names))]
        places += [(i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
        found += [
            Component(
                group=label,
                term=names[i],
                other_term="" if i == j else names[j],
                index=index,
                place=(i, j),
            )
            for i, j in places
        ]
    strata = [str(level) for level in levels] or [""]
    return found + [
        Component(group="Residual", term=level, other_term="", index=index, place=(0, 0))
        for index, level in enumerate(strata)
    ]


def component_values(
    component: Component, covariances: Sequence[Floats], sigma: Floats, ratios: Floats
) -> Floats:
    """Return a component of m fits at once, shape (m,).

    Parameters
    ----------
    component
        Which one.
    covariances
        Covariance of each random term, shapes (m, q, q).
    sigma, ratios
        Residual standard deviation, shape (m,), and those of the strata over it, (m, strata).
    """
    if component.group == "Residual":
        return sigma * ratios[:, component.index]
    covariance = covariances[component.index]
    i, j = component.place
    if not component.is_correlation:
        return np.asarray(np.sqrt(covariance[:, i, i]))
    size = np.sqrt(covariance[:, i, i] * covariance[:, j, j])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(size > 0, covariance[:, i, j] / size, np.nan)
    return np.clip(ratio, -1.0, 1.0)


def square_root(covariance: Floats) -> Floats:
    """Return R with R R' = covariance, which exists for a singular covariance too."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = vectors * np.sqrt(np.maximum(values, 0.0))
    return root


def gradient(function: Callable[[Floats], float], at: Floats) -> Floats:
    """Central differences with steps of the cube root of the machine precision."""
    steps = 6e-6 * np.maximum(1.0, np.abs(at))
    moves = np.diag(steps)
    return np.array(
        [
            (function(at + move) - function(at - move)) / (2.0 * step)
            for move, step in zip(moves, steps, strict=True)
        ]
    )
