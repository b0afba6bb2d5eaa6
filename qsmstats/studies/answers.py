"""What every answer of a study has in common: tidy tables, the fit's record, notes and methods.

An answer is a frozen dataclass; each of its fields that is a DataFrame is one table of results.
Every number of rows, raw mean and SD is that of the rows that the fit used; `flow` and the notes
say which were left out, and for which missing column.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from qsmstats.display import Displayed
from qsmstats.errors import (
    FormulaError,
    ModelError,
    NoDataError,
    UsageError,
    plural,
    require_columns,
)
from qsmstats.generalized.fit import GeneralizedFit
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.inference.response_scale import Kind
from qsmstats.own_schemas import Schemas
from qsmstats.settings import ModelSettings

__all__ = [
    "ModelAnswer",
    "answer_fields",
    "fit_record",
    "left_out",
    "levels_of",
    "number_of",
    "observed_types",
    "require_levels",
    "require_values",
    "rows_of_answer",
    "used_rows",
]

CHECKED = (
    "The model was checked by likelihood-ratio tests of unequal residual variances and of further"
    " random terms, a test of linearity, simulated residuals and random effects, and the influence"
    " of single participants; p values of the checks were adjusted by Holm's method."
)
IDENTIFIERS = ("participant_id", "session_id", "lesion_id", "years")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer(Displayed):
    """What every answer of a mixed model holds; each study adds its own tables.

    Attributes
    ----------
    outcome
        Column analysed.
    fit
        The mixed model.
    flow
        Participants and rows at each stage from the table given to the rows of the fit.
    counts
        Rows of the fit, their participants, and raw mean and SD per level.
    means
        Marginal means: level estimate std_error df conf_low conf_high quantity unit.
    anova
        Type III tests of the model's terms.
    coefficients, variances, models
        Fixed effects, variance components, and the record of the fit.
    checks
        Checks of what the model assumes, as `model_checks` makes them.
    residuals, random_effects
        The rows of the fit (identifiers, level, value of the outcome, fitted, residual), the last
        two on the model's scale; conditional modes with standard errors.
    methods
        What was done, for a methods section.
    notes
        What was left out or assumed, and what limits the results.
    """

    outcome: str
    fit: MixedFit
    flow: pd.DataFrame
    counts: pd.DataFrame
    means: pd.DataFrame
    anova: pd.DataFrame
    coefficients: pd.DataFrame
    variances: pd.DataFrame
    models: pd.DataFrame
    checks: pd.DataFrame
    residuals: pd.DataFrame
    random_effects: pd.DataFrame
    methods: str
    notes: tuple[str, ...]


def observed_types(lesions: pd.DataFrame, column: str = "lesion_type") -> pd.DataFrame:
    """Return the rows that have a type; levels without a row are removed from the column."""
    typed = lesions[lesions[column].notna()]
    levels = levels_of(typed[column], Schemas().tissues)
    types = pd.Categorical(typed[column], categories=levels).remove_unused_categories()
    return typed.assign(**{column: types})


def require_values(rows: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Return the rows with a value of the outcome.

    Raises
    ------
    FormulaError
        If there is no such column.
    ModelError
        If there is no row with a value.
    """
    if outcome not in rows.columns:
        message = f"the table has no column '{outcome}'; name one of {', '.join(rows.columns)}"
        raise FormulaError(message)
    measured = rows[rows[outcome].notna()]
    if measured.empty:
        message = (
            f"{outcome} has no value in any of {len(rows)} rows; check the images of its map, or "
            "whether lesions are large enough for this feature"
        )
        raise ModelError(message)
    return measured


def require_levels(rows: pd.DataFrame, outcome: str, factor: str) -> None:
    """Raise unless the rows with a value of the outcome have two levels of a factor.

    Parameters
    ----------
    rows
        Rows that have a level.
    outcome
        Column to analyse.
    factor
        "lesion_type" or "tissue".

    Raises
    ------
    NoDataError
        If all rows have one level.
    ModelError
        As `require_values`, and if all rows with a value have one level.
    """
    measured = require_values(rows, outcome)
    if measured[factor].nunique() < 2:
        kind = factor.replace("_", " ")
        message = (
            f"a comparison needs two {kind}s, and all {len(measured)} rows with a value of "
            f"{outcome} have the {kind} {measured[factor].iloc[0]}; add data of another"
        )
        kinds = rows[factor].unique()
        raise (ModelError if len(kinds) > 1 else NoDataError)(message)


def levels_of(values: pd.Series, known: Sequence[str]) -> tuple[str, ...]:
    """Return the levels of a column in their order; the first is the reference.

    A table that a study's files gave has them as categories. In one of text, the `known` levels
    come first, then what else it holds, in alphabetical order.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        return tuple(map(str, values.cat.categories))
    others = {str(value) for value in values.dropna()} - set(known)
    return (*known, *sorted(others))


def fit_record(fit: MixedFit | GeneralizedFit) -> pd.DataFrame:
    """Return one row that says what was fitted, to how many rows, and how the fit ended."""
    info = fit.info
    return pd.DataFrame(
        [
            {
                "formula": fit.model.formula,
                "method": fit.method if isinstance(fit, MixedFit) else "ml",
                "n_obs": info.n_obs,
                "n_groups": "; ".join(f"{name} {count}" for name, count in info.n_groups.items()),
                "dropped_rows": "; ".join(f"{k} {n}" for k, n in info.dropped_rows.items()),
                "dropped_columns": "; ".join(info.dropped_columns),
                "converged": info.converged,
                "singular": info.singular,
                "criterion": info.criterion,
                "gradient_norm": info.gradient_norm,
                "evaluations": info.evaluations,
                "messages": "; ".join(info.messages),
            }
        ]
    )


def used_rows(fit: MixedFit, rows: pd.DataFrame) -> pd.DataFrame:
    """Return those of the rows given to a fit that it used: complete in every column it needs."""
    return rows if len(fit.frame.kept) == len(rows) else rows.iloc[fit.frame.kept]


def rows_of_answer(answer: ModelAnswer, rows: pd.DataFrame) -> pd.DataFrame:
    """Return those of the rows that an answer used, where it was made from these.

    Parameters
    ----------
    answer
        What was answered.
    rows
        The rows that its fit should have been given.

    Raises
    ------
    UsageError
        If they are those of another table, or lack a column.
    """
    kept, told = answer.fit.frame.kept, answer.residuals
    names = [name for name in IDENTIFIERS if name in told]
    require_columns(rows.columns, (*names, answer.outcome), "lesions")
    lacks = f"it has {len(rows)} rows of its kind, and the answer used {len(told)}"
    found = rows.iloc[kept[kept < len(rows)]].reset_index(drop=True)
    if len(found) == len(told):
        same = found[answer.outcome].eq(told["value"])
        for name in names:
            same &= found[name].astype("object").eq(told[name].astype("object"))
        if same.all():
            return rows.iloc[kept]
        row = told[~same.to_numpy()].iloc[0]
        lacks = f"it has another row, or value, for {', '.join(str(row[name]) for name in names)}"
    raise UsageError(
        f"lesions is not the table that the answer about {answer.outcome} was made from: {lacks};"
        " give the table that the answer was made from"
    )


def answer_fields(
    fit: MixedFit,
    stages: Mapping[str, pd.DataFrame],
    *,
    outcome: str,
    factor: str,
    what: str,
    settings: ModelSettings,
    kinds: Sequence[Kind],
    notes: tuple[str, ...],
    model_notes: tuple[str, ...],
) -> dict[str, Any]:
    """Return the fields of `ModelAnswer` that every study fills alike: all but means and checks.

    Parameters
    ----------
    fit
        The model.
    stages
        Name of a stage -> its rows, in order; the rows of the last were given to the fit.
    outcome, factor
        Column analysed, and the column whose levels are compared.
    what
        What a row is: "lesion".
    settings
        Degrees of freedom and level.
    kinds
        What the study estimates, for the methods text.
    notes
        What was left out before the fit.
    model_notes
        What was left out of the default model.
    """
    given = list(stages.values())[-1]
    used = used_rows(fit, given)
    flow, missing = _flow(stages, fit, what)
    counts = used.groupby(factor, observed=True).agg(
        n=(outcome, "size"),
        n_participants=("participant_id", "nunique"),
        mean=(outcome, "mean"),
        sd=(outcome, "std"),
    )
    residuals = fit.residuals("conditional").to_numpy()
    return {
        "outcome": outcome,
        "fit": fit,
        "flow": flow,
        "counts": counts.reset_index().rename(columns={factor: "level"}),
        "anova": fit.anova(df=settings.df),
        "coefficients": fit.coefficients(df=settings.df, level=settings.level),
        "variances": fit.variances,
        "models": fit_record(fit),
        # Copied, as a view would keep all columns of the lesions for as long as the answer.
        "residuals": used[[name for name in IDENTIFIERS if name in used]]
        .assign(
            level=used[factor],
            value=used[outcome],
            fitted=fit.response - residuals,
            residual=residuals,
        )
        .reset_index(drop=True)
        .copy(),
        "random_effects": fit.random_effects(),
        "methods": " ".join(
            [
                f"{fit.methods_text(df=settings.df)} {CHECKED}{_scale_sentence(fit, kinds)}",
                *model_notes,
            ]
        ),
        "notes": notes + missing + model_notes,
    }


def _flow(
    stages: Mapping[str, pd.DataFrame], fit: MixedFit, what: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Count participants and rows down to those of a fit; note the rows with a missing value."""
    given = list(stages.values())[-1]
    used = used_rows(fit, given)
    missing = ", ".join(f"{name} {n}" for name, n in fit.info.dropped_rows.items())
    flow = pd.DataFrame(
        [
            {
                "stage": stage,
                "n_participants": part["participant_id"].nunique(),
                "n_observations": len(part),
            }
            for stage, part in {**stages, "rows of the model": used}.items()
        ]
    ).assign(note="")
    if not missing:
        return flow, ()
    flow.loc[flow.index[-1], "note"] = f"left out because of missing values: {missing}"
    people = given["participant_id"].nunique() - used["participant_id"].nunique()
    whole = f", including all those of {number_of(people, 'participant')}" if people else ""
    return flow, (
        f"The model leaves out {len(given) - len(used)} of {number_of(len(given), what)} because of"
        f" missing values ({missing}){whole}.",
    )


def _scale_sentence(fit: MixedFit, kinds: Sequence[Kind]) -> str:
    """Return what the estimates of a transformed outcome are, for a methods section, or nothing."""
    scale = fit.response_scale()
    if scale.is_plain:
        return ""
    if not scale.transform:
        return f" Estimates are on the scale of {scale.expression}."
    said = "; ".join(f"{kind}s are {scale.quantity(kind)}s" for kind in kinds)
    rest = f" of {scale.expression}" if scale.transform == "sqrt" else ""
    return f" {scale.column} was analysed as {scale.expression}: {said}{rest}."


def left_out(count: int, what: str, rest: str) -> tuple[str, ...]:
    """Return the note that some were left out; none where nothing was."""
    verb = "was" if count == 1 else "were"
    return (f"{number_of(count, what)} {rest} {verb} left out.",) if count else ()


def number_of(n: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one."""
    return f"{n} {plural(noun, n)}"
