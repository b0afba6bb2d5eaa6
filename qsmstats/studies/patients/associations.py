"""How the lesions of patients are related to clinical variables: all questions of one study.

The p-values of one analysis of a question are one family and adjusted together (by default for the
false discovery rate, Benjamini & Hochberg 1995, J R Stat Soc B 57:289-300); they stand beside the
unadjusted ones. What the data cannot answer is a sentence in the notes and no row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np
import pandas as pd

from qsmstats.display import Displayed
from qsmstats.errors import (
    InvalidDataError,
    ModelError,
    UsageError,
    did_you_mean,
    nearest,
    require_columns,
)
from qsmstats.own_schemas import Schemas
from qsmstats.settings import ModelSettings, PatientSettings, column_of
from qsmstats.studies.answers import number_of, observed_types
from qsmstats.studies.patients.associations_text import clinical_title, methods_text
from qsmstats.studies.patients.change import change_regression
from qsmstats.studies.patients.counts import count_regression
from qsmstats.studies.patients.groups import any_lesion, exact_test, groups_of_patients
from qsmstats.studies.patients.lesions import lesion_regression
from qsmstats.studies.patients.rows import Found, Row
from qsmstats.studies.patients.shares import STEP, ordinal_regression, partial_spearman
from qsmstats.tables.tidy import first_sessions, followed_lesions

__all__ = ["PatientAssociations", "patient_associations"]

CLINICAL = ("edss", "disease_duration", "age", "sex")
PRL = "paramagnetic_rim"
ASSOCIATIONS = (
    *("question", "analysis", "outcome", "variable", "level", "estimate", "std_error", "df"),
    *("statistic", "p_value", "p_adjusted", "adjust", "conf_low", "conf_high", "quantity", "unit"),
    *("null", "n_participants", "n_lesions", "covariates", "test", "note"),
)
CHECKS = (
    *("question", "outcome", "variable", "check", "estimate", "std_error", "observed", "expected"),
    *("statistic", "df", "p_value", "test", "note"),
)
ANSWERS: dict[str, tuple[Callable[..., Found], ...]] = {
    "counts": (count_regression,),
    "groups": (any_lesion, exact_test),
    "shares": (ordinal_regression, partial_spearman),
    "lesions": (lesion_regression,),
}
_Question = tuple[str, str, str, Callable[[], Found]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientAssociations(Displayed):
    """How the lesions of patients are related to clinical variables.

    Attributes
    ----------
    associations
        One row per question, outcome and clinical variable (and its level): estimate with interval,
        p-value unadjusted and adjusted, numbers of patients and lesions.
    goodness_of_fit
        Dispersion and excess zeros of counts, proportional odds of disability.
    groups
        Patients with no, few and many lesions of one type; no rows where that was not asked.
    methods
        What was done, for a methods section.
    notes
        What was left out, assumed, or could not be answered.
    """

    associations: pd.DataFrame
    goodness_of_fit: pd.DataFrame
    groups: pd.DataFrame
    methods: str
    notes: tuple[str, ...]


def patient_associations(
    patients: pd.DataFrame,
    lesions: pd.DataFrame,
    *,
    settings: PatientSettings | None = None,
    models: ModelSettings | None = None,
    outcomes: Sequence[str] = (),
    schemas: Schemas | None = None,
) -> PatientAssociations:
    """Ask how the lesions of patients are related to clinical variables.

    Parameters
    ----------
    patients
        What `patient_table` returns.
    lesions
        Tidy lesions, as `tidy_lesions` makes them.
    settings
        Questions, clinical variables and covariates; `study.patients` for those of study.toml.
    models
        Formula of the trajectory, degrees of freedom and confidence level; `study.models`.
    outcomes
        Columns of `lesions` whose change is asked about; by default every map in `lesions`.
    schemas
        `study.schemas`, for a study with lesion types or maps of its own.

    Returns
    -------
    PatientAssociations
        Of the first sessions, but for the question "change".

    Raises
    ------
    UsageError
        If the settings name a column that `patients` does not have.
    ModelError
        If no patient was measured at the first session.

    Examples
    --------
    >>> lesions = qs.example_lesions()
    >>> patients = lesions.drop_duplicates(["participant_id", "years"])
    >>> patients = patients.assign(measured=True, n_lesions=5)
    >>> settings = qs.PatientSettings(questions=("lesions",), clinical=("edss",))
    >>> answer = qs.patient_associations(patients, lesions, settings=settings)
    >>> answer.associations["question"].unique().tolist()
    ['lesions']
    """
    schemas, models = schemas or Schemas(), models or ModelSettings()
    given = settings or PatientSettings()
    counted = ("participant_id", "years", "measured", "n_lesions")
    require_columns(patients.columns, counted, "patients")
    require_columns(lesions.columns, ("participant_id", "years", "lesion_type"), "lesions")
    _require_columns(given, patients)
    every = first_sessions(patients)
    first = every[every["measured"]]
    if first.empty:
        raise ModelError("no patient was measured at the first session; measure them again")
    present = tuple(name for name in given.covariates if _has_values(first, column_of(name)))
    kinds = (given.grouped_type, PRL if PRL in schemas.lesion_types else "", *schemas.rims)
    grouped = next(filter(None, kinds), "")
    settings = replace(given, covariates=present, grouped_type=grouped)
    notes = _notes(patients, first, settings)
    asked = _questions(first, patients, lesions, settings, models, schemas, outcomes)
    rows: list[Row] = []
    checks: list[Row] = []
    refused: dict[tuple[str, str, str], dict[str, None]] = {}
    for question, outcome, variable, answer in asked:
        about = {"question": question, "outcome": outcome, "variable": variable}
        try:
            found, checked = answer()
        except (ModelError, InvalidDataError, UsageError) as error:
            reason = "; ".join(str(error).splitlines())
            refused.setdefault((question, reason, outcome), {})[variable] = None
            continue
        rows += [{"unit": _unit(about | row, schemas), **about, **row} for row in found]
        checks += [about | row for row in checked]
    together: dict[tuple[str, str, str], list[str]] = {}
    for (question, reason, outcome), names in refused.items():
        together.setdefault((question, reason, ", ".join(names)), []).append(outcome)
    notes += [
        f"Not answered, question {question}: {', '.join(kinds)} by {names}: {reason}."
        for (question, reason, names), kinds in together.items()
    ]
    notes += _contradicted(checks, 1.0 - models.level)
    kind = settings.grouped_type if "groups" in settings.questions else ""
    associations = _adjusted(pd.DataFrame(rows, columns=list(ASSOCIATIONS)), settings)
    return PatientAssociations(
        associations=associations,
        goodness_of_fit=pd.DataFrame(checks, columns=list(CHECKS)),
        groups=groups_of_patients(first, kind, settings.cuts, models.level),
        methods=methods_text(associations, settings, models),
        notes=tuple(notes),
    )


def _require_columns(settings: PatientSettings, patients: pd.DataFrame) -> None:
    defaults = PatientSettings()
    named = [*settings.clinical]
    if settings.covariates != defaults.covariates:
        named += settings.covariates
    if settings.disability != defaults.disability:
        named.append(settings.disability)
    for name in map(column_of, named):
        if name not in patients:
            hint = did_you_mean(nearest(name, patients.columns))
            text = f"patients has no column '{name}'{hint or ';'} name another or add the column"
            raise UsageError(text)


def _has_values(rows: pd.DataFrame, column: str) -> bool:
    return column in rows and bool(rows[column].notna().any())


def _is_scale(rows: pd.DataFrame, column: str) -> bool:
    # The order of texts would be that of the alphabet.
    return _has_values(rows, column) and pd.api.types.is_numeric_dtype(rows[column])


def _notes(patients: pd.DataFrame, first: pd.DataFrame, settings: PatientSettings) -> list[str]:
    everyone = patients["participant_id"].nunique()
    notes = [
        f"Of {number_of(everyone, 'patient')}, {len(first)} were measured at the first session,"
        f" {int((first['n_lesions'] == 0).sum())} of them without lesions."
    ]
    if not _clinical(first, settings):
        notes.append("The tables have no clinical variable, so that none was asked about.")
    disability = settings.disability
    later = [name for name in ("shares", "lesions", "change") if name in settings.questions]
    if later and not _is_scale(first, column_of(disability)):
        reason = "no number" if _has_values(first, column_of(disability)) else "not there"
        notes.append(f"Not asked, as {disability} is {reason}: {', '.join(later)}.")
    elif later:
        found = first[column_of(disability)].nunique()
        if found < 5:
            notes.append(
                f"{disability} has only {found} values in these patients: estimates per unit assume"
                " that the steps between them are equal, which so few values cannot show."
            )
    if not settings.grouped_type and "groups" in settings.questions:
        notes.append("Not asked, as no lesion type has a rim: groups. Name a type: grouped_type.")
    return notes


def _contradicted(checks: list[Row], alpha: float) -> list[str]:
    """Name the models whose assumption a check contradicts; dispersion is no assumption."""
    found: dict[object, list[str]] = {}
    for row in checks:
        p = row.get("p_value")
        if row["check"] != "dispersion" and isinstance(p, float) and p < alpha:
            found.setdefault(row["check"], []).append(f"{row['outcome']} by {row['variable']}")
    return [
        f"The data contradict the model (check: {check}, p < {alpha:.2g}), so that these"
        f" estimates need care: {', '.join(models)}."
        for check, models in found.items()
    ]


def _clinical(first: pd.DataFrame, settings: PatientSettings) -> tuple[str, ...]:
    return settings.clinical or tuple(name for name in CLINICAL if _has_values(first, name))


def _questions(
    first: pd.DataFrame,
    patients: pd.DataFrame,
    lesions: pd.DataFrame,
    settings: PatientSettings,
    models: ModelSettings,
    schemas: Schemas,
    outcomes: Sequence[str],
) -> Iterator[_Question]:
    """Yield each question, its outcome and variable, and what answers it."""
    disability = settings.disability
    scale = (disability,) if _is_scale(first, column_of(disability)) else ()
    columns = {column_of(name) for name in (*scale, *settings.covariates)}
    baseline = first_sessions(lesions)[["participant_id", "lesion_type"]].merge(
        first[["participant_id", *sorted(columns)]], on="participant_id"
    )
    named = (settings.grouped_type,) if settings.grouped_type else ()
    for question, functions in ANSWERS.items():
        if question not in settings.questions:
            continue
        rows = baseline if question == "lesions" else first
        kinds = named if question == "groups" else schemas.lesion_types
        variables = _clinical(first, settings) if question in ("counts", "groups") else scale
        for kind, variable, answer in product(kinds, variables, functions):
            asked = partial(answer, rows, kind, variable, settings=settings, level=models.level)
            yield question, kind, variable, asked
    if "change" in settings.questions and scale:
        maps = outcomes or [name for name in schemas.maps if name in lesions]
        yield from _changes(patients, lesions, disability, maps, models)


def _changes(
    patients: pd.DataFrame,
    lesions: pd.DataFrame,
    disability: str,
    outcomes: Sequence[str],
    models: ModelSettings,
) -> Iterator[_Question]:
    """Yield the questions of change: by disability at the first session, and by its change."""
    followed = observed_types(followed_lesions(lesions))
    column = column_of(disability)
    predictors = {disability: first_sessions(patients).set_index("participant_id")[column]}
    change = f"{column}_per_year"
    if _has_values(patients, change):
        visits = patients.sort_values("years").groupby("participant_id", observed=True)
        predictors[change] = visits[change].last()
    for variable, values in predictors.items():
        rows = followed.drop(columns=values.name, errors="ignore").merge(
            values.reset_index(), on="participant_id", how="left", validate="many_to_one"
        )
        for outcome in outcomes:
            answer = partial(change_regression, rows, outcome, variable, models=models)
            yield "change", outcome, variable, answer


def _unit(row: Row, schemas: Schemas) -> str:
    """Return what a ratio is per, or the unit of a difference in change.

    A comparison of levels, a correlation and a test without an estimate have none.
    """
    if row.get("level") or row.get("quantity") in (None, "correlation"):
        return ""
    question, outcome, variable = (str(row[key]) for key in ("question", "outcome", "variable"))
    known = {column.name: column.unit for column in schemas.table("participants").fields}
    unit = known.get(variable) or "1"
    per = f"per {unit}" if unit != "1" else f"per unit of {clinical_title(variable)}"
    if question == "shares":
        return f"per {100 * STEP:g} percentage points"
    if question == "change":
        of = schemas.outcomes.get(outcome)
        return f"{of.unit if of else 'unit'} per year, {per}"
    return per


def _adjusted(table: pd.DataFrame, settings: PatientSettings) -> pd.DataFrame:
    """Adjust the p-values of each analysis of a question for their number."""
    # Loaded where it is used, as the other parts of statsmodels.
    from statsmodels.stats.multitest import multipletests

    table = table.assign(p_adjusted=np.nan, adjust=settings.adjust)
    text = ("level", "quantity", "unit", "covariates", "test", "note")
    table = table.astype(dict.fromkeys(text, object)).fillna(dict.fromkeys(text, ""))
    for _, part in table.groupby(["question", "analysis"], sort=False):
        values = part["p_value"].astype(float)
        if settings.adjust != "none":
            values = multipletests(values, method=settings.adjust)[1]
        table.loc[part.index, "p_adjusted"] = values
    return table
