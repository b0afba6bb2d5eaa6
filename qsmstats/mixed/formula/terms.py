"""Terms of a formulaic formula, and the data columns that they name.

formulaic reads the formula; this module only bridges what it leaves open between R's language and
Python's: dotted column names, ``factor(x)``, contrasts given by column, and the list of columns
that a formula needs (formulaic's own list misses the arguments of its stateful transforms).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from formulaic import Formula, ModelSpec
from formulaic.errors import FormulaicError
from formulaic.parser.types import Factor, Term
from numpy.typing import NDArray

from qsmstats.errors import FormulaError, InvalidDataError

__all__ = ["CONTRASTS", "Terms", "evaluate", "read_terms"]

CONTRASTS = ("treatment", "sum", "helmert", "poly", "diff", "SAS")

_CONTEXT = {
    **{name: getattr(np, name) for name in ("sqrt", "sin", "cos", "tan", "abs", "log1p", "expm1")},
    "TRUE": True,
    "FALSE": False,
    "pi": np.pi,
}
_PLACEHOLDER = re.compile(r"`([^`]+)`")


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
    """

    formula: Formula
    variables: tuple[str, ...]
    factors: frozenset[str]
    renames: Mapping[str, str]


def read_terms(
    text: str, columns: Iterable[object], contrasts: Mapping[str, str] | None = None
) -> Terms:
    """Read a fixed part or the expression of a random term.

    Parameters
    ----------
    text
        A formulaic formula without a left side.
    columns
        Names of the data columns.
    contrasts
        Column -> one of `CONTRASTS`, for columns that stand in the formula by themselves.

    Raises
    ------
    FormulaError
        If formulaic cannot read the text.
    """
    names = [name for name in columns if isinstance(name, str)]
    try:
        formula = Formula(_r_spelling(text, names))
    except (FormulaicError, SyntaxError) as error:
        first = str(error).splitlines()[0]
        raise FormulaError(f"'{text}' cannot be read as a formula: {first}; correct it") from None
    uses = [use for factor in _factors(formula) for use in _uses(factor, names)]
    numeric = {name for name, as_factor in uses if not as_factor}
    variables = tuple(dict.fromkeys(name for name, _ in uses))
    recoded = {
        f"C({_quoted(name)}, contr.{kind})": name for name, kind in (contrasts or {}).items()
    }
    return Terms(
        formula=_recode(formula, {name: expr for expr, name in recoded.items()}),
        variables=variables,
        factors=frozenset(variables) - numeric,
        renames={expr: name for expr, name in recoded.items() if name in variables},
    )


def evaluate(
    spec: Formula | ModelSpec, data: pd.DataFrame
) -> tuple[NDArray[np.float64], ModelSpec, tuple[str, ...]]:
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
            made = spec.get_model_matrix(data, context=_CONTEXT, output="numpy", na_action="ignore")
    except Exception as error:  # the text of a factor is Python, and may raise anything
        raise FormulaError(f"the formula cannot be evaluated: {error}; correct it") from None
    matrix = np.asarray(made, dtype=np.float64)
    names = tuple(made.model_spec.column_names)
    if not np.isfinite(matrix.sum()):
        _name_undefined(matrix, names)
    return matrix, made.model_spec, names


def _name_undefined(matrix: NDArray[np.float64], names: Sequence[str]) -> None:
    bad = ~np.isfinite(matrix)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InvalidDataError(
            f"'{names[column]}' is not a finite number in {int(bad[:, column].sum())} rows (first: "
            f"row position {row} of the used rows); drop them or change the transform"
        )


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


def _factors(formula: Formula) -> list[Factor]:
    found = {factor.expr: factor for term in formula for factor in term.factors}
    return list(found.values())


def _uses(factor: Factor, names: Sequence[str]) -> list[tuple[str, bool]]:
    """Columns that a factor names, each with "as category inside C()?"."""
    if factor.eval_method is Factor.EvalMethod.LITERAL:
        return []
    if factor.eval_method is Factor.EvalMethod.LOOKUP:
        return [(factor.expr, False)]
    quoted: dict[str, str] = {}

    def hide(match: re.Match[str]) -> str:
        key = f"_quoted_{len(quoted)}"
        quoted[key] = match[1]
        return key

    tree = ast.parse(_PLACEHOLDER.sub(hide, factor.expr).strip(), mode="eval")
    _refuse_offset(tree, factor.expr)
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    modules = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    categories = {
        id(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "C" and node.args
    }
    uses = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name) or id(node) in functions:
            continue
        name = quoted.get(node.id, node.id)
        known = name in names or node.id in quoted
        if known or (id(node) not in modules and name not in _CONTEXT):
            uses.append((name, id(node) in categories))
    return uses


def _refuse_offset(tree: ast.AST, text: str) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "offset":
            raise FormulaError(f"'{text}': offsets are not supported; subtract it from the outcome")


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"


def _recode(formula: Formula, recoded: Mapping[str, str]) -> Formula:
    """Return the formula with plain columns replaced by their contrast-coded form."""
    if not recoded:
        return formula
    terms = [
        Term(
            [
                Factor(recoded[factor.expr], eval_method="python")
                if factor.eval_method is Factor.EvalMethod.LOOKUP and factor.expr in recoded
                else factor
                for factor in term.factors
            ]
        )
        for term in formula
    ]
    return Formula(terms)
