"""The linear functions behind marginal means, slopes and their contrasts, with their labels.

The tests of `marginal` and the bootstrap intervals of `bootstrap_result` both take the functions
from here, so that a mean is the same mean everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from qsmstats.arrays import Floats
from qsmstats.errors import UsageError
from qsmstats.mixed.design.matrices import DesignTerm
from qsmstats.mixed.fitted import FixedEffects
from qsmstats.mixed.inference.reference_grid import ReferenceGrid, Rows, Weights

__all__ = [
    "Comparison",
    "Family",
    "Interaction",
    "Names",
    "combined",
    "compared",
    "estimated",
    "name_list",
    "term_variables",
]

Names = str | Sequence[str] | None
Comparison = str | Mapping[str, Any] | ArrayLike
Interaction = str | Sequence[Comparison] | None
"""How each factor is compared in contrasts of contrasts: one for all, or one for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Linear functions that are asked for together: means, slopes or comparisons.

    Attributes
    ----------
    keys
        What they are: columns of `by`, then level, or contrast, first and second.
    matrix
        Their weights on all columns of the fixed part, shape (m, kept + dropped).
    comparison
        "pairwise", "reference" or "consecutive"; "" of other functions.
    note
        What a reader should know of all of them.
    shift
        What is added to the functions, shape (m,) or ().
    means, weights
        Of comparisons: the functions that are compared, shape (means, kept + dropped), and their
        weights, shape (m, means); matrix = weights means.
    """

    keys: pd.DataFrame
    matrix: Floats
    comparison: str = ""
    note: str = ""
    shift: Floats | float = 0.0
    means: Floats | None = None
    weights: Floats | None = None


def estimated(
    fit: FixedEffects,
    factors: Names,
    slope: str | None = None,
    *,
    by: Names = None,
    at: Mapping[str, Any] | None = None,
    weights: Weights = "equal",
) -> Family:
    """Return the means of each combination of `factors`, or the slopes in the number `slope`.

    Means hold the offset at its mean over the rows of the fit, as in emmeans.
    Options as in `marginal.marginal_means`.
    """
    rows, groups, names, note = _grid_rows(fit, factors, slope, by, at, weights)
    keys = rows.keys[groups + (names if len(names) > 1 else [])]
    if names:
        keys = keys.assign(level=_labels(rows.keys[names]))
    shift = float(fit.offset.mean()) if slope is None else 0.0
    return Family(keys=keys, matrix=rows.matrix, note=note, shift=shift)


def compared(
    fit: FixedEffects,
    factors: str | Sequence[str],
    slope: str | None = None,
    *,
    method: Comparison = "pairwise",
    interaction: Interaction = None,
    by: Names = None,
    at: Mapping[str, Any] | None = None,
    weights: Weights = "equal",
) -> list[Family]:
    """Return the differences of such means or slopes, one family in each combination of `by`.

    Options as in `marginal.contrasts`.
    """
    rows, groups, names, note = _grid_rows(fit, factors, slope, by, at, weights)
    if interaction is not None and (not isinstance(method, str) or method != "pairwise"):
        raise UsageError(
            "interaction= says how each factor is compared, and method= how all levels are; give "
            "one of them"
        )
    families = [np.arange(len(rows.keys))]
    if groups:
        code = rows.keys.groupby(groups, sort=False, observed=True).ngroup().to_numpy()
        families = [np.flatnonzero(code == family) for family in range(code.max() + 1)]
    made = []
    for members in families:
        labels = _labels(rows.keys.loc[members, names])
        keys, weights_of = (
            _weights(method, labels)
            if interaction is None
            else _interaction_weights(interaction, rows.keys.loc[members, names])
        )
        for position, name in enumerate(groups):
            keys.insert(position, name, rows.keys.loc[members[0], name])
        means = rows.matrix[members]
        made.append(
            Family(
                keys=keys,
                matrix=combined(weights_of, means),
                comparison=method if isinstance(method, str) and interaction is None else "",
                note=note,
                means=means,
                weights=weights_of,
            )
        )
    return made


def combined(weights: Floats, means: Floats) -> Floats:
    """Return weights times means; NaN where a mean that is NaN has a weight."""
    gone = np.asarray(np.isnan(means).any(axis=1))
    made: Floats = weights @ np.where(gone[:, None], 0.0, means)
    made[np.abs(weights) @ gone > 0.0] = np.nan
    return made


def _grid_rows(
    fit: FixedEffects,
    factors: Names,
    slope: str | None,
    by: Names,
    at: Mapping[str, Any] | None,
    weights: Weights,
) -> tuple[Rows, list[str], list[str], str]:
    """Return design rows averaged on the reference grid, names of `by` and `factors`, the note."""
    groups, names = name_list(by), name_list(factors)
    grid = ReferenceGrid.of(fit.fixed, fit.frame.data).at(at)
    keep = [*groups, *names]
    rows = grid.means(keep, weights) if slope is None else grid.slopes(slope, keep, weights)
    return rows, groups, names, _interaction(fit, names, [*groups, *(at or {})], slope)


def _interaction(
    fit: FixedEffects, asked: Sequence[str], shown: Sequence[str], slope: str | None = None
) -> str:
    """Say which predictors that are not shown interact with those asked for; "" if none does.

    Parameters
    ----------
    asked
        Predictors whose levels are in question.
    shown
        Further predictors that are told apart or set by hand.
    slope
        The number whose slopes are in question: only terms with it bear on them.
    """
    names = list(asked) if slope is None else [slope, *asked]
    hidden: dict[str, None] = {}
    for term in fit.fixed.terms:
        inside = term_variables(fit, term)
        if set(inside) & set(asked or names) and (slope is None or slope in inside):
            hidden |= dict.fromkeys(name for name in inside if name not in {*names, *shown})
    if not hidden:
        return ""
    verb = "interact" if len(names) > 1 else "interacts"
    return (
        f"may be misleading: {' and '.join(names)} {verb} with {' and '.join(hidden)}, averaged"
        " over or held at the mean here"
    )


def term_variables(fit: FixedEffects, term: DesignTerm) -> list[str]:
    """Return the data columns that a term of the fixed part holds."""
    factors = term.categories | term.numbers
    return [
        name
        for name in fit.fixed.variables
        if any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", factor) for factor in factors)
    ]


def _interaction_weights(
    interaction: str | Sequence[Comparison], points: pd.DataFrame
) -> tuple[pd.DataFrame, Floats]:
    """Return contrast, first and second (empty), and the products of the factors' weights.

    Parameters
    ----------
    interaction
        How each factor is compared.
    points
        All combinations of the factors' levels, the last factor running fastest.
    """
    count = len(points.columns)
    each = [interaction] * count if isinstance(interaction, str) else list(interaction)
    if len(each) != count:
        raise UsageError(
            f"interaction={interaction!r} has {len(each)} methods for {count} factors "
            f"({', '.join(points.columns)}); give one for all of them or one for each"
        )
    names = [""]
    weights: Floats = np.ones((1, 1))
    for way, (_, column) in zip(each, points.items(), strict=True):
        keys, own = _weights(way, [str(level) for level in column.unique()])
        names = [f"{left} : ({right})" for left in names for right in keys["contrast"]]
        weights = np.asarray(np.kron(weights, own), float)
    contrasts = [name.removeprefix(" : ") for name in names]
    return pd.DataFrame({"contrast": contrasts, "first": "", "second": ""}), weights


def _weights(method: Comparison, labels: list[str]) -> tuple[pd.DataFrame, Floats]:
    """Return contrast, first and second, and the weights on the means, shape (contrasts, means)."""
    if isinstance(method, str):
        k = len(labels)
        of_method = {
            "pairwise": list(combinations(range(k), 2)),
            "reference": [(level, 0) for level in range(1, k)],
            "consecutive": [(level, level - 1) for level in range(1, k)],
        }
        if method not in of_method:
            msg = (
                'method must be "pairwise", "reference", "consecutive", a matrix or a mapping from '
                f"label to weights, not {method!r}"
            )
            raise UsageError(msg)
        if not (pairs := of_method[method]):
            msg = f"method={method!r} compares levels, but there is only {labels[0]!r}; give more"
            raise UsageError(msg)
        plus, minus = np.array(pairs).T
        unit = np.eye(len(labels))
        levels = [(labels[a], labels[b]) for a, b in pairs]
        named = [(f"{first} - {second}", first, second) for first, second in levels]
        keys = pd.DataFrame(named, columns=["contrast", "first", "second"])
        return keys, unit[plus] - unit[minus]
    if isinstance(method, Mapping):
        names, rows = [str(name) for name in method], list(method.values())
    else:
        rows = list(np.atleast_2d(np.asarray(method, float)))
        names = [f"contrast {number}" for number in range(1, len(rows) + 1)]
    keys = pd.DataFrame({"contrast": names, "first": "", "second": ""})
    return keys, np.array([_row(row, labels) for row in rows])


def _row(row: Any, labels: list[str]) -> Floats:
    if isinstance(row, Mapping):
        unknown = [str(name) for name in row if str(name) not in labels]
        if unknown:
            msg = f"a contrast names {unknown}; the levels compared are {labels}"
            raise UsageError(msg)
        given = {str(name): float(weight) for name, weight in row.items()}
        return np.array([given.get(label, 0.0) for label in labels])
    weights = np.asarray(row, float)
    if weights.shape != (len(labels),):
        msg = (
            f"a contrast has {weights.size} weights for {len(labels)} means; give one for each of "
            f"{labels}"
        )
        raise UsageError(msg)
    return weights


def name_list(names: Names) -> list[str]:
    """Return the names that were given as one, several or none."""
    if names is None:
        return []
    return [names] if isinstance(names, str) else list(names)


def _labels(keys: pd.DataFrame) -> list[str]:
    return [", ".join(map(str, row)) for row in keys.itertuples(index=False, name=None)]
