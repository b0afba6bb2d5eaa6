"""From a formula and a data frame to the numbers that the optimiser needs.

The fixed columns are replaced by an orthogonal basis Q (X = Q R), the outcome by its residual
after regression on Q in units of its own size, and the columns of each random term by Z S^-1,
S from their pooled cross-product. None of this changes the model; it makes the criterion
independent of units and origins of the variables, and the optimiser's start (identity matrices)
a sensible one for any data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from qsmstats.errors import InvalidDataError, NotIdentifiedError, UsageError
from qsmstats.mixed.design import FixedDesign, RandomDesign, fixed_design, random_design
from qsmstats.mixed.formula import ParsedFormula
from qsmstats.mixed.frame import ModelFrame, model_frame
from qsmstats.mixed.grouping import Grouping, coded_column, grouping
from qsmstats.mixed.rank import independent_columns
from qsmstats.mixed.terms import Terms, evaluate, read_terms

__all__ = ["Problem", "RandomColumns", "Residuals", "assemble"]

Matrix = NDArray[np.float64]
Codes = NDArray[np.int64]

# Share of the outcome that the fixed part must leave for a variance to be estimable in doubles.
_NOTHING_LEFT = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomColumns:
    """A random term with its rows.

    Attributes
    ----------
    design
        The term.
    codes
        Group of each row, shape (n,).
    columns
        Whitened columns Z S^-1, shape (n, q).
    whitener
        S, upper triangular, shape (q, q).
    """

    design: RandomDesign
    codes: Codes
    columns: Matrix
    whitener: Matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """What is known beforehand of the residual variances.

    Attributes
    ----------
    column, levels
        Column whose levels have their own variance, and these levels; None and () where there is
        one variance.
    codes
        Level of each row, shape (n,), or None.
    weight_column
        Column of prior weights, or None.
    prior
        Prior weights, shape (n,), or None.
    """

    column: str | None
    levels: tuple[object, ...]
    codes: Codes | None
    weight_column: str | None
    prior: Matrix | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A model brought onto its data.

    Attributes
    ----------
    frame, fixed, random, residuals
        Rows, fixed part, random terms and residual variances.
    response
        The outcome, shape (n,).
    basis, root
        Q, shape (n, p), and R, shape (p, p): X = Q R.
    reduced, scale, projection
        (y - Q projection) / scale, shape (n,); the scale; the projection, shape (p,).
    notes
        What a reader of the fit should know of the data and the design.
    """

    frame: ModelFrame
    fixed: FixedDesign
    random: tuple[RandomColumns, ...]
    residuals: Residuals
    response: Matrix
    basis: Matrix
    root: Matrix
    reduced: Matrix
    scale: float
    projection: Matrix
    notes: tuple[str, ...]


def assemble(
    parsed: ParsedFormula,
    data: pd.DataFrame,
    contrasts: Mapping[str, str],
    weights: Sequence[str],
) -> Problem:
    """Bring a model onto its data.

    Parameters
    ----------
    parsed
        The formula.
    data
        One row per observation.
    contrasts
        Column -> name of its contrasts.
    weights
        Columns of residual weights: numbers are prior weights, categories have a residual
        variance per level.

    Raises
    ------
    FormulaError, InvalidDataError
        If the formula or the data cannot be used.
    NotIdentifiedError
        If the design cannot tell the parameters apart.
    """
    if not isinstance(data, pd.DataFrame):
        raise UsageError(f"data must be a pandas DataFrame, not {type(data).__name__}")
    columns = list(data.columns)
    response = read_terms(f"0 + {_as_term(parsed.response, columns)}", columns)
    fixed = read_terms(parsed.fixed, columns, contrasts)
    random = [read_terms(term.expression, columns, contrasts) for term in parsed.random]
    frame = _frame(data, [response, fixed, *random], parsed, weights)
    y = _response(response, frame, parsed.response)
    residuals = _residuals(frame, weights)
    design, basis, root = fixed_design(fixed, frame)
    _check_rows(design, len(y))
    reduced, scale, projection = _reduce(y, basis, parsed.response)
    groups = _groupings(parsed, frame)
    effects = tuple(
        _random_columns(term.label, terms, *groups[term.group], frame)
        for term, terms in zip(parsed.random, random, strict=True)
    )
    _check_groups(effects, len(y))
    _check_absorbed(effects, basis)
    return Problem(
        frame=frame,
        fixed=design,
        random=effects,
        residuals=residuals,
        response=y,
        basis=basis,
        root=root,
        reduced=reduced,
        scale=scale,
        projection=projection,
        notes=tuple(_notes(frame, effects)),
    )


def _notes(frame: ModelFrame, random: Sequence[RandomColumns]) -> list[str]:
    made = [
        f"column '{name}': levels without rows were dropped ({', '.join(map(str, levels))})"
        for name, levels in frame.empty_levels.items()
    ]
    seen: dict[tuple[frozenset[str], str], str] = {}
    for part in random:
        for name in part.design.names:
            key = (frozenset(part.design.grouping.names), name)
            if key in seen:
                made.append(
                    f"{part.design.label} repeats '{name}' of {seen[key]}: only the sum of their "
                    "variances is identified"
                )
            seen.setdefault(key, part.design.label)
    return made


def _as_term(response: str, columns: Sequence[object]) -> str:
    """Return a response that is a column's name as it stands, however it is spelled."""
    if response in columns and not response.isidentifier():
        return f"`{response}`"
    return response


def _frame(
    data: pd.DataFrame, parts: Sequence[Terms], parsed: ParsedFormula, weights: Sequence[str]
) -> ModelFrame:
    names = [name for part in parts for name in part.variables]
    plain = {name for part in parts for name in set(part.variables) - part.factors}
    factors = {name for part in parts for name in part.factors} - plain
    groups = dict.fromkeys(name for term in parsed.random for name in term.group)
    return model_frame(data, [*names, *weights], list(groups), factors)


def _response(terms: Terms, frame: ModelFrame, text: str) -> Matrix:
    for name in terms.variables:
        if frame.variables[name].levels is not None:
            raise InvalidDataError(
                f"the outcome '{text}' needs numbers, but column '{name}' holds categories"
            )
    values = evaluate(terms.formula, frame.data)[0]
    if values.shape[1] != 1:
        raise InvalidDataError(f"the outcome '{text}' makes {values.shape[1]} columns; one is used")
    return values[:, 0].copy()


def _residuals(frame: ModelFrame, weights: Sequence[str]) -> Residuals:
    numbers = [name for name in weights if frame.variables[name].levels is None]
    categories = [name for name in weights if name not in numbers]
    if len(numbers) > 1 or len(categories) > 1:
        raise UsageError(
            f"weights={list(weights)}: at most one column of prior weights and one of categories"
        )
    prior = frame.data[numbers[0]].to_numpy() if numbers else None
    if prior is not None and not np.all(prior > 0):
        raise InvalidDataError(
            f"column '{numbers[0]}' holds weights at or below zero in {int((prior <= 0).sum())} "
            "rows; a weight is a positive precision (drop rows that should not count)"
        )
    column = categories[0] if categories else None
    levels = () if column is None else frame.variables[column].levels or ()
    return Residuals(
        column=column,
        levels=levels,
        codes=None if column is None else np.asarray(frame.data[column].cat.codes, dtype=np.int64),
        weight_column=numbers[0] if numbers else None,
        prior=prior,
    )


def _reduce(y: Matrix, basis: Matrix, text: str) -> tuple[Matrix, float, Matrix]:
    """Return the outcome less its regression on the fixed part, in units of its size."""
    size = float(np.sqrt(np.mean(y**2)))
    projection = basis.T @ y / len(y)
    rest = y - basis @ projection
    again = basis.T @ rest / len(y)
    rest -= basis @ again
    scale = float(np.sqrt(np.mean(rest**2)))
    if scale <= _NOTHING_LEFT * size or size == 0.0:
        what = "constant" if np.ptp(y) == 0.0 else "reproduced exactly by the fixed part"
        raise NotIdentifiedError(f"the outcome '{text}' is {what}: there is no variance to divide")
    return rest / scale, scale, projection + again


def _groupings(
    parsed: ParsedFormula, frame: ModelFrame
) -> dict[tuple[str, ...], tuple[Grouping, Codes]]:
    names = dict.fromkeys(name for term in parsed.random for name in term.group)
    columns = {name: coded_column(frame.data[name]) for name in names}
    return {group: grouping(group, columns) for group in {term.group for term in parsed.random}}


def _random_columns(
    label: str, terms: Terms, groups: Grouping, codes: Codes, frame: ModelFrame
) -> RandomColumns:
    design, values = random_design(label, terms, groups, frame)
    basis = independent_columns(values)
    if len(basis.dropped):
        names = ", ".join(design.names[index] for index in basis.dropped)
        raise NotIdentifiedError(
            f"{label}: the columns {names} are linear combinations of the others in this term; "
            "remove them"
        )
    return RandomColumns(design=design, codes=codes, columns=basis.q, whitener=basis.r)


def _check_rows(fixed: FixedDesign, n: int) -> None:
    if len(fixed.names) < n:
        return
    most = max(fixed.factors, key=lambda name: len(fixed.factors[name]), default=None)
    hint = "" if most is None else f" ('{most}' alone has {len(fixed.factors[most])} levels)"
    raise NotIdentifiedError(
        f"{n} rows cannot identify {len(fixed.names)} fixed effects and a residual variance{hint}"
    )


def _check_groups(random: Sequence[RandomColumns], n: int) -> None:
    for part in random:
        label, groups, width = part.design.label, part.design.grouping.size, part.columns.shape[1]
        if groups < 2:
            raise NotIdentifiedError(
                f"{label}: there is one group only; a variance between groups needs at least two"
            )
        if groups * width >= n:
            raise NotIdentifiedError(
                f"{label}: {groups} groups with {width} random effects each against {n} rows; "
                "its variance cannot be told from the residual variance"
            )


def _check_absorbed(random: Sequence[RandomColumns], basis: Matrix) -> None:
    """Refuse random effects that are linear combinations of the fixed part.

    The REML criterion does not depend on their variance at all, so any value would be reported.
    """
    n, p = basis.shape
    for part in random:
        groups, width = part.design.grouping.size, part.columns.shape[1]
        # Independent effects of all groups cannot lie in fewer fixed columns than there are.
        if groups * width > p:
            continue
        rows = np.arange(n)
        inside = sum(
            float(np.square(csr_array((column, (part.codes, rows)), (groups, n)) @ basis).sum())
            for column in part.columns.T
        )
        # The basis is orthonormal to seven digits only where fixed columns are nearly collinear.
        if inside / n > (1.0 - 1e-6) * float(np.square(part.columns).sum()):
            raise NotIdentifiedError(
                f"{part.design.label}: the fixed part already tells its groups apart, so its "
                "variance cannot be estimated; leave the term out, or the fixed effects that "
                "differ between groups only"
            )
