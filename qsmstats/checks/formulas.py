"""The formulas and weights of study.toml against the columns that the tables will have.

A formula is read, and evaluated once on made-up rows with the study's own columns and levels, so
that an error in it is found before anything is measured. Whether the data suffice shows only when
the model is fitted.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from qsmstats.errors import FormulaError, InvalidDataError, Problem, did_you_mean, nearest
from qsmstats.mixed.formula.language import ParsedFormula, parse_formula
from qsmstats.mixed.formula.terms import evaluate, read_terms
from qsmstats.schemas import load_schema
from qsmstats.settings import SCANNER, ModelSettings, StudyModel
from qsmstats.studies.default_models import names_scanner
from qsmstats.study import Study
from qsmstats.study_file import FILE
from qsmstats.tables.feature_columns import tidy_columns
from qsmstats.tables.read import LoadedTables

__all__ = ["formula_problems"]

COMPARED: dict[StudyModel, tuple[str, ...]] = {
    "baseline": ("lesion_type",),
    "tissue": ("tissue",),
    "trajectory": ("lesion_type", "years"),
}
"""Model -> columns whose effects the study asks for."""
JOINED = ("participants", "sessions", "lesions")
HARMONISED = (
    "has the scanner, for which the outcomes are adjusted too (models.harmonise); leave one of the"
    " two out"
)
ROWS = 60
"""Made-up rows: enough for a spline, and a multiple of every small number of levels."""


def formula_problems(study: Study, loaded: LoadedTables) -> Iterator[Problem]:
    """Yield what is wrong with formula and weights of each model; nothing where a table is missing.

    Parameters
    ----------
    study
        The study; its formulas hold ``{outcome}``.
    loaded
        Its tables, as far as they can be read.
    """
    if not set(JOINED) <= loaded.frames.keys():
        return
    # Rows with every column of the tidy tables: levels in turn, numbers from 1 to 2.
    numbers = pd.Series(np.linspace(1.0, 2.0, ROWS))
    # A required column that a table lacks is a problem of the table already.
    fields = [field for name in JOINED for field in load_schema(name).fields]
    columns = {field.name: numbers for field in fields if not field.optional}
    for name in JOINED:
        columns |= {str(key): _values(column) for key, column in loaded.frames[name].items()}
    maps = [spec.name for spec in study.maps]
    columns |= dict.fromkeys(tidy_columns(maps, study.outcomes), numbers)
    levels = study.schemas.tissues
    columns["tissue"] = _values(pd.Series(pd.Categorical(levels, categories=levels)))
    rows = pd.DataFrame(columns)
    yield from _scanner_problems(study.models, rows)
    yield from _formula_problems(study.models, rows, study.outcomes[0])
    said: set[str] = set()
    for name in COMPARED:
        own = rows if name == "tissue" else rows.drop(columns="tissue")
        problem = _weights_problem(study.models.weights_of(name) or (), own)
        if problem and problem not in said:  # one line of study.toml may stand for two models
            said.add(problem)
            yield Problem(table=FILE, column=f"models.{name}.weights", problem=problem)


def _formula_problems(models: ModelSettings, rows: pd.DataFrame, outcome: str) -> Iterator[Problem]:
    formulas: dict[str, str] = {name: getattr(models, name) for name in COMPARED}
    if models.covariates:
        added = " + ".join(models.covariates)
        formulas["covariates"] = f"{{outcome}} ~ {added} + (1 | participant_id)"
    for name, formula in formulas.items():
        text = formula.replace("{outcome}", outcome)
        own = rows if name == "tissue" else rows.drop(columns="tissue")
        try:
            compared = next((names for model, names in COMPARED.items() if model == name), ())
            problem = _problem(parse_formula(text), own, outcome, compared)
            problem = problem or _harmonised_problem(text, own, name, models)
        except FormulaError as error:
            problem = str(error)
        except InvalidDataError:
            problem = None  # such as a logarithm of a made-up value: the data may differ
        if problem:
            yield Problem(table=FILE, column=f"models.{name}", problem=problem)


def _harmonised_problem(
    formula: str, rows: pd.DataFrame, model: str, models: ModelSettings
) -> str | None:
    asked = models.harmonise != "none" and model != "tissue"
    return HARMONISED if asked and names_scanner(formula, rows.columns) else None


def _scanner_problems(models: ModelSettings, rows: pd.DataFrame) -> Iterator[Problem]:
    for name in ("scanner", "harmonise"):
        if getattr(models, name) != getattr(ModelSettings(), name) and SCANNER not in rows:
            text = (
                f"does nothing, as no table has a column '{SCANNER}'; add the column, or name it in"
                f' [tables.sessions], as columns = {{ {SCANNER} = "site" }}, or remove this'
            )
            yield Problem(table=FILE, column=f"models.{name}", problem=text)


def _weights_problem(columns: tuple[str, ...], rows: pd.DataFrame) -> str | None:
    for name in columns:
        if name not in rows.columns:
            hint = did_you_mean(nearest(name, rows.columns))
            return f"no table has a column '{name}'{hint}; correct it or add the column"
    numeric = [pd.api.types.is_numeric_dtype(rows[name]) for name in columns]
    if len(set(numeric)) < len(numeric):
        kind = "numbers" if numeric[0] else "categories"
        return f"names {len(columns)} columns, of {kind}; keep one of numbers and one of categories"
    return None


def _problem(
    formula: ParsedFormula, rows: pd.DataFrame, outcome: str, compared: tuple[str, ...]
) -> str | None:
    response = read_terms(formula.response, rows.columns, intercept=False)
    fixed = read_terms(formula.fixed, rows.columns)
    others = [read_terms(term.expression, rows.columns) for term in formula.random]
    others += [read_terms(one, rows.columns, intercept=False) for one in formula.offsets]
    named = [name for part in (response, fixed, *others) for name in part.variables]
    named += [name for term in formula.random for name in term.group]
    for name in dict.fromkeys(named):
        if name not in rows.columns:
            hint = did_you_mean(nearest(name, rows.columns))
            return f"no table has a column '{name}'{hint}; correct the formula or add the column"
    if outcome not in response.variables:
        return f"'{formula.text}' lacks the outcome {outcome}; write {{outcome}} left of '~'"
    for name in compared:
        if name not in fixed.variables:
            return f"'{formula.text}' lacks {name}, whose effect is to be estimated; add '+ {name}'"
    for part in (response, fixed, *others):
        evaluate(part.formula, rows)
    return None


def _values(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return pd.Series(np.linspace(1.0, 2.0, ROWS))
    levels = sorted(column.dropna().astype("str").unique()) or ["a", "b"]
    return pd.Series(pd.Categorical(np.resize(levels, ROWS), categories=levels))
