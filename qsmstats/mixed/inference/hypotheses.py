"""Hypotheses about the fixed effects: terms of types I, II and III, and contrasts by name.

Type I: with X = Q R, R made unit triangular, the rows of R that belong to the term: the term after
those before it. Type II: the same with the columns ordered so that terms which contain the term
come last. (lmerTest also sets entries of R below 1e-6 to zero, whatever the units; here none are.)
Type III, as SAS and lmerTest (Kuznetsova et al. 2017, J Stat Softw 82(13), section 4): let X_c have
all indicator columns of every factor in every term, and X M = X_c, so that b = M b_c and row i of M
is coefficient i as an estimable function of b_c. A term's rows, made orthogonal to those of the
terms that contain it, are its hypothesis. In a design without empty cells these are the hypotheses
of sum-to-zero coding.

A term contains another if both involve the same numbers and its categories include the other's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from formulaic import ModelSpec

from qsmstats.arrays import Flags, Floats
from qsmstats.display import Displayed
from qsmstats.errors import UsageError, check_option
from qsmstats.method_names import DfMethod
from qsmstats.mixed.design.matrices import DesignTerm, FixedDesign
from qsmstats.mixed.fitted import FixedEffects
from qsmstats.mixed.formula.terms import evaluate
from qsmstats.mixed.inference.wald import JointTest, joint_test, row_inference, tidy

__all__ = [
    "WaldTest",
    "anova",
    "complete_coding",
    "named_contrasts",
    "term_hypotheses",
    "wald",
]


# Rows that usually suffice to express one coding of the fixed part by another.
_SOME_ROWS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class WaldTest(Displayed):
    """Linear functions of the fixed effects, each by itself and together.

    Attributes
    ----------
    estimates
        One row per function: contrast, estimate, std_error, df, statistic, p_value, conf_low,
        conf_high.
    joint
        The F test that all are zero.
    """

    estimates: pd.DataFrame
    joint: JointTest


def anova(
    fit: FixedEffects,
    *,
    type: Literal[1, 2, 3] = 3,  # noqa: A002
    df: DfMethod = "satterthwaite",
) -> pd.DataFrame:
    """F tests of the terms of the fixed part.

    Parameters
    ----------
    fit
        A fitted mixed model.
    type
        1 sequential, 2 after all terms that do not contain the term, 3 after all terms.
    df
        How the denominator degrees of freedom are found.

    Returns
    -------
    DataFrame
        term, num_df, den_df, statistic, p_value. NaN where no F distribution has Kenward and
        Roger's moments, which happens only with about two denominator df or fewer.
    """
    found = term_hypotheses(fit, type)
    tests = [joint_test(fit, rows, df) for rows in found.values()]
    return pd.DataFrame(
        {
            "term": list(found),
            "num_df": [test.num_df for test in tests],
            "den_df": [test.den_df for test in tests],
            "statistic": [test.statistic for test in tests],
            "p_value": [test.p_value for test in tests],
        }
    )


def wald(
    fit: FixedEffects,
    contrasts: str | Floats | Mapping[str, float] | Mapping[str, Mapping[str, float]],
    *,
    df: DfMethod = "satterthwaite",
    level: float = 0.95,
) -> WaldTest:
    """Test linear functions of the fixed effects.

    Parameters
    ----------
    fit
        A fitted mixed model.
    contrasts
        The name of a coefficient, or of a term for all its coefficients (with treatment coding they
        compare with the reference; `anova` tests terms whatever the coding); or coefficient name ->
        weight; or label -> such a mapping; or L, shape (k, p).
    df, level
        As in `MixedFit.coefficients`.

    Raises
    ------
    UsageError
        If a name is not a coefficient or the shape does not fit.
    """
    if isinstance(contrasts, str):
        contrasts = _of_name(contrasts, fit.fixed)
    labels, rows = named_contrasts(contrasts, fit.fixed.names)
    table = tidy(row_inference(fit, rows, df), level, labels={"contrast": labels})
    return WaldTest(estimates=table, joint=joint_test(fit, rows, df))


def term_hypotheses(fit: FixedEffects, kind: int) -> dict[str, Floats]:
    """L of each term of the fixed part but the intercept, shapes (k, p).

    Raises
    ------
    UsageError
        If `kind` is not 1, 2 or 3.
    """
    check_option("type", kind, (1, 2, 3))
    terms = fit.fixed.terms
    place = {int(full): index for index, full in enumerate(fit.fixed.kept)}
    columns = {term.label: [place[c] for c in term.columns if c in place] for term in terms}
    tested = [term for term in terms if term.label != "Intercept"]
    root = fit.moments.basis
    if kind == 1 or len(tested) == 1:
        return {term.label: _sequential(root, terms, term, columns) for term in tested}
    if kind == 3:
        functions = _complete_coding(fit).T
        back = np.linalg.pinv(functions)
        for term in sorted(tested, key=lambda term: -len(term.categories | term.numbers)):
            own = columns[term.label]
            above = [c for other in tested if _contains(other, term) for c in columns[other.label]]
            if above:
                solution = np.linalg.lstsq(functions[:, above], functions[:, own], rcond=None)[0]
                functions[:, own] -= functions[:, above] @ solution
        return {term.label: (back @ functions[:, columns[term.label]]).T for term in tested}
    found = {}
    for term in tested:
        later = [other for other in terms if _contains(other, term)]
        first = [other for other in terms if other not in later and other is not term]
        # Where no term contains it, its coefficients span the same hypothesis behind all other
        # terms as its sequential rows, but joint df depend on the basis.
        found[term.label] = (
            _sequential(root, [*first, term, *later], term, columns)
            if later
            else np.eye(len(root))[columns[term.label]]
        )
    return found


def _contains(larger: DesignTerm, term: DesignTerm) -> bool:
    return larger.numbers == term.numbers and larger.categories > term.categories


def _sequential(
    root: Floats, order: Sequence[DesignTerm], term: DesignTerm, columns: Mapping[str, list[int]]
) -> Floats:
    """Rows of the unit triangular factor that belong to the term when terms come in this order."""
    sequence = [column for other in order for column in columns[other.label]]
    triangular = np.asarray(np.linalg.qr(root[:, sequence], mode="r"))
    rows = np.empty_like(triangular)
    rows[:, sequence] = triangular / np.diag(triangular)[:, None]
    own = columns[term.label]
    start = sequence.index(own[0]) if own else 0
    return rows[start : start + len(own)]


def complete_coding(fit: FixedEffects) -> tuple[Floats, Floats, Flags]:
    """Express a design with an indicator of every level of every factor by the fixed part.

    Returns
    -------
    coding, columns, numbers
        M with X M = X_c, shape (p, columns of X_c); X_c in the rows used, shape (rows, columns);
        and which of its columns belong to terms without factors.
    """
    made = evaluate(_complete(fit), fit.frame.data, fit.fixed.transforms)
    numbers = [
        made.categories.isdisjoint(factor.expr for factor in term.factors)
        for term, names in made.terms
        for _ in names
    ]
    return _complete_coding(fit), made.matrix, np.array(numbers)


def _complete(fit: FixedEffects) -> ModelSpec:
    """Return the fixed part with an indicator of every level, transforms as in the fit."""
    return ModelSpec.from_spec(fit.fixed.spec, ensure_full_rank=False, structure=None)


def _complete_coding(fit: FixedEffects) -> Floats:
    """M with X M = X_c, shape (p, columns of X_c).

    The relation holds row by row, so any rows that span the columns of X determine it.
    """
    complete = _complete(fit)
    data = fit.frame.data
    for rows in (np.linspace(0, len(data) - 1, min(_SOME_ROWS, len(data))).astype(int), None):
        some = data if rows is None else data.iloc[rows]
        fitted, target = (
            fit.fixed.matrix(some),
            evaluate(complete, some, fit.fixed.transforms).matrix,
        )
        scale = np.abs(fitted).max(axis=0)
        if not np.all(scale > 0.0):
            continue
        made, _, rank, _ = np.linalg.lstsq(fitted / scale, target, rcond=1e-9)
        if rank == len(scale):
            break
    coding: Floats = made / scale[:, None]
    return coding


def named_contrasts(
    contrasts: Floats | Mapping[str, Any], names: Sequence[str]
) -> tuple[list[str], Floats]:
    """Return labels and rows of linear functions, shape (k, p), from a matrix or from names.

    Raises
    ------
    UsageError
        If a name is not a coefficient, or a matrix has another number of columns.
    """
    if not isinstance(contrasts, Mapping):
        rows = np.atleast_2d(np.asarray(contrasts, dtype=np.float64))
        if rows.ndim != 2 or rows.shape[1] != len(names):
            raise UsageError(
                f"a contrast matrix needs one column per coefficient ({len(names)}), "
                f"not shape {rows.shape}; give one weight per coefficient"
            )
        return [_label(dict(zip(names, row, strict=True))) for row in rows.tolist()], rows
    if not contrasts:
        raise UsageError(
            "contrasts is empty; name a coefficient with its weight, such as {'age': 1}"
        )
    if all(isinstance(value, Mapping) for value in contrasts.values()):
        return list(contrasts), np.array([_row(value, names) for value in contrasts.values()])
    return [_label(contrasts)], _row(contrasts, names)[None]


def _of_name(name: str, fixed: FixedDesign) -> dict[str, dict[str, float]]:
    """Return the coefficient of a name, or those of a term."""
    columns = {term.label: term.columns for term in fixed.terms}
    own = [
        column
        for column, at in zip(fixed.names, fixed.kept, strict=True)
        if at in columns.get(name, ())
    ]
    if name in fixed.names:
        own = [name]
    if not own:
        terms = ", ".join(label for label in columns if label not in fixed.names)
        raise UsageError(
            f"'{name}' is not a coefficient; the model has {', '.join(fixed.names)}"
            + (f", and the terms {terms}" if terms else "")
        )
    return {column: {column: 1.0} for column in own}


def _row(weights: Mapping[str, float], names: Sequence[str]) -> Floats:
    row = pd.Series(0.0, index=list(names))
    for name, weight in weights.items():
        if name not in row.index:
            raise UsageError(f"'{name}' is not a coefficient; the model has {', '.join(names)}")
        row[name] = float(weight)
    return np.asarray(row, dtype=np.float64)


def _label(weights: Mapping[str, float]) -> str:
    """Return a linear function in words: ``a - b``, ``0.5 a + 0.5 b``."""
    made = ""
    for name, weight in weights.items():
        if weight:
            size = "" if abs(weight) == 1 else f"{abs(weight):g} "
            sign = " - " if weight < 0 else " + "
            made += f"{sign}{size}{name}"
    return f"-{made[3:]}" if made.startswith(" - ") else made[3:]
