"""Answers from outcomes that were adjusted for scanners, beside those with the scanner as a term.

The rows of the answer are adjusted: the lesions of the first sessions, or all of followed
participants. All outcomes of the study are adjusted together, so that shifts and scales are shrunk
towards those of all (Johnson, Li & Rabinovic 2007, Biostatistics 8:118-127), and what the answer's
model has in its fixed part is preserved: lesion type, time, age, sex and volume (Fortin et al.
2018, NeuroImage 167:104-120; Beer et al. 2020, NeuroImage 220:117129). Controls and white matter
are not used: they have no lesions, whose values scanners may shift otherwise. The answer's model is
then fitted to the adjusted values, without the scanner.

Longitudinal ComBat has random effects of participants and, over several sessions, of lesions;
ComBat takes all rows as independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from qsmstats.display import Displayed
from qsmstats.errors import NoDataError, UsageError, require_columns
from qsmstats.harmonise.adjustment import combat, longcombat
from qsmstats.harmonise.result import Harmonisation
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.formula.language import parse_formula
from qsmstats.mixed.formula.terms import read_terms
from qsmstats.settings import SCANNER, ModelSettings
from qsmstats.studies.answers import left_out, observed_types
from qsmstats.studies.baseline import GroupDifferences, baseline_differences
from qsmstats.studies.default_models import names_scanner
from qsmstats.studies.effects import beside
from qsmstats.studies.trajectory import Trajectories, trajectories
from qsmstats.tables.tidy import first_sessions, followed_lesions

__all__ = ["HarmonisedDifferences", "HarmonisedTrajectories", "harmonised_answer"]

NAMES = {"combat": "ComBat", "longcombat": "longitudinal ComBat"}
CERTAINTY = (
    "Harmonised values look more certain than they are: nothing of what was estimated for the"
    " adjustment enters these intervals. In simulations of a difference in change, 5 to 13 % of"
    " tests at 5 % erred after ComBat, and intervals were 7 to 32 % too wide after longitudinal"
    " ComBat; with the scanner in the model, 5 to 6 % erred. Where the two differ, rely on the"
    " latter."
)
"""By benchmarks/scanners.py; docs/scanners.md has its table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmonisedAnswer(Displayed):
    """An answer from adjusted outcomes.

    Attributes
    ----------
    outcome
        Column analysed.
    fit
        The mixed model of the adjusted outcome, without the scanner.
    scanner_effects
        What the outcome was adjusted by, as `Harmonisation.effects`.
    models
        The record of the fit.
    methods
        What was done, for a methods section.
    notes
        What was left out or assumed, and what limits the results.
    """

    outcome: str
    fit: MixedFit
    scanner_effects: pd.DataFrame
    models: pd.DataFrame
    methods: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmonisedDifferences(HarmonisedAnswer):
    """Differences between lesion types in an adjusted outcome.

    Attributes
    ----------
    contrasts
        As those of `GroupDifferences`, and in plain_* estimate, interval and p of the answer with
        the scanner as a term.
    """

    opened = ("contrasts",)

    contrasts: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmonisedTrajectories(HarmonisedAnswer):
    """Change over time of each lesion type in an adjusted outcome.

    Attributes
    ----------
    slopes, slope_contrasts
        As those of `Trajectories`, with the columns of `HarmonisedDifferences.contrasts`.
    """

    opened = ("slopes", "slope_contrasts")

    slopes: pd.DataFrame
    slope_contrasts: pd.DataFrame


def harmonised_answer(
    answer: GroupDifferences | Trajectories,
    lesions: pd.DataFrame,
    *,
    settings: ModelSettings,
    features: Sequence[str] = (),
) -> HarmonisedDifferences | HarmonisedTrajectories:
    """Repeat an answer with outcomes adjusted for scanners.

    Parameters
    ----------
    answer
        What `baseline_differences` or `trajectories` has given.
    lesions
        The lesions that it was given, with the column `scanner`.
    settings
        Those of the answer; `settings.harmonise` is "combat" or "longcombat".
    features
        Columns that are adjusted together; the answer's outcome alone if none is named, whose
        shifts and scales are then not shrunk.

    Returns
    -------
    HarmonisedDifferences or HarmonisedTrajectories

    Raises
    ------
    UsageError
        If a column is missing, `settings.harmonise` is "none", or the formula has the scanner.
    NoDataError
        If the rows have one scanner only.
    InvalidDataError
        If a scanner has too few rows or participants.
    ModelError
        If scanners are confounded with what is asked, or a model cannot be fitted.

    Examples
    --------
    >>> lesions = qs.example_lesions(12)
    >>> number = lesions["participant_id"].str[-2:].astype(int)
    >>> lesions["scanner"] = ((number + (lesions["years"] > 0)) % 2).map({0: "A", 1: "B"})
    >>> settings = qs.ModelSettings(
    ...     harmonise="longcombat", baseline="{outcome} ~ lesion_type + (1 | participant_id)"
    ... )
    >>> answer = qs.baseline_differences(lesions, "mwf_percent", settings=settings)
    >>> beside = qs.harmonised_answer(answer, lesions, settings=settings)
    >>> beside.contrasts[["plain_estimate", "estimate"]].round(1).iloc[0].tolist()
    [1.4, 1.4]
    """
    require_columns(lesions.columns, ("participant_id", "lesion_id", "lesion_type"), "lesions")
    if settings.harmonise == "none":
        raise UsageError('harmonise is "none"; name "combat" or "longcombat"')
    over_time = isinstance(answer, Trajectories)
    formula = settings.formula_of("trajectory" if over_time else "baseline", answer.outcome)
    if names_scanner(formula, lesions.columns):
        raise UsageError(f"the formula '{formula}' holds '{SCANNER}' itself; leave it out")
    chosen = followed_lesions(lesions) if over_time else first_sessions(lesions)
    typed = observed_types(chosen)
    preserve = parse_formula(formula).fixed
    needed = read_terms(preserve, lesions.columns).variables
    rows = typed.dropna(subset=[SCANNER, *needed] if SCANNER in typed else [*needed])
    if SCANNER not in rows or rows[SCANNER].nunique() < 2:
        raise NoDataError(f"{answer.outcome}: all lesions have one scanner; nothing to adjust")
    made = _adjusted(rows, features or [answer.outcome], preserve, settings, over_time=over_time)
    plain = replace(settings, scanner="none")
    again = (trajectories if over_time else baseline_differences)(
        made.table, answer.outcome, settings=plain
    )
    shared: dict[str, Any] = {
        "outcome": answer.outcome,
        "fit": again.fit,
        "scanner_effects": made.effects[made.effects["feature"] == answer.outcome],
        "models": again.models,
        "methods": _methods(rows, settings, preserve, again.methods),
        "notes": (
            *left_out(len(typed) - len(rows), "observation", "without scanner or covariate"),
            CERTAINTY,
            *again.notes,
        ),
    }
    if isinstance(answer, GroupDifferences) and isinstance(again, GroupDifferences):
        return HarmonisedDifferences(contrasts=beside(again.contrasts, answer.contrasts), **shared)
    assert isinstance(answer, Trajectories)  # noqa: S101
    assert isinstance(again, Trajectories)  # noqa: S101
    return HarmonisedTrajectories(
        slopes=beside(again.slopes, answer.slopes),
        slope_contrasts=beside(again.slope_contrasts, answer.slope_contrasts),
        **shared,
    )


def _adjusted(
    rows: pd.DataFrame,
    features: Sequence[str],
    preserve: str,
    settings: ModelSettings,
    *,
    over_time: bool,
) -> Harmonisation:
    """Adjust features of the rows of an answer; those without any value stay as they are."""
    known = [name for name in features if rows[name].notna().any()]
    shared: dict[str, Any] = {"preserve": preserve, "empirical_bayes": len(known) > 1}
    if settings.harmonise == "combat":
        return combat(rows, known, scanner=SCANNER, **shared)
    random = "(1 | participant_id / lesion_id)" if over_time else "(1 | participant_id)"
    return longcombat(rows, known, scanner=SCANNER, random=random, **shared)


def _methods(rows: pd.DataFrame, settings: ModelSettings, preserve: str, model: str) -> str:
    count = rows[SCANNER].nunique()
    taken = (
        ", which takes all rows as independent"
        if settings.harmonise == "combat"
        else " with random effects of participants and lesions"
        if rows.duplicated(["participant_id", "lesion_id"]).any()
        else " with random effects of participants"
    )
    return (
        f"Outcomes of the lesions of this analysis were adjusted for {count} scanners by"
        f" {NAMES[settings.harmonise]}{taken}, preserving {preserve}; the model of the adjusted"
        f" outcome has no scanner. {model}"
    )
