"""From a formula and a data frame to the numbers that the optimiser needs.

The fixed columns are replaced by an orthogonal basis Q (X = Q R), the outcome by its residual
after regression on Q in units of its own size, and the columns of each random term by Z S^-1,
S from their pooled cross-product. None of this changes the model; it makes the criterion
independent of units and origins of the variables, and the optimiser's start (identity matrices)
a sensible one for any data.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats, Integers
from qsmstats.errors import InvalidDataError, NotIdentifiedError, UsageError
from qsmstats.mixed.design.frame import ModelFrame, model_frame
from qsmstats.mixed.design.grouping import Grouping, coded_column, grouping
from qsmstats.mixed.design.identifiability import (
    check_absorbed,
    check_groups,
    check_residual,
    check_rows,
    whiten,
)
from qsmstats.mixed.design.layout import Layout, OutcomeLayout, RandomColumns, Residuals
from qsmstats.mixed.design.matrices import fixed_design, random_design
from qsmstats.mixed.design.offset import check_offsets, offset_of
from qsmstats.mixed.formula.language import ParsedFormula
from qsmstats.mixed.formula.terms import Terms, Transforms, evaluate, read_terms

__all__ = [
    "NOTHING_LEFT",
    "assemble",
    "attach_outcome",
    "columns_of",
    "lay_out",
    "numeric_response",
]


# Share of the outcome that the fixed part must leave for a variance to be estimable in doubles.
NOTHING_LEFT = 1e-12

# Integers such as 1, 2, 3 are common as categories; more levels than these, or fractions, are not.
_FEW_LEVELS = 10
# Largest share of cells such as "<5" among the levels of what was meant as numbers.
_OTHERS = 0.2


def assemble(
    parsed: ParsedFormula,
    data: pd.DataFrame,
    contrasts: Mapping[str, str],
    weights: Sequence[str],
    transforms: Transforms,
) -> OutcomeLayout:
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
    transforms
        The user's own functions.

    Raises
    ------
    FormulaError, InvalidDataError
        If the formula or the data cannot be used.
    NotIdentifiedError
        If the design cannot tell the parameters apart.
    """
    columns = columns_of(data)
    text = parsed.response
    if text in columns and not text.isidentifier():  # a column's name as it stands
        text = f"`{text}`"
    response = read_terms(text, columns, None, transforms, intercept=False)
    layout = lay_out(parsed, data, contrasts, weights, transforms, [response])
    return attach_outcome(layout, numeric_response(response, layout.frame, parsed.response), parsed)


def lay_out(
    parsed: ParsedFormula,
    data: pd.DataFrame,
    contrasts: Mapping[str, str],
    weights: Sequence[str],
    transforms: Transforms,
    others: Sequence[Terms] = (),
    *,
    residual: bool = True,
) -> Layout:
    """Bring all of a model but its outcome onto its rows; see `assemble`.

    Parameters
    ----------
    others
        Terms that the model needs beside those of the formula's right side: rows in which they are
        missing are left out.
    residual
        Whether the model has a residual variance: a random effect for each row cannot be told from
        it.
    """
    columns = columns_of(data)
    fixed = read_terms(parsed.fixed, columns, contrasts, transforms)
    random = [read_terms(term.expression, columns, contrasts, transforms) for term in parsed.random]
    offsets = tuple(
        read_terms(one, columns, None, transforms, intercept=False) for one in parsed.offsets
    )
    check_offsets(data, offsets)
    parts = [*others, fixed, *random, *offsets]
    names = [name for part in parts for name in part.variables]
    plain = {name for part in parts for name in set(part.variables) - part.factors}
    explicit = {name for part in parts for name in part.factors}
    grouping = dict.fromkeys(name for term in parsed.random for name in term.group)
    frame = model_frame(data, [*names, *weights], list(grouping), explicit - plain)
    residuals = _residuals(frame, weights)
    design, basis, root = fixed_design(fixed, frame)
    n = len(frame.kept)
    check_rows(design, n)
    groups = _groupings(parsed, frame)
    effects = tuple(
        _random_columns(term.label, terms, *groups[term.group], frame)
        for term, terms in zip(parsed.random, random, strict=True)
    )
    check_groups(effects)
    if residual:
        check_residual(effects, n)
    check_absorbed(effects, basis)
    return Layout(
        frame=frame,
        fixed=design,
        random=effects,
        residuals=residuals,
        offset=offset_of(offsets, frame.data) if offsets else np.zeros(n),
        offset_terms=offsets,
        basis=basis,
        root=root,
        notes=(*_level_notes(frame, explicit), *_notes(frame, effects)),
    )


def attach_outcome(layout: Layout, outcome: Floats, parsed: ParsedFormula) -> OutcomeLayout:
    """Join an outcome, shape (n,), to the rows of a layout.

    Raises
    ------
    NotIdentifiedError
        If the fixed part reproduces the outcome.
    """
    basis, n = layout.basis, len(outcome)
    shifted = outcome - layout.offset
    size = math.sqrt(shifted @ shifted / n)
    projection = basis.T @ shifted / n
    rest = shifted - basis @ projection
    # The second round takes what rounding left of a large mean.
    again = basis.T @ rest / n
    rest -= basis @ again
    scale = math.sqrt(rest @ rest / n)
    if scale <= NOTHING_LEFT * size or size == 0.0:
        what = "constant" if np.ptp(shifted) == 0.0 else "reproduced exactly by the fixed part"
        raise NotIdentifiedError(
            f"the outcome '{parsed.response}' is {what}: there is no residual variance to "
            "estimate; choose another"
        )
    shared = {field.name: getattr(layout, field.name) for field in fields(Layout)}
    low, high = outcome.min(), outcome.max()
    if np.all((outcome == low) | (outcome == high)):
        shared["notes"] += (
            f"the outcome '{parsed.response}' takes two values only ({low:g} and {high:g}), but "
            "the model assumes normal residuals: use GeneralizedMixedModel with "
            "family='binomial'",
        )
    return OutcomeLayout(
        **shared,
        response=outcome,
        reduced=rest / scale,
        scale=scale,
        projection=projection + again,
    )


def columns_of(data: pd.DataFrame) -> list[object]:
    """Return the names of the columns of the data.

    Raises
    ------
    UsageError
        If the data are no DataFrame.
    """
    if not isinstance(data, pd.DataFrame):
        raise UsageError(f"data must be a pandas DataFrame, not {type(data).__name__}")
    return list(data.columns)


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


def _level_notes(frame: ModelFrame, explicit: Collection[str]) -> Iterator[str]:
    """Yield what may have become categories by accident; what stands inside C() was meant."""
    n = len(frame.kept)
    for name, variable in frame.variables.items():
        levels = variable.levels or ()
        if name in explicit or len(levels) <= 2:  # a slope over two levels is the same fit
            continue
        numbers = [_number(level) for level in levels]
        others = [str(level) for level, x in zip(levels, numbers, strict=True) if x is None]
        codes = len(levels) <= _FEW_LEVELS and all(x is None or x.is_integer() for x in numbers)
        if len(others) <= _OTHERS * len(levels) and not codes:
            yield (
                f"column '{name}' holds numbers as text or categories and is fitted as a factor of "
                f"{len(levels)} levels; if numbers are meant, convert it with pandas.to_numeric"
                + (f" (not a number: {', '.join(others[:3])})" if others else "")
            )
        elif len(levels) > max(_FEW_LEVELS, n / 2):
            yield (
                f"column '{name}' is fitted as a factor of {len(levels)} levels in {n} rows, fewer "
                "than two rows per level; omit it, or use it as a group: (1 | group)"
            )


def _number(level: object) -> float | None:
    try:
        value = float(str(level))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def numeric_response(terms: Terms, frame: ModelFrame, text: str) -> Floats:
    """Return the outcome that the left side of a formula makes, shape (n,).

    Raises
    ------
    InvalidDataError
        If it holds categories, or makes several columns.
    """
    for name in terms.variables:
        if frame.variables[name].levels is not None:
            raise InvalidDataError(
                f"the outcome '{text}' needs numbers, but column '{name}' holds categories; "
                "name a column of numbers, or convert it with pandas.to_numeric"
            )
    values = evaluate(terms.formula, frame.columns, terms.transforms).matrix
    if values.shape[1] != 1:
        raise InvalidDataError(f"the outcome '{text}' makes {values.shape[1]} columns; name one")
    return values[:, 0].copy()


def _residuals(frame: ModelFrame, weights: Sequence[str]) -> Residuals:
    numbers = [name for name in weights if frame.variables[name].levels is None]
    categories = [name for name in weights if name not in numbers]
    if len(numbers) > 1 or len(categories) > 1:
        raise UsageError(
            f"weights={list(weights)}; give at most one column of numbers and one of categories"
        )
    prior = frame.columns[numbers[0]] if numbers else None
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
        codes=None if column is None else np.asarray(frame.columns[column].codes, dtype=np.int64),
        weight_column=numbers[0] if numbers else None,
        prior=prior,
    )


def _groupings(
    parsed: ParsedFormula, frame: ModelFrame
) -> dict[tuple[str, ...], tuple[Grouping, Integers]]:
    names = dict.fromkeys(name for term in parsed.random for name in term.group)
    columns = {name: coded_column(pd.Series(frame.columns[name], copy=False)) for name in names}
    return {group: grouping(group, columns) for group in {term.group for term in parsed.random}}


def _random_columns(
    label: str, terms: Terms, groups: Grouping, codes: Integers, frame: ModelFrame
) -> RandomColumns:
    design, values = random_design(label, terms, groups, frame)
    basis = whiten(design, values)
    return RandomColumns(design=design, codes=codes, columns=basis.q, whitener=basis.r)
