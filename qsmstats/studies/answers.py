"""What every answer of a study has in common: tidy tables, the fit's record, notes and methods.

An answer is a frozen dataclass; each of its fields that is a DataFrame is one table of results.
Effect sizes divide a contrast by the total standard deviation of the model (square root of the sum
of the residual variance and the variances of all random intercepts), which makes the contrast a
Cohen's d that does not depend on how the variance splits over levels (Westfall, Kenny & Judd 2014,
J Exp Psychol Gen 143:2020-2045, eq. 2); pingouin turns d into Hedges' g.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qsmstats.errors import ModelError
from qsmstats.schemas import load_schema
from qsmstats.spreadsheets import write_guarded
from qsmstats.writing import written_whole

if TYPE_CHECKING:
    from qsmstats.mixed.model import MixedFit

__all__ = [
    "ModelAnswer",
    "combine_answers",
    "fit_record",
    "fit_study_model",
    "hedges_g",
    "model_residuals",
    "observed_types",
    "result_tables",
    "write_answer",
    "write_table",
]

DECIMALS = "%.10g"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """What every answer of a mixed model holds; the studies add what they asked for.

    Attributes
    ----------
    outcome
        Column analysed.
    fit
        The mixed model.
    counts
        Rows, participants, and raw mean and SD per level.
    means
        Marginal means: level estimate std_error df conf_low conf_high.
    anova
        Type III tests of the model's terms.
    coefficients, variances, models
        Fixed effects, variance components, and the record of the fit.
    residuals, random_effects
        For model checks: level fitted residual; conditional modes with standard errors.
    methods
        What was done, for a methods section.
    notes
        What the reader must know, in words.
    """

    outcome: str
    fit: MixedFit
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
    from qsmstats.mixed.model import MixedModel

    if outcome not in data.columns:
        message = f"the table has no column '{outcome}'; name one of {', '.join(data.columns)}"
        raise ModelError(message)
    return MixedModel(formula.format(outcome=outcome)).fit(data)


def observed_types(lesions: pd.DataFrame, column: str = "lesion_type") -> pd.DataFrame:
    """Return the rows that have a type, with the levels nobody has dropped from the column."""
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


def hedges_g(contrasts: pd.DataFrame, fit: MixedFit, counts: pd.Series) -> pd.DataFrame:
    """Add Hedges' g and its interval to a table of pairwise contrasts.

    Parameters
    ----------
    contrasts
        Columns contrast ("a - b"), estimate, conf_low, conf_high.
    fit
        Fit that the contrasts come from; its random intercepts and residual give the total SD.
    counts
        Number of rows per level, for the small-sample correction.

    Returns
    -------
    DataFrame
        `contrasts` with hedges_g, hedges_g_low and hedges_g_high. The interval is that of the
        contrast on the scale of g: the total SD is taken as known.
    """
    import pingouin

    variances = fit.variances
    intercepts = variances["term"].isin(["Intercept", "(Intercept)", "1"]) | (
        variances["group"] == "Residual"
    )
    total = float(np.sqrt(variances.loc[intercepts, "variance"].sum()))
    table = contrasts.copy()
    for source, target in (
        ("estimate", "hedges_g"),
        ("conf_low", "hedges_g_low"),
        ("conf_high", "hedges_g_high"),
    ):
        table[target] = [
            pingouin.convert_effsize(
                value / total, "cohen", "hedges", nx=counts[first], ny=counts[second]
            )
            for value, (first, second) in zip(
                table[source], table["contrast"].str.split(" - "), strict=True
            )
        ]
    return table


def result_tables(answer: object) -> dict[str, pd.DataFrame]:
    """Return the tables of an answer (its fields that are DataFrames) by name."""
    values = ((item.name, getattr(answer, item.name)) for item in dataclasses.fields(answer))  # type: ignore[arg-type]  # any answer is a dataclass
    return {name: value for name, value in values if isinstance(value, pd.DataFrame)}


def model_residuals(fit: MixedFit, rows: pd.DataFrame, factor: str) -> pd.DataFrame:
    """Return level, fitted value and conditional residual of each row that the model used."""
    residuals = fit.residuals("conditional")
    return pd.DataFrame(
        {
            "level": rows[factor].to_numpy()[residuals.index],
            "fitted": fit.response - residuals.to_numpy(),
            "residual": residuals.to_numpy(),
        }
    )


def combine_answers(answers: Sequence[Any]) -> dict[str, pd.DataFrame]:
    """Stack the tables of several outcomes; where answers have an outcome, it comes first."""
    stacked: dict[str, list[pd.DataFrame]] = {}
    for answer in answers:
        for name, table in result_tables(answer).items():
            labelled = table.copy()
            if hasattr(answer, "outcome"):
                labelled.insert(0, "outcome", answer.outcome)
            stacked.setdefault(name, []).append(labelled)
    return {name: pd.concat(tables, ignore_index=True) for name, tables in stacked.items()}


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
) -> list[Path]:
    """Write the tables, the notes and the methods text of one study.

    Parameters
    ----------
    answers
        One answer, or the answers of one study for several outcomes (stacked in one table each).
    folder
        Folder to write to; it is made where it is missing.
    refusals
        Outcome and reason, where the data could not answer; they stand among the notes.

    Returns
    -------
    list of Path
        The files written.
    """
    folder = Path(folder)
    several: list[Any] = list(answers) if isinstance(answers, Sequence) else [answers]
    tables = combine_answers(several)
    notes = [
        (getattr(answer, "outcome", None), note) for answer in several for note in answer.notes
    ]
    tables["notes"] = pd.DataFrame([*notes, *refusals], columns=["outcome", "note"])
    written = [folder / f"{name}.tsv" for name in tables]
    for path, table in zip(written, tables.values(), strict=True):
        write_table(table, path)
    methods = folder / "methods.txt"
    with written_whole(methods) as unfinished:
        text = "\n\n".join(answer.methods for answer in several) + "\n"
        unfinished.write_text(text, encoding="utf-8")
    return [*written, methods]
