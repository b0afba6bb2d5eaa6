"""From a formula and a data frame to rows: outcome, fixed columns, offset, random columns.

The design is that of the linear mixed models (`qsmstats.mixed.design`), with the same rows left
out, the same orthogonal basis and whitened random columns. Here the outcome is read and checked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from qsmstats.arrays import Flags, Floats
from qsmstats.errors import InvalidDataError, NotIdentifiedError, UsageError
from qsmstats.generalized.family import Outcome
from qsmstats.generalized.specification import GeneralizedSpecification
from qsmstats.mixed.design.assembly import columns_of, lay_out, numeric_response
from qsmstats.mixed.design.frame import ModelFrame
from qsmstats.mixed.design.layout import Layout
from qsmstats.mixed.formula.terms import Terms, quoted, read_terms

__all__ = ["GeneralizedLayout", "assemble", "with_outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralizedLayout:
    """A generalised mixed model on its rows.

    Attributes
    ----------
    design
        Frame, fixed basis, random columns and offset.
    outcome
        Outcomes of the rows.
    notes
        What a reader of the fit should know of the outcome.
    """

    design: Layout
    outcome: Outcome
    notes: tuple[str, ...]


def assemble(model: GeneralizedSpecification, data: pd.DataFrame) -> GeneralizedLayout:
    """Bring a model onto its data; errors as in `GeneralizedMixedModel.fit`."""
    columns = columns_of(data)
    parsed = model.parsed
    response = read_terms(
        quoted(parsed.response) if parsed.response in columns else parsed.response,
        columns,
        None,
        model.transforms,
        intercept=False,
    )
    others = [response]
    if model.trials is not None:
        others.append(read_terms(quoted(model.trials), columns, intercept=False))
    weights = [] if model.weights is None else [model.weights]
    design = lay_out(
        parsed, data, model.contrasts, weights, model.transforms, others, residual=False
    )
    outcome, notes = _outcome(model, design, response, parsed.response)
    return GeneralizedLayout(
        design=design,
        outcome=outcome,
        notes=notes,
    )


def with_outcome(
    layout: GeneralizedLayout, model: GeneralizedSpecification, y: Floats
) -> GeneralizedLayout:
    """Put another outcome, shape (n,), onto the rows of a model; errors as in `refit`."""
    rows = len(layout.design.offset)
    if y.shape != (rows,):
        raise UsageError(
            f"the outcome has shape {y.shape}; the fit uses {rows} rows, so give one number for "
            "each"
        )
    _check(model, y, layout.outcome.trials, "outcome")
    return replace(layout, outcome=replace(layout.outcome, y=y))


def _outcome(
    model: GeneralizedSpecification, design: Layout, response: Terms, text: str
) -> tuple[Outcome, tuple[str, ...]]:
    frame = design.frame
    if design.residuals.column is not None:
        raise InvalidDataError(
            f"weights='{model.weights}' holds categories, but prior weights are numbers; convert "
            "the column with pandas.to_numeric"
        )
    y, notes = _values(response, frame, text, binary=model.family == "binomial")
    trials = np.ones(len(y))
    if model.trials is not None:
        trials = _trials(model.trials, frame)
    _check(model, y, trials, text)
    prior = design.residuals.prior
    return (
        Outcome(
            family=model.family,
            link=model.link_name,
            y=y,
            trials=trials,
            prior=np.ones(len(y)) if prior is None else prior,
        ),
        notes,
    )


def _check(model: GeneralizedSpecification, y: Floats, trials: Floats, text: str) -> None:
    whole = (y >= 0.0) & (y == np.round(y))
    if model.family != "binomial":
        _refuse(y, ~whole, text, "must be a count, a whole number from 0 on", "correct it")
    elif model.trials is None:
        wrong = (y != 0.0) & (y != 1.0)
        _refuse(y, wrong, text, "must be 0 or 1", "correct it, or name trials=")
    else:
        _refuse(y, ~whole, text, "must count successes, whole numbers from 0 on", "correct it")
        rule = f"must not exceed the trials in '{model.trials}'"
        _refuse(y, y > trials, text, rule, "correct the successes or the trials")
    if np.all(y == 0.0) or (model.family == "binomial" and np.all(y == trials)):
        raise NotIdentifiedError(
            f"the outcome '{text}' is the same in every row ({y[0]:g}): there is nothing to "
            "estimate; choose another"
        )


def _values(
    response: Terms, frame: ModelFrame, text: str, *, binary: bool
) -> tuple[Floats, tuple[str, ...]]:
    """Return the outcome; of two categories the second counts as one."""
    name = response.variables[0] if len(response.variables) == 1 else ""
    levels = frame.variables[name].levels if name == text.strip("`") and name else None
    if binary and levels is not None and len(levels) == 2:
        codes = np.asarray(frame.columns[name].codes, dtype=np.float64)
        return codes, (f"the outcome '{text}' is 1 for {levels[1]} and 0 for {levels[0]}",)
    return numeric_response(response, frame, text), ()


def _trials(name: str, frame: ModelFrame) -> Floats:
    if frame.variables[name].levels is not None:
        raise InvalidDataError(
            f"trials='{name}' holds categories, but trials are numbers; convert the column with "
            "pandas.to_numeric"
        )
    trials: Floats = frame.columns[name]
    whole = (trials >= 1.0) & (trials == np.round(trials))
    _refuse(
        trials,
        ~whole,
        name,
        "must hold trials, whole numbers from 1 on",
        "drop rows without trials",
    )
    return trials


def _refuse(values: Floats, wrong: Flags, text: str, rule: str, remedy: str) -> None:
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InvalidDataError(
            f"'{text}' {rule}, but is {values[row]:g} in row position {row} of the used rows "
            f"({int(wrong.sum())} such rows); {remedy}"
        )
