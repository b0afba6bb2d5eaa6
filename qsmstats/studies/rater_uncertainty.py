"""Answers that carry the raters' disagreement along: types are imputed instead of taken as known.

A lesion's type is drawn many times from its ratings and its outcomes (`imputation.raters`), the
answer's own model is fitted to each set of types, and the fits are pooled by Rubin's rules
(`imputation.pooling`). Of each lesion the ratings of its first rated session count, and those of
the adjudicator as one rating more. Lesions with fewer than two ratings keep the type in the
lesions table; lesions without a type there enter by their ratings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.arrays import Integers
from qsmstats.display import Displayed
from qsmstats.errors import NoDataError, require_columns
from qsmstats.imputation.linear_draws import LinearDraws, alternatives
from qsmstats.imputation.pooling import PooledFit, pool_fits
from qsmstats.imputation.raters import TypeDraws, draw_types
from qsmstats.method_names import Adjustment
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.fitted import fit_rows
from qsmstats.mixed.model import MixedModel
from qsmstats.settings import ModelSettings
from qsmstats.studies.answers import number_of
from qsmstats.studies.baseline import GroupDifferences
from qsmstats.studies.default_models import with_strata
from qsmstats.studies.effects import beside, with_units
from qsmstats.studies.trajectory import Trajectories
from qsmstats.tables.tidy import first_sessions, followed_lesions

__all__ = ["ImputedDifferences", "ImputedTrajectories", "ImputedTypes", "impute_types"]

DEFAULTS = ModelSettings()
LESION = ["participant_id", "lesion_id"]
FACTOR = "lesion_type"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImputedTypes(Displayed):
    """An answer over imputed lesion types.

    Attributes
    ----------
    outcome
        Column analysed.
    pooled
        The pooled model.
    rater_error
        Probability of each answer of each rater given the lesion's type: rater_id, lesion_type,
        answer, estimate, std_error (mean and standard deviation of the draws).
    probable_types
        Lesions whose type is in doubt (less than 95 % of the draws have one type): the type in the
        lesions table, the most probable one, and its probability.
    methods
        What was done, for a methods section.
    notes
        What was left out or assumed, and what limits the results.
    """

    outcome: str
    pooled: PooledFit
    rater_error: pd.DataFrame
    probable_types: pd.DataFrame
    methods: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImputedDifferences(ImputedTypes):
    """Differences between imputed lesion types at the first session.

    Attributes
    ----------
    contrasts
        As those of `GroupDifferences`, with fmi (fraction of missing information), m, n
        (rows of each model), and in plain_* the estimate, interval and p of the answer that takes
        the types as known.
    """

    opened = ("contrasts",)

    contrasts: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class ImputedTrajectories(ImputedTypes):
    """Change over time of imputed lesion types.

    Attributes
    ----------
    slopes, slope_contrasts
        As those of `Trajectories`, with the columns of `ImputedDifferences.contrasts`.
    """

    opened = ("slopes", "slope_contrasts")

    slopes: pd.DataFrame
    slope_contrasts: pd.DataFrame


def impute_types(
    answer: GroupDifferences | Trajectories,
    lesions: pd.DataFrame,
    ratings: pd.DataFrame,
    *,
    settings: ModelSettings = DEFAULTS,
    seed: int = 1,
) -> ImputedDifferences | ImputedTrajectories:
    """Repeat an answer with types drawn from the ratings.

    Parameters
    ----------
    answer
        What `baseline_differences` or `trajectories` has given.
    lesions
        The lesions that it was given.
    ratings
        One row per rater and lesion: participant_id, session_id, lesion_id, rater_id, lesion_type.
    settings
        Those of the answer; `settings.imputations` is the number of imputations.
    seed
        Of the draws.

    Returns
    -------
    ImputedDifferences or ImputedTrajectories

    Raises
    ------
    UsageError
        If a column is missing.
    NoDataError
        If no lesion of the model has two ratings.
    ModelError
        If the model cannot be fitted to imputed types.

    Examples
    --------
    >>> lesions = qs.example_lesions(12)
    >>> answer = qs.baseline_differences(lesions, "mwf_percent",
    ...     formula="{outcome} ~ lesion_type + (1 | participant_id)")
    >>> keys = ["participant_id", "session_id", "lesion_id", "lesion_type"]
    >>> first = lesions.loc[lesions["years"] == 0, keys]
    >>> ratings = pd.concat([first.assign(rater_id="A"), first.assign(rater_id="B")])
    >>> ratings.iloc[:3, 3] = "hyperintense"
    >>> settings = qs.ModelSettings(imputations=2)
    >>> imputed = qs.impute_types(answer, lesions, ratings, settings=settings)
    >>> imputed.contrasts["m"].unique().tolist()
    [2]
    """
    identifiers = ("participant_id", "session_id", "lesion_id")
    require_columns(lesions.columns, (*identifiers, "years", FACTOR), "lesions")
    require_columns(ratings.columns, (*identifiers, "rater_id", FACTOR), "ratings")
    rows = (followed_lesions if isinstance(answer, Trajectories) else first_sessions)(lesions)
    levels = list(answer.fit.frame.data[FACTOR].cat.categories)
    answers = [*levels, *sorted(set(ratings[FACTOR].dropna().astype("str")) - set(levels))]
    given = _ratings(rows, ratings, answers)
    told = pd.Categorical(rows[FACTOR].astype("object"), categories=levels).codes
    first = np.where((given >= 0) & (given < len(levels)), given, -1)
    votes = np.stack([(first == level).sum(axis=1) for level in range(len(levels))], axis=1)
    most_frequent = np.where(votes.max(axis=1) > 0, votes.argmax(axis=1), -1)
    start = np.where(told >= 0, told, most_frequent)
    usable = (start >= 0) & ((told >= 0) | ((given >= 0).sum(axis=1) >= 2))
    rows, start, given = rows[usable], start[usable], given[usable]
    versions = [
        _with_types(answer.fit, rows, np.full(len(rows), code), levels)
        for code in range(len(levels))
    ]
    laid = alternatives(answer.fit, versions)
    kept = laid.kept
    rows, start, given = rows.iloc[kept], start[kept], given[kept]
    unit = rows.groupby(LESION, observed=True, sort=False).ngroup().to_numpy()
    place = np.unique(unit, return_index=True)[1]  # a row of each lesion
    twice = int(((given[place] >= 0).sum(axis=1) >= 2).sum())
    if not twice:
        raise NoDataError(
            f"{answer.outcome}: none of {len(place)} lesions of the model has two ratings; the"
            " table of ratings needs two raters of the same lesions"
        )
    drawn = draw_types(
        LinearDraws(answer.fit, laid, unit),
        unit,
        given[place],
        start[place],
        len(answers),
        m=settings.imputations,
        random=np.random.default_rng(seed),
    )
    del versions, laid  # of a large cohort as much as the fits need
    fit = _pooled(answer.fit, rows, drawn.types[:, unit], levels)
    raters = sorted(ratings["rater_id"].unique())
    shared = {
        "outcome": answer.outcome,
        "pooled": fit,
        "rater_error": _rater_error(drawn, raters, levels, answers),
        "probable_types": _probable(rows.iloc[place], told[usable][kept][place], drawn, levels),
        "methods": _methods(settings.imputations),
        "notes": _notes(drawn, twice, start[place]),
    }
    return _answered(answer, fit, rows, settings, shared)


def _answered(
    answer: GroupDifferences | Trajectories,
    fit: PooledFit,
    rows: pd.DataFrame,
    settings: ModelSettings,
    shared: dict[str, Any],
) -> ImputedDifferences | ImputedTrajectories:
    asked: dict[str, Any] = {"df": settings.df, "level": settings.level, "type": "response"}
    if isinstance(answer, GroupDifferences):
        table = fit.contrasts(FACTOR, adjust=settings.adjust, **asked)
        contrasts = beside(with_units(table, fit, rows), answer.contrasts).assign(n=len(rows))
        return ImputedDifferences(contrasts=contrasts, **shared)
    adjust: Adjustment = "mvt" if settings.adjust == "tukey" else settings.adjust
    slopes = fit.slopes("years", by=FACTOR, adjust=adjust, **asked)
    pairs = fit.slope_contrasts("years", by=FACTOR, adjust=settings.adjust, **asked)
    per = " per year"
    return ImputedTrajectories(
        slopes=beside(with_units(slopes, fit, rows, per), answer.slopes).assign(n=len(rows)),
        slope_contrasts=beside(with_units(pairs, fit, rows, per), answer.slope_contrasts).assign(
            n=len(rows)
        ),
        **shared,
    )


def _ratings(rows: pd.DataFrame, ratings: pd.DataFrame, answers: list[str]) -> Integers:
    """Return each row's lesion's ratings as places in `answers`, -1 for none: (rows, raters)."""
    coded = ratings.assign(
        answer=pd.Categorical(ratings[FACTOR].astype("object"), categories=answers).codes
    )
    keys = ["participant_id", "session_id", "lesion_id"]
    wide = coded.set_index([*keys, "rater_id"])["answer"].unstack().sort_index(axis=1)  # noqa: PD010
    # Lesions that were matched by their voxels have the identifier of their first session.
    own = "session_lesion_id" if "session_lesion_id" in rows else "lesion_id"
    where = pd.MultiIndex.from_frame(rows[["participant_id", "session_id", own]].astype("str"))
    wide.index = pd.MultiIndex.from_frame(wide.index.to_frame().astype("str"))
    found = wide.reindex(where)
    found.index = rows.index
    times = rows["years"].where((found >= 0).any(axis=1))
    firsts = times.groupby([rows[key] for key in LESION], observed=True).transform("min")
    found = found.mul(np.where(times == firsts, 1.0, np.nan), axis=0)
    lesion = found.groupby([rows[key] for key in LESION], observed=True).transform("first")
    return lesion.fillna(-1).to_numpy(dtype=np.int64)


def _pooled(fit: MixedFit, rows: pd.DataFrame, types: Integers, levels: list[str]) -> PooledFit:
    """Fit the answer's model to each set of types, equal ones once, and pool the fits."""
    model = MixedModel(fit.model.formula, fit.model.contrasts, fit.model.transforms)
    fits: dict[bytes, MixedFit] = {}
    for codes in types:
        if (key := codes.tobytes()) not in fits:
            data = _with_types(fit, rows, codes, levels)
            fits[key] = fit_rows(MixedFit, model, data, weights=fit.residual.columns, like=fit)
    return pool_fits([fits[codes.tobytes()] for codes in types])


def _with_types(
    fit: MixedFit, rows: pd.DataFrame, codes: Integers, levels: list[str]
) -> pd.DataFrame:
    """Return what the fit uses of rows, with other types and the residual strata of these."""
    types = pd.Categorical.from_codes(codes, categories=pd.Index(levels))
    used = rows[[name for name in fit.frame.data if name in rows]]
    return with_strata(used.assign(**{FACTOR: types}), fit)


def _rater_error(
    drawn: TypeDraws, raters: Iterable[str], levels: list[str], answers: list[str]
) -> pd.DataFrame:
    index = pd.MultiIndex.from_product(
        [list(raters), levels, answers], names=["rater_id", FACTOR, "answer"]
    )
    values = {"estimate": drawn.confusion.ravel(), "std_error": drawn.confusion_sd.ravel()}
    return pd.DataFrame(values, index=index).reset_index()


def _probable(
    lesions: pd.DataFrame, told: Integers, drawn: TypeDraws, levels: list[str]
) -> pd.DataFrame:
    best = drawn.probability.max(axis=1)
    names = np.array([*levels, ""], dtype=object)
    table = lesions[LESION].assign(
        lesion_type=names[told],
        most_probable=names[drawn.probability.argmax(axis=1)],
        probability=best,
    )
    made: pd.DataFrame = table[best < 0.95].reset_index(drop=True)
    return made


def _methods(m: int) -> str:
    return (
        "Raters' disagreement was carried along by multiple imputation. Each lesion's type was"
        " drawn from a latent-class model of the ratings with a confusion matrix for each rater"
        " (Dawid & Skene 1979), jointly with the mixed model of the outcome, by Gibbs sampling;"
        f" the mixed model was fitted to each of {m} sets of types, and the estimates were pooled"
        " by Rubin's rules with the degrees of freedom of Barnard and Rubin (1999)."
    )


def _notes(drawn: TypeDraws, twice: int, start: Integers) -> tuple[str, ...]:
    moved = float((drawn.types != start).mean(axis=0).sum())
    return (
        f"Of {number_of(len(start), 'lesion')} in the model, {number_of(twice, 'lesion')} have"
        " ratings of two or more raters; any others keep the type in the lesions table.",
        f"An imputation changes the type of {moved:.1f} lesions on average. It is assumed that"
        " raters err independently of one another, given a lesion's type.",
    )
