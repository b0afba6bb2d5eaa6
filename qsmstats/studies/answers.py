"""What every answer of a study has in common: tidy tables, the fit's record, notes and methods.

An answer is a frozen dataclass; each of its fields that is a DataFrame is one table of results.
Every number of rows, raw mean and SD is that of the rows that the fit used; `flow` and the notes
say which were left out, and for which missing column. Where the formula transforms the outcome,
means, contrasts and slopes are brought back (`mixed.inference.response_scale`); the columns
`quantity`, `unit` and `null` say what they are.

Effect sizes divide a contrast (on the model's scale) by the total standard deviation of the model,
which makes it a Cohen's d that does not depend on how the variance splits over levels (Westfall,
Kenny & Judd 2014, J Exp Psychol Gen 143:2020-2045, eq. 2). A random term contributes its variance
averaged over the rows, the mean of z' G z, the residual the mean of its variances (Johnson 2014,
Methods Ecol Evol 5:944-946). pingouin turns d into Hedges' g.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.errors import ModelError, plural
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.inference.response_scale import Kind
from qsmstats.mixed.model import MixedModel
from qsmstats.records import renewed
from qsmstats.schemas import load_schema, map_schemas
from qsmstats.settings import ModelSettings
from qsmstats.spreadsheets import write_guarded
from qsmstats.writing import written_whole

__all__ = [
    "ModelAnswer",
    "answer_fields",
    "fit_record",
    "fit_study_model",
    "hedges_g",
    "left_out",
    "number_of",
    "observed_types",
    "outcome_unit",
    "result_tables",
    "used_rows",
    "with_units",
    "write_answer",
    "write_table",
]

DECIMALS = "%.10g"
IDENTIFIERS = ("participant_id", "session_id", "lesion_id", "years")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
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
    residuals: pd.DataFrame
    random_effects: pd.DataFrame
    methods: str
    notes: tuple[str, ...]


def fit_study_model(formula: str, data: pd.DataFrame, outcome: str) -> MixedFit:
    """Fit one formula template of a study by REML.

    Parameters
    ----------
    formula
        Formula of a mixed model; ``{outcome}`` stands for the outcome's column.
    data
        Tidy lesions.
    outcome
        Column of `data`.

    Raises
    ------
    ModelError
        If the data cannot answer: no such column, no rows, or a model that is not identified.
    """
    if outcome not in data.columns:
        message = f"the table has no column '{outcome}'; name one of {', '.join(data.columns)}"
        raise ModelError(message)
    return MixedModel(formula.replace("{outcome}", outcome)).fit(data)


def observed_types(lesions: pd.DataFrame, column: str = "lesion_type") -> pd.DataFrame:
    """Return the rows that have a type; levels without a row are removed from the column."""
    typed = lesions[lesions[column].notna()].copy()
    if not isinstance(typed[column].dtype, pd.CategoricalDtype):
        levels = load_schema("lesions").column("lesion_type").levels
        typed[column] = pd.Categorical(typed[column], categories=levels)
    typed[column] = typed[column].cat.remove_unused_categories()
    return typed


def fit_record(fit: MixedFit) -> pd.DataFrame:
    """Return one row that says what was fitted, to how many rows, and how the fit ended."""
    info = fit.info
    return pd.DataFrame(
        [
            {
                "formula": fit.model.formula,
                "method": fit.method,
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
    return rows.iloc[fit.frame.kept]


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
) -> dict[str, Any]:
    """Return the fields of `ModelAnswer` that every study fills alike, which is all but the means.

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
        "residuals": used[[name for name in IDENTIFIERS if name in used]]
        .assign(
            level=used[factor],
            value=used[outcome],
            fitted=fit.response - residuals,
            residual=residuals,
        )
        .reset_index(drop=True),
        "random_effects": fit.random_effects(),
        "methods": fit.methods_text(df=settings.df) + _scale_sentence(fit, kinds),
        "notes": notes + missing,
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


def outcome_unit(column: str) -> str:
    """Return the unit of an outcome: that of its map, or its name if it is no map."""
    schema = map_schemas().get(column)
    return schema.unit if schema else column


def with_units(table: pd.DataFrame, fit: MixedFit, per: str = "") -> pd.DataFrame:
    """Replace the outcome's column by its unit in `unit`, and say per what a slope is.

    Parameters
    ----------
    table
        Estimates on the response scale, with `unit` as `ResponseScale.converted` gives it.
    fit
        The model.
    per
        " per year" for slopes.
    """
    column = fit.response_scale().column
    unit = table["unit"].map(lambda one: outcome_unit(one) if one == column else one)
    return table.assign(unit=unit + per)


def hedges_g(contrasts: pd.DataFrame, fit: MixedFit, counts: pd.Series) -> pd.DataFrame:
    """Return Hedges' g and its interval for a table of pairwise contrasts.

    Parameters
    ----------
    contrasts
        Columns first, second, estimate, conf_low, conf_high, on the scale of the model.
    fit
        Fit that the contrasts come from; its random terms and residual give the total SD.
    counts
        Number of rows of the fit per level, for the small-sample correction.

    Returns
    -------
    DataFrame
        hedges_g, hedges_g_low and hedges_g_high. The interval is that of the contrast on the
        scale of g: the total SD is taken as known.
    """
    import pingouin

    total = float(np.sqrt(fit.icc()["variance"].sum()))
    columns = {"estimate": "hedges_g", "conf_low": "hedges_g_low", "conf_high": "hedges_g_high"}
    return pd.DataFrame(
        {
            target: [
                pingouin.convert_effsize(
                    value / total, "cohen", "hedges", nx=counts[first], ny=counts[second]
                )
                for value, first, second in zip(
                    contrasts[source], contrasts["first"], contrasts["second"], strict=True
                )
            ]
            for source, target in columns.items()
        }
    )


def result_tables(answer: object) -> dict[str, pd.DataFrame]:
    """Return the tables of an answer (its fields that are DataFrames) by name."""
    values = ((item.name, getattr(answer, item.name)) for item in dataclasses.fields(answer))  # type: ignore[arg-type]  # any answer is a dataclass
    return {name: value for name, value in values if isinstance(value, pd.DataFrame)}


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a TSV whole or not at all: tabs, UTF-8, n/a for missing, ten significant digits.

    Text that a spreadsheet would run as a formula has an apostrophe before it.
    """
    with written_whole(path) as unfinished:
        write_guarded(table).to_csv(
            unfinished,
            sep="\t",
            index=False,
            na_rep="n/a",
            float_format=DECIMALS,
            lineterminator="\n",
        )


def write_answer(
    answers: object | Sequence[object],
    folder: str | Path,
    *,
    refusals: Sequence[tuple[str, str]] = (),
    source: str = "",
) -> list[Path]:
    """Write the tables, the notes and the methods text of one study.

    What an earlier call wrote to the folder, and this one does not, is removed.

    Parameters
    ----------
    answers
        One answer, or the answers of one study for several outcomes: their tables are stacked, the
        outcome in the first column.
    folder
        Folder to write to; it is made where it is missing.
    refusals
        Outcome and reason, where the data could not answer; they are written to the notes.
    source
        sha256 of all that the answers were made from; kept beside them in ``made_from.json``.

    Returns
    -------
    list of Path
        The files written.
    """
    folder = Path(folder)
    several: list[Any] = list(answers) if isinstance(answers, Sequence) else [answers]
    stacked: dict[str, list[pd.DataFrame]] = {}
    for answer in several:
        for name, table in result_tables(answer).items():
            labelled = table.copy()
            if hasattr(answer, "outcome"):
                labelled.insert(0, "outcome", answer.outcome)
            stacked.setdefault(name, []).append(labelled)
    tables = {name: pd.concat(parts, ignore_index=True) for name, parts in stacked.items()}
    notes = [
        (getattr(answer, "outcome", None), note) for answer in several for note in answer.notes
    ]
    tables["notes"] = pd.DataFrame([*notes, *refusals], columns=["outcome", "note"])
    written = [folder / f"{name}.tsv" for name in tables]
    methods = folder / "methods.txt"
    with renewed(folder, [path.name for path in (*written, methods)], source):
        for path, table in zip(written, tables.values(), strict=True):
            write_table(table, path)
        with written_whole(methods) as unfinished:
            text = "\n\n".join(answer.methods for answer in several) + "\n"
            unfinished.write_text(text, encoding="utf-8")
    return [*written, methods]
