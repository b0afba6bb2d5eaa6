r"""How much of what a model asks can be told from differences between scanners.

With the scanners as a term, the estimate of a coefficient uses what its column x has of its own
beside the other columns and the scanners. For independent rows its information is the residual sum
of squares of x after regression on these, so that

.. math:: \text{share} = \frac{RSS(x \mid \text{other columns, scanners})}{RSS(x \mid \text{other
   columns})}

is the share that lies within scanners, one over the variance inflation factor that scanners add
(Fox & Monette 1992, J Am Stat Assoc 87:178-183, for one coefficient). It is 0 where the design
loses rank, and 1 where the column has the same mean on every scanner. Of a comparison or a slope
:math:`l'\beta` it is the ratio of the variances of its estimates,

.. math:: \text{share} = \frac{l' (X'X)^+ l}{l_S' (X_S'X_S)^+ l_S},

with X the columns of the model, :math:`X_S` these and one for each scanner, :math:`l_S` the weights
l and zeros for the scanners; 0 where :math:`l_S` is no linear combination of rows of :math:`X_S`:
then l'b cannot be estimated (Searle 1971, Linear Models, section 5.4). For one coefficient both are
the same. Random terms are not weighed: the share is known before there is an outcome, and is the
same for all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import pandas as pd

from qsmstats.arrays import Flags, Floats
from qsmstats.errors import NotIdentifiedError, UsageError, plural
from qsmstats.mixed.design.assembly import columns_of, lay_out
from qsmstats.mixed.design.matrices import FixedDesign
from qsmstats.mixed.fit_many import PLACEHOLDER
from qsmstats.mixed.formula.language import ParsedFormula, parse_formula
from qsmstats.mixed.formula.terms import quoted, read_terms

__all__ = ["LEAST_SHARE", "confounded_functions", "refuse_confounded", "scanner_confounding"]

LEAST_SHARE = 0.05
"""Share of the information within scanners below which a question is refused: the standard error
is then more than 4.5 times that without scanners, and rests on few rows or on a straight line
through times that lie close together."""

# Share that is zero but for rounding.
_NOTHING = 1e-10
# Share of the largest singular value below which columns depend on one another, and of a function's
# weights that may be left where it is a combination of rows.
_DEPENDENT, _LEFT = 1e-9, 1e-6


def scanner_confounding(
    formula: str, data: pd.DataFrame, *, scanner: str = "scanner"
) -> pd.DataFrame:
    """Tell how much of the information on each coefficient lies within scanners.

    Parameters
    ----------
    formula
        Formula of the model, without the scanner; random terms are left out of account.
    data
        One row per observation; rows with a missing value are left out.
    scanner
        Column of the scanner.

    Returns
    -------
    DataFrame
        One row for each coefficient but the intercept: term, columns (of the data, that it is
        made from), share_within (from 0 to 1),
        estimable, n_obs, rank (of the design with the scanners), n_columns (what the rank would be
        if nothing were confounded), where (the scanners of each level, or the range of numbers on
        each scanner).

    Raises
    ------
    FormulaError, InvalidDataError, NotIdentifiedError
        As `MixedModel.fit`.
    UsageError
        If the scanner stands in the formula, or there is one only.

    Examples
    --------
    >>> data = pd.DataFrame(
    ...     {"group": ["control"] * 4 + ["patient"] * 4, "scanner": list("AAAABBBB")}
    ... ).assign(age=[40, 51, 38, 60, 44, 50, 47, 39])
    >>> found = qs.scanner_confounding("~ age + group", data)
    >>> found.set_index("term")["share_within"].round(2).to_dict()
    {'age': 1.0, 'group[T.patient]': 0.0}
    """
    right = formula.partition("~")[2].strip()
    fixed = parse_formula(f"{PLACEHOLDER} ~ {right}").fixed if "|" in right else right
    columns = columns_of(data)
    if scanner in read_terms(fixed, columns).variables:
        raise UsageError(f"the formula '{formula}' holds '{scanner}' itself; leave it out")
    parsed = ParsedFormula(text=formula, response=PLACEHOLDER, fixed=fixed, random=())
    column = read_terms(quoted(scanner), columns, intercept=False)
    layout = lay_out(parsed, data, {}, (), {}, [column])
    codes, levels = pd.factorize(layout.frame.data[scanner], sort=True)
    if len(levels) < 2:
        raise UsageError(
            f"column '{scanner}' holds one scanner only ('{levels[0]}'); there is nothing to adjust"
        )
    design = layout.basis @ layout.root
    design = design / np.sqrt(np.mean(design**2, axis=0))
    scanners = np.eye(len(levels))[codes]
    names = layout.fixed.names
    asked = [place for place, name in enumerate(names) if name != "Intercept"]
    variables = {}
    for place in asked:
        column_of_all = layout.fixed.kept[place]
        term = next(one for one in layout.fixed.terms if column_of_all in one.columns)
        # A factor is a column or an expression of columns.
        variables[place] = tuple(
            dict.fromkeys(
                name
                for piece in sorted(term.categories | term.numbers)
                for name in ((piece,) if piece in columns else read_terms(piece, columns).variables)
            )
        )
    shares = []
    for place in asked:
        others = np.delete(design, place, axis=1)
        own = _left(design[:, place], others)
        share = _left(design[:, place], np.column_stack([others, scanners])) / own
        shares.append(0.0 if share < _NOTHING else min(share, 1.0))
    rank = np.linalg.matrix_rank(np.column_stack([design, scanners]))
    return pd.DataFrame(
        {
            "term": [names[place] for place in asked],
            "columns": [", ".join(variables[place]) for place in asked],
            "share_within": shares,
            "estimable": [share > 0.0 for share in shares],
            "n_obs": len(codes),
            "rank": rank,
            "n_columns": len(names) + len(levels) - 1,
            "where": [_where(layout.frame.data, variables[place], scanner) for place in asked],
        }
    )


def refuse_confounded(
    formula: str,
    data: pd.DataFrame,
    *,
    scanner: str = "scanner",
    asked: Collection[str] | None = None,
) -> None:
    """Refuse a model whose answers lie between scanners.

    Parameters
    ----------
    formula, data, scanner
        As in `scanner_confounding`.
    asked
        Columns of the data; coefficients made from one of them matter. All if not given.

    Raises
    ------
    NotIdentifiedError
        If less than `LEAST_SHARE` of the information on one of them lies within scanners.
    """
    table = scanner_confounding(formula, data, scanner=scanner)
    bad = table[table["share_within"] < LEAST_SHARE]
    if asked is not None:
        bad = bad[[not set(one.split(", ")).isdisjoint(asked) for one in bad["columns"]]]
    if bad.empty:
        return
    first = bad.iloc[0]
    said = _in_words(bad["term"], bad["share_within"], scanner)
    raise NotIdentifiedError(
        f"{said}; {_of_rank(first['rank'], first['n_columns'])} "
        f"({'; '.join(dict.fromkeys(bad['where']))}). "
        "Compare within one scanner, or leave the question out"
    )


def confounded_functions(
    fixed: FixedDesign,
    data: pd.DataFrame,
    functions: Floats,
    names: Iterable[str],
    *,
    scanner: str = "scanner",
    variables: Collection[str] = (),
) -> tuple[Flags, str]:
    """Tell which comparisons or slopes of a model lie between scanners.

    Parameters
    ----------
    fixed
        Fixed part of the model; its terms with the scanner are set aside.
    data
        The rows of the fit, with the scanner.
    functions
        Weights on all columns of the fixed part, shape (m, kept + dropped), of differences or
        slopes: functions that the constant has no part in.
    names
        What the functions are called, shape (m,).
    scanner
        Column of the scanner.
    variables
        Columns whose values on each scanner are told.

    Returns
    -------
    confounded
        Whether less than `LEAST_SHARE` of the information lies within scanners, shape (m,). What
        cannot be estimated without scanners either is not.
    reason
        Which are, their shares, the rank of the design and where the data were measured, in words;
        empty where none is.
    """
    shares, rank, columns = _shares(fixed, data, functions, scanner)
    low = shares < LEAST_SHARE
    if not low.any():
        return low, ""
    bad = [name for name, one in zip(names, low, strict=True) if one]
    where = _where(data, variables, scanner)
    return low, f"{_in_words(bad, shares[low], scanner)}; {_of_rank(rank, columns)} ({where})"


def _shares(
    fixed: FixedDesign, data: pd.DataFrame, functions: Floats, scanner: str
) -> tuple[Floats, int, int]:
    """Share of each function's information, rank of the design, and that without confounding."""
    own = {
        column
        for term in fixed.terms
        for piece in (*term.categories, *term.numbers)
        if scanner in read_terms(piece, columns_of(data)).variables
        for column in term.columns
    }
    kept = [place for place in range(functions.shape[1]) if place not in own]
    codes, levels = pd.factorize(data[scanner])
    design = fixed.full_matrix(data)[:, kept]
    size = np.sqrt(np.mean(design**2, axis=0))
    size[size == 0.0] = 1.0  # a column of zeros
    design, weights = design / size, functions[:, kept] / size
    wide = np.column_stack([design, np.eye(len(levels))[codes]])
    padded = np.pad(weights, ((0, 0), (0, len(levels))))
    alone, beside = _variances(design, weights), _variances(wide, padded)
    shares = np.divide(alone, beside, out=np.ones_like(alone), where=np.isfinite(alone))
    columns = int(np.linalg.matrix_rank(design)) + len(levels) - 1
    return shares, int(np.linalg.matrix_rank(wide)), columns


def _variances(design: Floats, weights: Floats) -> Floats:
    """Variance of each function over that of a row; infinite where it cannot be estimated."""
    made = weights @ np.linalg.pinv(design, rcond=_DEPENDENT)
    left = np.abs(weights - made @ design).max(axis=1)
    lost = left > _LEFT * np.abs(weights).max(axis=1)
    return np.where(lost, np.inf, (made**2).sum(axis=1))


def _in_words(names: Collection[str], shares: Iterable[float], scanner: str) -> str:
    told = list(dict.fromkeys(f"{100 * share:.2g} %" for share in sorted(shares)))
    share = f"{told[0]} to {told[-1]}" if len(told) > 1 else told[0]
    return (
        f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} confounded with {scanner}: "
        f"{share} of the information lies within scanners (at least {100 * LEAST_SHARE:g} % is "
        "required)"
    )


def _of_rank(rank: int, columns: int) -> str:
    return f"with the scanners the design has rank {rank} in {columns} {plural('column', columns)}"


def _left(column: Floats, others: Floats) -> float:
    """Residual sum of squares of a column after regression on others."""
    rest = column - others @ np.linalg.lstsq(others, column)[0]
    return float(rest @ rest)


def _where(data: pd.DataFrame, variables: Collection[str], scanner: str) -> str:
    """Return the scanners of each level, or the range of numbers on each scanner, in words."""
    parts = []
    for variable in variables:
        if pd.api.types.is_numeric_dtype(data[variable]):
            ranges = data.groupby(scanner, observed=True)[variable].agg(["min", "max"])
            text = ", ".join(
                f"{low:g} to {high:g} on {key}" for key, low, high in ranges.itertuples()
            )
        else:
            pairs = data[[variable, scanner]].drop_duplicates().sort_values([variable, scanner])
            on = pairs.groupby(variable, observed=True)[scanner].agg(
                lambda x: " and ".join(map(str, x))
            )
            text = ", ".join(f"{level} on {scanners}" for level, scanners in on.items())
        parts.append(f"{variable}: {text}")
    return "; ".join(parts)
