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

__all__ = ["Evaluated", "Terms", "Transforms", "evaluate", "quoted", "read_terms"]

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
    if "`1`" in text:  # formulaic takes it for the intercept
        raise FormulaError("a formula cannot tell column '1' from the intercept; rename the column")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """Terms of a formula in the rows of a table.

    Attributes
    ----------
    matrix
        Design matrix, shape (n, columns).
    terms
        The terms in order, each with the names of its columns.
    categories
        Expressions of the categorical factors.
    spec
        formulaic's record, with the state of transforms and codings, to evaluate other rows with;
        the formula itself where there is no such state.
    """

    matrix: Floats
    terms: tuple[tuple[Term, tuple[str, ...]], ...]
    categories: frozenset[str]
    spec: Formula | ModelSpec

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(name for _, names in self.terms for name in names)


def evaluate(
    spec: Formula | ModelSpec,
    data: pd.DataFrame | Mapping[str, Any],
    transforms: Transforms | None = None,
) -> Evaluated:
    """Evaluate terms in complete rows.

    Parameters
    ----------
    spec
        The terms, or the record of an earlier evaluation.
    data
        The rows: a table, or its columns by name (at least one) as float64 and categoricals.
    transforms
        The user's own functions.

    Raises
    ------
    InvalidDataError
        If a transform is undefined for a row (the logarithm of a negative number).
    FormulaError
        If formulaic cannot evaluate a term.
    """
    with np.errstate(all="ignore"):
        plain = _plain_columns(spec, data) if isinstance(spec, Formula) else None
    if plain is not None:
        return plain
    data = pd.DataFrame(data, copy=False)
    try:
        with np.errstate(all="ignore"):
            context = {**_CONTEXT, **(transforms or {})}
            made = spec.get_model_matrix(data, context=context, output="numpy", na_action="ignore")
    except Exception as error:  # a transform may raise anything
        raise FormulaError(f"the formula cannot be evaluated: {error}; correct it") from None
    matrix, record = np.asarray(made, dtype=np.float64), made.model_spec
    # The sum of a finite matrix can overflow, but it is quick to look at.
    if not np.isfinite(matrix.sum()) and (bad := ~np.isfinite(matrix)).any():
        row, column = np.argwhere(bad)[0]
        name = record.column_names[column]
        raise InvalidDataError(
            f"'{name}' is not a finite number in {int(bad[:, column].sum())} rows (first: "
            f"row position {row} of the used rows); drop them or change the transform"
        )
    return Evaluated(
        matrix=matrix,
        terms=tuple((one.term, tuple(one.columns)) for one in record.structure),
        categories=frozenset(
            expression
            for expression, (kind, _) in record.encoder_state.items()
            if kind is Factor.Kind.CATEGORICAL
        ),
        spec=record,
    )


def _plain_columns(formula: Formula, data: pd.DataFrame | Mapping[str, Any]) -> Evaluated | None:
    """Evaluate columns that stand by themselves and their products, as formulaic does.

    Numbers are taken as they are, categories in treatment coding. That is formulaic's coding too
    where what a term leaves without one of its categories is a term before it.

    Returns
    -------
    Evaluated or None
        None where the formula holds anything else, or a product is not finite.
    """
    rows = len(data if isinstance(data, pd.DataFrame) else next(iter(data.values())))
    made: list[Floats] = []
    terms: dict[Term, tuple[str, ...]] = {}
    categories: set[str] = set()
    before: set[frozenset[str]] = set()
    for term in formula:
        factors = () if str(term) == "1" else term.factors
        whole = frozenset(factor.expr for factor in factors)
        columns: dict[str, Floats] | None = None
        for factor in factors:
            own = _plain_factor(factor, data)
            if own is None:
                return None
            if factor.expr not in own:
                categories.add(factor.expr)
                if whole - {factor.expr} not in before:
                    return None
            columns = own if columns is None else _products(columns, own)
        if columns is None:
            columns = {"Intercept": np.ones(rows)}
        before.add(whole)
        made.extend(columns.values())
        terms[term] = tuple(columns)
    matrix = np.array(made).reshape(len(made), rows).T
    if not np.isfinite(matrix.sum()):
        return None
    found = frozenset(categories)
    return Evaluated(matrix=matrix, terms=tuple(terms.items()), categories=found, spec=formula)


def _plain_factor(
    factor: Factor, data: pd.DataFrame | Mapping[str, Any]
) -> dict[str, Floats] | None:
    """Return the columns of numbers or categories by name; None of anything else."""
    name = factor.expr
    if factor.eval_method is not Factor.EvalMethod.LOOKUP or name not in data:
        return None
    column = data[name]
    if isinstance(column.dtype, pd.CategoricalDtype):
        values: Any = column.array if isinstance(column, pd.Series) else column
        codes, rest = values.codes, list(enumerate(values.categories))[1:]
        return {f"{name}[T.{level}]": (codes == place) * 1.0 for place, level in rest}
    return {name: np.asarray(column)} if column.dtype == np.float64 else None


def _products(columns: dict[str, Floats], others: dict[str, Floats]) -> dict[str, Floats]:
    """Return the products of all pairs; the first factor runs fastest."""
    return {
        f"{name}:{other}": column * values
        for other, values in others.items()
        for name, column in columns.items()
    }


def _r_spelling(text: str, names: Sequence[str]) -> str:
    """Dotted names in backticks and R's factor() as C()."""
    dotted = [name for name in names if "." in name and re.fullmatch(r"[\w.]+", name)]
    if not dotted and "factor" not in text:
        return text
    pieces = re.split(r"(`[^`]*`|\"[^\"]*\"|'[^']*')", text)
    pattern = "|".join(re.escape(name) for name in sorted(dotted, key=len, reverse=True))
    for index, piece in enumerate(pieces):
        if piece[:1] in {"`", '"', "'"}:
            continue
        plain = re.sub(r"(?<![\w.])(?:as\.)?factor\s*\(", "C(", piece)
        if dotted:
            plain = re.sub(rf"(?<![\w.])(?:{pattern})(?![\w.(])", lambda m: f"`{m[0]}`", plain)
        pieces[index] = plain
    return "".join(pieces)
