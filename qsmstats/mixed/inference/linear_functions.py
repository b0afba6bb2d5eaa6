"""The linear functions behind marginal means, slopes and their contrasts, with their labels.

Whatever answers in these terms (tests in `marginal`, bootstrap intervals in `booted`) takes the
functions from here, so that a mean is the same mean everywhere.
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

from qsmstats.arrays import Floats, Places
from qsmstats.errors import UsageError
from qsmstats.mixed.fitted import Fitted
from qsmstats.mixed.inference.reference_grid import ReferenceGrid, Rows, Weights

__all__ = [
    "Comparison",
    "Family",
    "Names",
    "compared_means",
    "compared_slopes",
    "interaction",
    "mean_rows",
    "slope_rows",
]

Names = str | Sequence[str] | None
Comparison = str | Mapping[str, Any] | ArrayLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Linear functions that are asked for together: means, slopes or comparisons.

    Attributes
    ----------
    keys
        What they are: columns of `by`, then level, or contrast, first and second.
    matrix
        Their weights on all columns of the fixed part, shape (m, kept + dropped).
    n_means
        How many means are compared, each with each; None where not all pairs are.
    note
        What a reader should know of all of them.
    """

    keys: pd.DataFrame
    matrix: Floats
    n_means: int | None
    note: str = ""


def mean_rows(
    fit: Fitted,
    factors: str | Sequence[str],
    *,
    by: Names,
    at: Mapping[str, Any] | None,
    weights: Weights,
) -> Family:
    """Return labels and linear functions of means; parameters as `marginal.marginal_means`."""
    groups, names = _names(by), _names(factors)
    rows = _grid(fit, at).means([*groups, *names], weights)
    keys = rows.keys[groups + (names if len(names) > 1 else [])]
    keys = keys.assign(level=_labels(rows.keys[names]))
    note = interaction(fit, names, [*groups, *(at or {})])
    return Family(keys=keys, matrix=rows.matrix, n_means=None, note=note)


def slope_rows(
    fit: Fitted,
    variable: str,
    *,
    by: Names,
    at: Mapping[str, Any] | None,
    weights: Weights,
) -> Family:
    """Return labels and linear functions of slopes; parameters as `marginal.slopes`."""
    rows = _grid(fit, at).slopes(variable, _names(by), weights)
    note = interaction(fit, variable, [*_names(by), *(at or {})])
    return Family(keys=rows.keys, matrix=rows.matrix, n_means=None, note=note)


def compared_means(
    fit: Fitted,
    factors: str | Sequence[str],
    *,
    method: Comparison,
    by: Names,
    at: Mapping[str, Any] | None,
    weights: Weights,
) -> list[Family]:
    """Return families of differences between means; parameters as `marginal.contrasts`."""
    groups, names = _names(by), _names(factors)
    rows = _grid(fit, at).means([*groups, *names], weights)
    return _compared(rows, groups, names, method, interaction(fit, names, [*groups, *(at or {})]))


def compared_slopes(
    fit: Fitted,
    variable: str,
    by: str | Sequence[str],
    *,
    method: Comparison,
    within: Names,
    at: Mapping[str, Any] | None,
    weights: Weights,
) -> list[Family]:
    """Return families of differences between slopes; parameters as `marginal.slope_contrasts`."""
    groups, names = _names(within), _names(by)
    rows = _grid(fit, at).slopes(variable, [*groups, *names], weights)
    note = interaction(fit, names, [*groups, *(at or {})], variable)
    return _compared(rows, groups, names, method, note)


def interaction(
    fit: Fitted, asked: Names, shown: Sequence[str], variable: str | None = None
) -> str:
    """Say which predictors that are not shown interact with those asked for; "" if none does.

    Parameters
    ----------
    asked
        Predictors whose levels (or slope) are in question.
    shown
        Further predictors that are told apart or set by hand.
    variable
        The number whose slopes are compared: only terms with it bear on them.
    """
    names = _names(asked)
    told = {*names, *shown, variable}
    hidden: dict[str, None] = {}
    for term in fit.fixed.terms:
        factors = term.categories | term.numbers
        inside = [
            name for name in fit.fixed.variables if any(_uses(factor, name) for factor in factors)
        ]
        if set(inside) & set(names) and (variable is None or variable in inside):
            hidden |= dict.fromkeys(name for name in inside if name not in told)
    if not hidden:
        return ""
    who = " and ".join([*([variable] if variable else []), *names])
    return (
        f"may be misleading: {who} interacts with {' and '.join(hidden)}, averaged over or held at"
        " the mean here"
    )


def _uses(expression: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", expression) is not None


def _compared(
    rows: Rows, groups: list[str], names: list[str], method: Comparison, note: str
) -> list[Family]:
    pairwise = isinstance(method, str) and method == "pairwise"
    made = []
    for members in _families(rows.keys, groups):
        labels = _labels(rows.keys.loc[members, names])
        keys, weights = _weights(method, labels)
        for position, name in enumerate(groups):
            keys.insert(position, name, rows.keys.loc[members[0], name])
        matrix = weights @ rows.matrix[members]
        n_means = len(labels) if pairwise else None
        made.append(Family(keys=keys, matrix=matrix, n_means=n_means, note=note))
    return made


def _grid(fit: Fitted, at: Mapping[str, Any] | None) -> ReferenceGrid:
    return ReferenceGrid.of(fit.fixed, fit.frame.data).at(at)


def _weights(method: Comparison, labels: list[str]) -> tuple[pd.DataFrame, Floats]:
    """Return contrast, first and second, and the weights on the means, shape (contrasts, means)."""
    if isinstance(method, str):
        pairs = _pairs(method, len(labels))
        if not pairs:
            msg = f"method={method!r} compares levels, but there is only {labels[0]!r}; name more"
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


def _pairs(method: str, k: int) -> list[tuple[int, int]]:
    if method == "pairwise":
        return list(combinations(range(k), 2))
    if method == "reference":
        return [(level, 0) for level in range(1, k)]
    if method == "consecutive":
        return [(level, level - 1) for level in range(1, k)]
    msg = (
        'method must be "pairwise", "reference", "consecutive", a matrix or a mapping from label '
        f"to weights, not {method!r}"
    )
    raise UsageError(msg)


def _row(row: Any, labels: list[str]) -> Floats:
    if isinstance(row, Mapping):
        unknown = [str(name) for name in row if str(name) not in labels]
        if unknown:
            msg = f"contrast names {unknown}; name some of the levels compared: {labels}"
            raise UsageError(msg)
        given = {str(name): float(weight) for name, weight in row.items()}
        return np.array([given.get(label, 0.0) for label in labels])
    weights = np.asarray(row, float)
    if weights.shape != (len(labels),):
        msg = (
            f"a contrast has {weights.size} weights, but {len(labels)} means stand; give one for "
            f"each of {labels}"
        )
        raise UsageError(msg)
    return weights


def _names(names: Names) -> list[str]:
    if names is None:
        return []
    return [names] if isinstance(names, str) else list(names)


def _labels(keys: pd.DataFrame) -> list[str]:
    return [", ".join(map(str, row)) for row in keys.itertuples(index=False, name=None)]


def _families(keys: pd.DataFrame, groups: list[str]) -> list[Places]:
    """Positions of the means that are compared among each other."""
    if not groups:
        return [np.arange(len(keys))]
    code = keys.groupby(groups, sort=False, observed=True).ngroup().to_numpy()
    return [np.flatnonzero(code == family) for family in range(code.max() + 1)]
