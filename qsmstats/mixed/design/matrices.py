"""The fixed part and the random terms as matrices, for the data of a fit and for new data.

The fixed part may be rank deficient. As in R, a column is dropped when it is a linear combination
of those before it; a linear function L b of all columns is estimable exactly if L N = 0, where the
columns of N span the null space of the full matrix (Searle 1971, Linear Models, section 5.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from formulaic import Formula, ModelSpec

from qsmstats.arrays import Flags, Floats, Places
from qsmstats.errors import FormulaError, InvalidDataError
from qsmstats.mixed.design.frame import ModelFrame, Variable
from qsmstats.mixed.design.grouping import Grouping, check_new_columns
from qsmstats.mixed.design.independent_columns import independent_columns
from qsmstats.mixed.formula.terms import Terms, Transforms, evaluate

__all__ = [
    "DesignTerm",
    "FixedDesign",
    "RandomDesign",
    "fixed_design",
    "new_frame",
    "random_design",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignTerm:
    """One term of the fixed part.

    Attributes
    ----------
    label
        The term as written ("years:treatment"); "Intercept" for the constant.
    columns
        Its columns among all columns, dropped ones included.
    categories, numbers
        Expressions of its categorical and of its numeric factors.
    """

    label: str
    columns: tuple[int, ...]
    categories: frozenset[str]
    numbers: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedDesign:
    """The fixed part of a model, as fitted.

    Attributes
    ----------
    names
        Kept (estimable) columns, in order: the coefficients.
    dropped
        Columns dropped as linear combinations of earlier ones.
    terms
        The terms in order; their columns count kept and dropped columns together.
    variables
        Data columns that the fixed part needs.
    kept
        Positions of the kept columns among all, shape (p,).
    null_space
        N, shape (all columns, dropped): the full matrix times N is zero.
    spec
        formulaic's record of the fixed part, with the state of its transforms; the formula itself
        where it has no state.
    transforms
        The user's own functions.
    """

    names: tuple[str, ...]
    dropped: tuple[str, ...]
    terms: tuple[DesignTerm, ...]
    variables: Mapping[str, Variable]
    kept: Places
    null_space: Floats
    spec: Formula | ModelSpec
    transforms: Transforms

    @property
    def factors(self) -> dict[str, tuple[object, ...]]:
        """Categorical data column -> its levels in order."""
        return {
            name: variable.levels
            for name, variable in self.variables.items()
            if variable.levels is not None
        }

    def full_matrix(self, frame: pd.DataFrame) -> Floats:
        """All columns for new rows, shape (m, kept + dropped), for `reduce`.

        Raises
        ------
        InvalidDataError
            If a column is missing, holds an unseen category or a missing value.
        """
        return evaluate(self.spec, new_frame(frame, self.variables), self.transforms).matrix

    def matrix(self, frame: pd.DataFrame) -> Floats:
        """Return the kept columns for new rows, shape (m, p)."""
        return self.full_matrix(frame)[:, self.kept]

    def reduce(self, rows: Floats) -> tuple[Floats, Flags]:
        """Bring linear functions of all columns to functions of the kept ones.

        Parameters
        ----------
        rows
            Linear functions in the columns of `full_matrix`, shape (k, kept + dropped); NaN is
            not estimable.

        Returns
        -------
        reduced, estimable
            Shapes (k, p) and (k,). A row that is not estimable has no meaning.
        """
        rows = np.atleast_2d(np.asarray(rows, dtype=np.float64))
        residue = np.abs(rows @ self.null_space)
        size = np.abs(rows) @ np.abs(self.null_space)
        estimable = np.all(residue <= 1e-8 * np.maximum(size, 1e-300), axis=1)
        estimable &= ~np.isnan(rows).any(axis=1)
        return rows[:, self.kept], estimable


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomDesign:
    """One random term, as fitted.

    Attributes
    ----------
    label
        The term as written ("(1 + years | participant_id)").
    grouping
        Its groups.
    names
        Its columns, in order ("Intercept", "years").
    variables
        Data columns that its expression needs.
    spec
        formulaic's record of the expression; the formula itself where it has no state.
    transforms
        The user's own functions.
    """

    label: str
    grouping: Grouping
    names: tuple[str, ...]
    variables: Mapping[str, Variable]
    spec: Formula | ModelSpec
    transforms: Transforms

    def matrix(self, frame: pd.DataFrame) -> Floats:
        """Return the term's columns for new rows, shape (m, q)."""
        rows = new_frame(frame, self.variables)
        return evaluate(self.spec, rows, self.transforms).matrix


def fixed_design(terms: Terms, frame: ModelFrame) -> tuple[FixedDesign, Floats, Floats]:
    """Return the fixed part for the rows of a fit.

    Returns
    -------
    design, Q, R
        The design; the kept columns are Q R, with Q'Q / n close to the identity, shape (n, p),
        and R upper triangular, shape (p, p).
    """
    made = evaluate(terms.formula, frame.columns, terms.transforms)
    names = tuple(_rename(name, terms.renames) for name in made.names)
    basis = independent_columns(made.matrix)
    described, start = [], 0
    for term, columns in made.terms:
        factors = {factor.expr for factor in term.factors if factor.expr != "1"}
        label = _rename(str(term), terms.renames)
        described.append(
            DesignTerm(
                label="Intercept" if label == "1" else label,
                columns=tuple(range(start, start := start + len(columns))),
                categories=frozenset(factors & made.categories),
                numbers=frozenset(factors - made.categories),
            )
        )
    design = FixedDesign(
        names=tuple(names[index] for index in basis.kept),
        dropped=tuple(names[index] for index in basis.dropped),
        terms=tuple(described),
        variables={name: frame.variables[name] for name in terms.variables},
        kept=basis.kept,
        null_space=basis.null_space,
        spec=made.spec,
        transforms=terms.transforms,
    )
    return design, basis.q, basis.r


def random_design(
    label: str, terms: Terms, grouping: Grouping, frame: ModelFrame
) -> tuple[RandomDesign, Floats]:
    """Return a random term for the rows of a fit, and its columns, shape (n, q)."""
    made = evaluate(terms.formula, frame.columns, terms.transforms)
    names = tuple(_rename(name, terms.renames) for name in made.names)
    if not names:
        raise FormulaError(f"{label}: the random term has no column; write 1 before '|'")
    design = RandomDesign(
        label=label,
        grouping=grouping,
        names=names,
        variables={name: frame.variables[name] for name in terms.variables},
        spec=made.spec,
        transforms=terms.transforms,
    )
    return design, made.matrix


def _rename(name: str, renames: Mapping[str, str]) -> str:
    for expression, short in renames.items():
        name = name.replace(expression, short)
    return name


def new_frame(frame: pd.DataFrame, variables: Mapping[str, Variable]) -> pd.DataFrame:
    """Return columns of new data in the form that they have in a fit.

    Raises
    ------
    InvalidDataError
        If a column is missing, holds an unseen category or a missing value.
    """
    check_new_columns(frame, variables)
    columns = {name: variable.coerce(frame[name]) for name, variable in variables.items()}
    made = pd.DataFrame(columns, index=frame.index)
    holes = [name for name in made.columns if made[name].isna().any()]
    if holes:
        text = f"the new data have missing values in {', '.join(holes)}; fill them in"
        raise InvalidDataError(text)
    return made
