"""Terms of a formulaic formula, and the data columns that they name.

formulaic reads the formula; this module only bridges what it leaves open between R's language and
Python's: dotted column names, ``factor(x)``, contrasts given by column, and the list of columns
that a formula needs (formulaic's own list misses the arguments of its stateful transforms).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula, ModelSpec
from formulaic.parser.types import Factor, Term
from scipy.special import logit

from qsmstats.arrays import Floats
from qsmstats.errors import FormulaError, InvalidDataError
from qsmstats.mixed.formula.allowed import CONSTANTS, parse_terms, used_columns

__all__ = ["Terms", "Transforms", "evaluate", "evaluate_numbers", "quoted", "read_terms"]

Transforms = Mapping[str, Callable[..., Any]]
"""Functions that a user adds to the language: name in the formula -> function."""

# What the language holds beyond formulaic's own transforms.
_CONTEXT = {"abs": np.abs, "logit": logit, "sqrt": np.sqrt, **CONSTANTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A formula as formulaic terms.

    Attributes
    ----------
    formula
        The terms, sorted by degree.
    variables
        Data columns that they name, in order of appearance.
    factors
        Those variables that appear only inside ``C()``: categories whatever their type.
    renames
        Column-name prefixes to shorten (``C(a, contr.sum)`` -> ``a``) for contrasts set by column.
    transforms
        The user's own functions.
    """

    formula: Formula
    variables: tuple[str, ...]
    factors: frozenset[str]
    renames: Mapping[str, str]
    transforms: Transforms = field(default_factory=dict)


def read_terms(
    text: str,
    columns: Iterable[object],
    contrasts: Mapping[str, str] | None = None,
    transforms: Transforms | None = None,
    *,
    intercept: bool = True,
) -> Terms:
    """Read an outcome, a fixed part or the expression of a random term; nothing is evaluated.

    Parameters
    ----------
    text
        A formulaic formula without a left side.
    columns
        Names of the data columns.
    contrasts
        Column -> one of `allowed.CONTRASTS`, for columns that stand in the formula by themselves.
    transforms
        The user's own functions.
    intercept
        Whether the formula has an intercept unless it says otherwise.

    Raises
    ------
    FormulaError
        If formulaic cannot read the text, or it holds what the language does not (`allowed`).
    """
    names = [name for name in columns if isinstance(name, str)]
    spelled = _r_spelling(text, names)
    formula, pieces = parse_terms(spelled, intercept=intercept)
    functions = transforms or {}
    found = {piece: used_columns(piece, text, names, functions) for piece in pieces}
    factors = {factor.expr: factor for term in formula for factor in term.factors}.values()
    uses = [
        use
        for factor in factors
        for use in (
            [(factor.expr, False)]
            if factor.eval_method is Factor.EvalMethod.LOOKUP
            else found.get(factor.expr, [])  # a number names no column
        )
    ]
    numeric = {name for name, as_factor in uses if not as_factor}
    variables = tuple(dict.fromkeys(name for name, _ in uses))
    recoded = {
        f"C({quoted(name)}, contr.{kind})": name
        for name, kind in (contrasts or {}).items()
        if name in variables
    }
    for piece in recoded:
        used_columns(piece, text, names)
    if recoded:
        # Columns that stand by themselves are replaced by their contrast-coded form.
        coded = {name: Factor(piece, eval_method="python") for piece, name in recoded.items()}
        lookup = Factor.EvalMethod.LOOKUP
        formula = Formula(
            [
                Term([coded.get(f.expr, f) if f.eval_method is lookup else f for f in term.factors])
                for term in formula
            ]
        )
    return Terms(
        formula=formula,
        variables=variables,
        factors=frozenset(variables) - numeric,
        renames=recoded,
        transforms=functions,
    )


def quoted(name: str) -> str:
    """Return a column's name as it must stand in a formula: in backticks unless it is a word."""
    return name if name.isidentifier() else f"`{name}`"


def evaluate(
    spec: Formula | ModelSpec, data: pd.DataFrame, transforms: Transforms | None = None
) -> tuple[Floats, ModelSpec, tuple[str, ...]]:
    """Design matrix of complete rows, shape (n, columns), its spec and its column names.

    Raises
    ------
    InvalidDataError
        If a transform is undefined for a row (the logarithm of a negative number).
    FormulaError
        If formulaic cannot evaluate a term.
    """
    if isinstance(spec, Formula) and not len(spec):
        return np.empty((len(data), 0)), ModelSpec(formula=spec), ()
    try:
        with np.errstate(all="ignore"):
            context = {**_CONTEXT, **(transforms or {})}
            made = spec.get_model_matrix(data, context=context, output="numpy", na_action="ignore")
    except Exception as error:  # a transform may raise anything
        raise FormulaError(f"the formula cannot be evaluated: {error}; correct it") from None
    matrix = np.asarray(made, dtype=np.float64)
    names = tuple(made.model_spec.column_names)
    # The sum of a finite matrix can overflow, but it is quick to look at.
    if not np.isfinite(matrix.sum()) and (bad := ~np.isfinite(matrix)).any():
        row, column = np.argwhere(bad)[0]
        raise InvalidDataError(
            f"'{names[column]}' is not a finite number in {int(bad[:, column].sum())} rows (first: "
            f"row position {row} of the used rows); drop them or change the transform"
        )
    return matrix, made.model_spec, names


def evaluate_numbers(
    formula: Formula | ModelSpec, data: pd.DataFrame
) -> tuple[Floats, tuple[str, ...]] | None:
    """Return what `evaluate` would, without formulaic, of columns of numbers and their products.

    Returns
    -------
    matrix, names
        Shape (n, columns), and the names of the columns; None where the formula holds anything
        else, or a product is not finite.
    """
    if not isinstance(formula, Formula):
        return None
    made, names = [], []
    for term in formula:
        column = np.ones(len(data))
        if str(term) != "1":
            for factor in term.factors:
                if factor.eval_method is not Factor.EvalMethod.LOOKUP:
                    return None
                values = data[factor.expr].to_numpy()
                if values.dtype != np.float64:
                    return None
                column = column * values
        made.append(column)
        names.append("Intercept" if str(term) == "1" else str(term))
    matrix = np.column_stack(made) if made else np.empty((len(data), 0))
    return (matrix, tuple(names)) if np.isfinite(matrix.sum()) else None


def _r_spelling(text: str, names: Sequence[str]) -> str:
    """Dotted names in backticks and R's factor() as C()."""
    pieces = re.split(r"(`[^`]*`|\"[^\"]*\"|'[^']*')", text)
    dotted = [name for name in names if "." in name and re.fullmatch(r"[\w.]+", name)]
    pattern = "|".join(re.escape(name) for name in sorted(dotted, key=len, reverse=True))
    for index, piece in enumerate(pieces):
        if piece[:1] in {"`", '"', "'"}:
            continue
        plain = re.sub(r"(?<![\w.])(?:as\.)?factor\s*\(", "C(", piece)
        if dotted:
            plain = re.sub(rf"(?<![\w.])(?:{pattern})(?![\w.(])", lambda m: f"`{m[0]}`", plain)
        pieces[index] = plain
    return "".join(pieces)
