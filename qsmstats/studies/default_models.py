"""The model of a study: as stated, or this project's default and what of it the data can tell.

Intervals of a model with one residual variance and effects of patients and lesions alone are too
narrow where types vary unequally, where their differences or slopes vary between patients, or
where every lesion has a slope of its own (docs/models.md has the simulation). A default model
therefore has, beside its formula, a residual variance for each lesion type; a type with fewer than
five lesions shares that of the most frequent type, as its own could not be estimated.

Where the default model cannot be fitted (not identified, or no optimum found), it is fitted
without one, then without two of its optional terms, in the order of `OPTIONAL`, each time with
residual variances by type first and with a common one next; the first that can be fitted is the
answer's. Where none comes to an optimum, the last one is the answer's, and its record says so. A
singular fit is kept: a variance of zero is an estimate. The fixed part never changes, and neither
does a formula or a weight that was stated.

Where the rows have more than one scanner, a term for them is added to either kind of formula
(`ModelSettings.scanner`); what then lies between scanners is withheld (`confounded`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations, product

import pandas as pd

from qsmstats.errors import NotIdentifiedError
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.formula.language import parse_formula
from qsmstats.mixed.formula.terms import read_terms
from qsmstats.mixed.model import MixedModel
from qsmstats.settings import SCANNER, ModelSettings, StudyModel

__all__ = [
    "FEWEST_LESIONS",
    "POOLED",
    "fit_study_model",
    "lesions_per_level",
    "names_scanner",
    "with_strata",
    "without_weights",
]

FEWEST_LESIONS = 5
"""Lesions from which a type has a residual variance of its own."""
POOLED = "lesion_type_pooled"
"""Column of the residual strata of lesion types, of which the rare ones share one."""
FEWEST_RANDOM = 5
"""Scanners from which they are random effects: a variance of fewer is hardly estimated."""
Term = tuple[str, str, str]
OPTIONAL: dict[StudyModel, tuple[Term, ...]] = {
    "baseline": (
        (
            " + (1 | participant_id:lesion_type)",
            "",
            "Differences between types that vary from patient to patient were left out; if there"
            " are such, the intervals are too narrow.",
        ),
    ),
    "trajectory": (
        (
            "(1 + years | participant_id:lesion_id)",
            "(1 | participant_id:lesion_id)",
            "Slopes that vary from lesion to lesion were left out; the residual variance includes"
            " them.",
        ),
        (
            " + (0 + years | participant_id:lesion_type)",
            "",
            "Slopes of a type that vary from patient to patient were left out; if there are such,"
            " the intervals are too narrow.",
        ),
    ),
}
"""Terms that a default formula may lose, what then stands in their place, and what that means."""
STATED = (
    "The formula was stated without weights: the model has one residual variance, the default model"
    " one for each lesion type. If they differ, the intervals of the more variable types are too"
    ' narrow; weights = "lesion_type" corrects this.'
)
ONE_VARIANCE = (
    "Residual variances by type were left out; if they differ, the intervals of the more variable"
    " types are too narrow."
)


def fit_study_model(
    model: StudyModel,
    settings: ModelSettings,
    data: pd.DataFrame,
    outcome: str,
    *,
    also: str = "",
) -> tuple[MixedFit, tuple[str, ...]]:
    """Fit the model of a study by REML.

    Parameters
    ----------
    model
        Which formula and weights of the settings.
    settings
        Formulas, in which ``{outcome}`` stands for the outcome's column, and weights.
    data
        Tidy lesions.
    outcome
        Column of `data`.
    also
        Terms that are put before those of the fixed part.

    Returns
    -------
    fit, notes
        The model, and sentences on what the default model had to leave out.

    Raises
    ------
    ModelError
        If the data cannot answer: no complete rows, or a model that is not identified.
    """
    formula = settings.formula_of(model, outcome)
    if also:
        formula = formula.replace("~", f"~ {also} +", 1)
    formula, said = _with_scanner(formula, settings, data[data[outcome].notna()])
    weights = settings.weights_of(model)
    if not settings.is_default(model) or model not in OPTIONAL:
        return MixedModel(formula).fit(data, weights=weights), said
    if weights is not None:
        fit, left_out = _first_fitted(formula, OPTIONAL[model], data, (weights,))
        return fit, said + left_out
    data, by_type, notes = _residual_strata(data, outcome)
    fit, left_out = _first_fitted(formula, OPTIONAL[model], data, dict.fromkeys((by_type, ())))
    return fit, said + (notes if fit.residual.columns else ()) + left_out


def without_weights(model: StudyModel, settings: ModelSettings) -> tuple[str, ...]:
    """Return a note where a formula was stated without weights, which the default model has."""
    plain = not settings.is_default(model) and settings.weights_of(model) is None
    return (STATED,) if plain and model in OPTIONAL else ()


def names_scanner(formula: str, columns: Iterable[object]) -> bool:
    """Tell whether a formula has the scanner, in its fixed part, an offset or a random term."""
    parsed, known = parse_formula(formula), [*columns, SCANNER]
    parts = [parsed.fixed, *parsed.offsets, *(term.expression for term in parsed.random)]
    held = {name for part in parts for name in read_terms(part, known).variables}
    return SCANNER in held or any(SCANNER in term.group for term in parsed.random)


def _with_scanner(
    formula: str, settings: ModelSettings, rows: pd.DataFrame
) -> tuple[str, tuple[str, ...]]:
    """Return a formula with a term for the scanners of rows with an outcome, and a note."""
    there, stated = SCANNER in rows, settings.scanner
    if stated == "none" or names_scanner(formula, rows.columns):
        return formula, ()
    count = rows[SCANNER].nunique() if there else 0
    if count < 2 and (there or stated == "by_number"):
        return formula, ()
    usual = stated == "by_number"
    if stated == "random" or (usual and count >= FEWEST_RANDOM):
        why = ", as five or more are by default" if usual else ""
        return f"{formula} + (1 | {SCANNER})", (f"The {count} scanners were random effects{why}.",)
    # First, so that of two terms that are one the scanner keeps its coefficient.
    made = formula.replace("~", f"~ C({SCANNER}) +", 1)
    why = ", as fewer than five are by default" if usual else ""
    return made, (f"The {count} scanners were fixed effects{why}.",)


def _first_fitted(
    formula: str,
    optional: tuple[Term, ...],
    data: pd.DataFrame,
    weights: Iterable[tuple[str, ...]],
) -> tuple[MixedFit, tuple[str, ...]]:
    """Return the first model that can be fitted, and what it lacks, as a sentence."""
    problems: list[str] = []
    found: tuple[MixedFit, tuple[str, ...]] | None = None
    for (tried, without), columns in product(_formulas(formula, optional), weights):
        try:
            fit = MixedModel(tried).fit(data, weights=columns)
        except NotIdentifiedError as error:
            problems.append(str(error).removesuffix(": remove the term"))  # which is done here
            last = error
            continue
        if columns != next(iter(weights)):
            without = (*without, ONE_VARIANCE)
        said = f"The default model could not be fitted: {problems[0]}. " if problems else ""
        found = fit, (said + " ".join(without),) if without else ()
        if fit.info.converged:
            return found
        problems.append(f"the search for the optimum of '{tried}' did not end")
    if found is None:
        raise last
    return found


def _formulas(formula: str, optional: tuple[Term, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the formula without none, one, two, ... of the optional terms; what these stand for."""
    for count in range(len(optional) + 1):
        for left_out in combinations(optional, count):
            tried = formula
            for term, instead, _ in left_out:
                tried = tried.replace(term, instead)
            yield tried, tuple(what for _, _, what in left_out)


def _residual_strata(
    data: pd.DataFrame, outcome: str
) -> tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]]:
    """Return the data, the column of residual strata (none for one stratum), and a note on it."""
    counts = lesions_per_level(data[data[outcome].notna()], "lesion_type").sort_index()
    rare = [str(name) for name in counts[counts.between(1, FEWEST_LESIONS - 1)].index]
    frequent = [str(name) for name in counts[counts >= FEWEST_LESIONS].index]
    if len(frequent) < 2:
        return data, (), ()
    if not rare:
        return data, ("lesion_type",), ()
    most = str(counts.idxmax())
    together = " and ".join([most, *rare])
    names = {name: name for name in frequent} | dict.fromkeys([most, *rare], together)
    pooled = pd.Categorical(
        data["lesion_type"].astype("object").map(names),
        categories=[names[name] for name in frequent],
    )
    note = (
        f"Fewer than {FEWEST_LESIONS} lesions are {' or '.join(rare)}: their residual variance"
        f" could not be estimated and is taken to be that of {most} lesions. If it is larger, their"
        " intervals are too narrow."
    )
    return data.assign(**{POOLED: pooled}), (POOLED,), (note,)


def lesions_per_level(data: pd.DataFrame, factor: str) -> pd.Series:
    """Count the lesions of each level, however often seen; white matter once per participant."""
    return data.drop_duplicates(["participant_id", "lesion_id"])[factor].value_counts()


def with_strata(rows: pd.DataFrame, fit: MixedFit) -> pd.DataFrame:
    """Return rows with the column of residual strata that the fit of a default model made.

    Parameters
    ----------
    rows
        Lesions with the types of the fit, such as imputed ones.
    fit
        A fit of `fit_study_model`.
    """
    if POOLED not in fit.frame.data:
        return rows
    pairs = fit.frame.data[["lesion_type", POOLED]].drop_duplicates()
    stratum = dict(
        zip(pairs["lesion_type"].astype("str"), pairs[POOLED].astype("str"), strict=True)
    )
    strata = pd.Categorical(
        rows["lesion_type"].astype("object").map(stratum),
        categories=fit.frame.data[POOLED].cat.categories,
    )
    return rows.assign(**{POOLED: strata})
