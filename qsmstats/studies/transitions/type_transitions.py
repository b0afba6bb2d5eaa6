"""From type to type between consecutive visits: flows, rates, and which lesions change.

Types of two visits say something of change only where they were rated at both. Where each lesion
was rated once, vanished and new lesions are counted, and a sentence says what is not known. Where
the type of one visit was copied to the others, no type ever changes: the notes say that this is
so, not why.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from qsmstats.display import Displayed
from qsmstats.errors import InvalidDataError, ModelError, NoDataError, UsageError, require_columns
from qsmstats.own_schemas import Schemas
from qsmstats.settings import ModelSettings, RaterSettings
from qsmstats.studies.answers import fit_record, number_of
from qsmstats.studies.transitions.apparent_change import rater_pairs
from qsmstats.studies.transitions.lesion_intervals import (
    NEW,
    VANISHED,
    lesion_intervals,
    visit_intervals,
)
from qsmstats.studies.transitions.rates import ANY, OTHER, at_risk, changes, rate_row
from qsmstats.studies.transitions.who_changes import changed_rows, fit_changes

__all__ = ["TypeTransitions", "type_transitions"]

MODELS, RATERS = ModelSettings(), RaterSettings()
RATES = (
    *("from_type", "to_type", "n_events", "n_changed_participants", "n_intervals"),
    *("n_participants", "exposure_years", "estimate", "std_error", "df", "conf_low", "conf_high"),
    *("unit", "rater_rate", "note"),
)
WHO = (
    *("term", "estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high"),
    *("quantity", "null", "n_changes", "n_intervals", "n_participants", "test"),
)
RECORD = ("outcome", "formula", "n_obs", "converged", "singular", "messages")
METHODS = (
    "Each lesion was compared between consecutive visits of its patient. Rates are numbers of"
    " changes per 100 lesion-years between visits (new lesions per patient-year), from a Poisson"
    " model with the logarithm of the lesion-years as offset; intervals (95 %) are from the"
    " cluster-robust variance (clusters: patients), not below that of independent changes, on the"
    " t distribution with patients minus one degrees of freedom. Where there was no change, the"
    " one-sided upper limit of the rule of three over patient-years is given."
)
RATED = (
    " The rate at which types would seem to change if nothing did was computed from independent"
    " ratings of the same lesion at the same session."
)
FITTED = (
    " Which lesions change was analysed by a binomial mixed model with complementary log-log link,"
    " the logarithm of the interval as offset and a random intercept of the patient (adaptive"
    " Gauss-Hermite quadrature); results are hazard ratios with Wald intervals, which are"
    " asymptotic."
)

NEEDED = ("participant_id", "session_id", "years", "lesion_id", "lesion_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeTransitions(Displayed):
    """What becomes of lesions between consecutive visits.

    Attributes
    ----------
    flows
        Lesions by their state at a visit and at the next: from_type (a type, "untyped" or "new"),
        to_type (a type, "untyped" or "vanished"), n_intervals (lesions, counted once per interval),
        n_participants, and share of those with this from_type.
    rates
        One row per kind of change: from_type and to_type (a type, "any_type", "other_type",
        "no_rim", "new", "vanished"), numbers of changes and of patients with one, intervals,
        patients and years at risk, estimate std_error df conf_low conf_high, unit, and rater_rate,
        the rate at which two raters would seem to see this change where nothing changes.
    who_changes
        Hazard ratios of a change of type; no rows where there are too few changes.
    flow
        Lesions and intervals at each stage, from those given to those of the rates.
    models
        The record of the fit; no rows where none was made.
    methods
        What was done, for a methods section.
    notes
        What was left out, assumed, or could not be answered.
    """

    flows: pd.DataFrame
    rates: pd.DataFrame
    who_changes: pd.DataFrame
    flow: pd.DataFrame
    models: pd.DataFrame
    methods: str
    notes: tuple[str, ...]


def type_transitions(
    lesions: pd.DataFrame,
    ratings: pd.DataFrame | None = None,
    *,
    patients: pd.DataFrame | None = None,
    outcome: str | None = None,
    models: ModelSettings = MODELS,
    raters: RaterSettings = RATERS,
    schemas: Schemas | None = None,
) -> TypeTransitions:
    """Follow the types of lesions from visit to visit.

    Parameters
    ----------
    lesions
        Tidy lesions, as `tidy_lesions` makes them.
    ratings
        One row per rater and lesion, for the raters' own disagreement: participant_id, session_id,
        lesion_id, rater_id, lesion_type.
    patients
        What `patient_table` returns: which sessions were measured. Without it, those with a lesion;
        that all lesions of a patient have vanished is then not seen.
    outcome
        Column of `lesions` by which change is asked; by default MWF, or the first map there is.
    models
        Confidence level; `study.models`.
    raters
        Name of the adjudicator; `study.raters`.
    schemas
        `study.schemas`, for a study with lesion types or maps of its own.

    Returns
    -------
    TypeTransitions

    Raises
    ------
    NoDataError
        If no patient has two visits, or no lesion has a type.
    UsageError
        If `lesions` has no column `outcome`.

    Examples
    --------
    >>> lesions = qs.example_lesions()
    >>> answer = qs.type_transitions(lesions)  # no lesion of the example changes or vanishes
    >>> answer.flows[["from_type", "to_type", "n_intervals"]].to_numpy()[0].tolist()
    ['isointense', 'isointense', 48]
    """
    require_columns(lesions.columns, NEEDED, "lesions")
    schemas = schemas or Schemas()
    if outcome is not None and outcome not in lesions:
        raise UsageError(
            f"lesions has no column '{outcome}'; name one of {', '.join(map(str, lesions))}"
        )
    maps = [name for name in ("mwf_percent", *schemas.maps) if name in lesions]
    outcome = outcome or next(iter(maps), None)
    seen = lesions if patients is None else patients[patients["measured"].astype(bool)]
    visits = visit_intervals(
        seen[["participant_id", "session_id", "years"]].drop_duplicates().astype({"years": float})
    )
    pairs = lesion_intervals(lesions, visits)
    _require_follow_up(lesions, pairs)
    types = schemas.lesion_types
    typed = pairs[pairs["from_type"].isin(types) & pairs["to_type"].isin(types)]
    said = rater_pairs(ratings, raters.adjudicator)
    rates = _rates(pairs, visits, said, schemas, models.level)
    rows, names = changed_rows(typed, lesions, outcome)
    notes = _notes(pairs, typed, said, rates)
    if patients is None:
        notes.append(
            "Which sessions were measured was not given: those with a lesion were taken, so that"
            " patients all of whose lesions vanished are not counted."
        )
    try:
        who, record = _who_changes(rows, names, models.level)
    except (ModelError, InvalidDataError) as error:
        who, record = pd.DataFrame(columns=list(WHO)), pd.DataFrame(columns=list(RECORD))
        if len(typed):
            reason = "; ".join(str(error).splitlines())
            notes.append(f"Which lesions change was not analysed: {reason}.")
    return TypeTransitions(
        flows=_flows(pairs, types),
        rates=rates,
        who_changes=who,
        flow=_flow(lesions, pairs, typed),
        models=record,
        methods=METHODS.replace("95", f"{100 * models.level:g}")
        + (RATED if len(said) else "")
        + (FITTED if len(who) else ""),
        notes=tuple(notes),
    )


def _who_changes(
    rows: pd.DataFrame, names: tuple[str, ...], level: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return hazard ratios of a change of type and the record of their fit."""
    fit = fit_changes(rows, names)
    table = fit.coefficients(exponentiate=True, level=level)
    table = table[table["term"] != "Intercept"].assign(
        df=float("inf"),
        null=1.0,
        n_changes=int(rows["changed"].iloc[fit.frame.kept].sum()),
        n_intervals=fit.info.n_obs,
        n_participants=fit.info.n_groups["participant_id"],
    )
    record = fit_record(fit)
    record.insert(0, "outcome", "type_change")
    return table[list(WHO)].reset_index(drop=True), record


def _require_follow_up(lesions: pd.DataFrame, pairs: pd.DataFrame) -> None:
    if pairs.empty:
        raise NoDataError(
            f"none of {number_of(lesions['participant_id'].nunique(), 'patient')} with lesions was"
            " measured at two visits, so that nothing is known of change; add follow-up sessions"
        )
    if lesions["lesion_type"].isna().all():
        raise NoDataError(
            f"none of {len(lesions)} rows of lesions has a type; add lesion_type to the lesions"
            " table"
        )


def _rates(
    pairs: pd.DataFrame,
    visits: pd.DataFrame,
    said: pd.DataFrame,
    schemas: Schemas,
    level: float,
) -> pd.DataFrame:
    # A type that no lesion has is no change that could have been seen.
    there = {*pairs["from_type"], *pairs["to_type"]}
    types = [name for name in schemas.lesion_types if name in there]
    years = visits.groupby("participant_id", observed=True)["interval_years"].sum()
    found = []
    for change in changes(types, [name for name in schemas.rims if name in there]):
        risk = at_risk(change, pairs, types)
        if risk.empty and change.source != NEW:
            continue
        row = rate_row(change, risk, years, level)
        first = said[said["from_type"].isin(change.sources)]
        if len(first) and change.target != VANISHED and change.source != NEW:
            probability = float(change.happened(first).mean())
            per_interval = len(risk) / float(risk["interval_years"].sum())
            row["rater_rate"] = 100.0 * probability * per_interval
        found.append(row)
    return pd.DataFrame(found, columns=list(RATES))


def _flows(pairs: pd.DataFrame, types: tuple[str, ...]) -> pd.DataFrame:
    """Count the intervals by the states at both ends, in the order of the types."""
    flows = pairs.groupby(["from_type", "to_type"]).agg(
        n_intervals=("lesion_id", "size"), n_participants=("participant_id", "nunique")
    )
    order = {name: place for place, name in enumerate(types)}
    flows = flows.reset_index().sort_values(
        ["from_type", "to_type"], key=lambda names: names.map(order).fillna(len(order))
    )
    whole = flows.groupby("from_type")["n_intervals"].transform("sum")
    return flows.assign(share=flows["n_intervals"] / whole).reset_index(drop=True)


def _flow(lesions: pd.DataFrame, pairs: pd.DataFrame, typed: pd.DataFrame) -> pd.DataFrame:
    followed = lesions[lesions["participant_id"].isin(pairs["participant_id"])]
    there = pairs[(pairs["from_type"] != NEW) & (pairs["to_type"] != VANISHED)]
    stages = {
        "rows of the lesions": lesions,
        "of patients with two visits or more": followed,
        "lesions between two visits": pairs,
        "there at both visits": there,
        "with a type at both visits": typed,
    }
    key = ["participant_id", "lesion_id"]
    return pd.DataFrame(
        [
            {
                "stage": stage,
                "n_participants": rows["participant_id"].nunique(),
                "n_lesions": len(rows[key].drop_duplicates()),
                "n_observations": len(rows),
            }
            for stage, rows in stages.items()
        ]
    )


def _notes(
    pairs: pd.DataFrame, typed: pd.DataFrame, said: pd.DataFrame, rates: pd.DataFrame
) -> list[str]:
    is_new, has_gone = pairs["from_type"] == NEW, pairs["to_type"] == VANISHED
    there = int((~is_new & ~has_gone).sum())
    notes = [
        f"{number_of(pairs['participant_id'].nunique(), 'patient')} had"
        f" {number_of(len(pairs), 'lesion')} between two consecutive visits (each counted once per"
        f" interval): {there} there at both, {has_gone.sum()} vanished, {is_new.sum()} new."
    ]
    key = ["participant_id", "lesion_id"]
    # A lesion is new once, unless it had vanished before.
    gone = pairs.loc[has_gone, key].drop_duplicates()
    if back := len(pairs.loc[is_new, key].merge(gone, on=key).drop_duplicates()):
        notes.append(
            f"{number_of(back, 'lesion')} vanished and came back, or came and vanished, under one"
            " identifier; these are counted both as vanished and as new."
        )
    if typed.empty:
        notes.append(
            "No lesion has a type at two visits: types were rated once, so that nothing is known of"
            " change from type to type. Add lesion_type at later sessions to the lesions table."
        )
        return notes
    if len(typed) < there:
        notes.append(
            f"{there - len(typed)} of {number_of(there, 'lesion')} there at both visits lack a type"
            " at one of them and are left out of changes of type."
        )
    if (typed["from_type"] == typed["to_type"]).all():
        notes.append(
            f"None of {number_of(len(typed), 'lesion')} has another type at the next visit. If the"
            " type of one visit was copied to the others, this says nothing about change."
        )
    if len(said):
        share = float((said["from_type"] != said["to_type"]).mean())
        overall = rates[(rates["from_type"] == ANY) & (rates["to_type"] == OTHER)].iloc[0]
        notes.append(
            f"Two raters of the same lesion at the same session differ in {100 * share:.1f} %: if"
            " one rated the first visit and another the next, types would seem to change at"
            f" {overall['rater_rate']:.1f} per 100 lesion-years without any change (observed:"
            f" {overall['estimate']:.1f}). Types by consensus vary less."
        )
    return notes
