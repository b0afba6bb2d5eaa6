"""A trial planned from a study's own data: how many patients, and how much of that is known.

The project's default trajectory model is fitted to the followed patients, its variances, slopes and
numbers of lesions become the assumptions of the trial, and what the data do not hold (the effect of
a treatment, losses, visits) is stated and listed beside them. How far the answer depends on
estimates from few patients is shown by expected power and sizes with each number at its confidence
limits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.inference.linear_functions import estimated
from qsmstats.mixed.inference.variance_components import Interval
from qsmstats.progress import Progress
from qsmstats.settings import ModelSettings
from qsmstats.studies.answers import fit_record
from qsmstats.studies.confounded import refuse_if_confounded
from qsmstats.studies.default_models import fit_study_model
from qsmstats.studies.effects import outcome_unit
from qsmstats.studies.planning.analysis import average_power
from qsmstats.studies.planning.assumptions import TrialAssumptions
from qsmstats.studies.planning.design import TrialDesign
from qsmstats.studies.planning.expected_size import scaled_size, smallest_trial
from qsmstats.studies.planning.grid_cell import Cell, expected_tests, planned_tests
from qsmstats.studies.planning.plan_text import plan_methods, plan_notes
from qsmstats.studies.planning.power import EffectScale, TrialPower, checked_seed, trial_power
from qsmstats.studies.planning.sizes import RequiredPatients, check_question, required_patients
from qsmstats.studies.trajectory import ALL_TYPES, followed_types
from qsmstats.tables.tidy import followed_lesions

__all__ = ["TrialPlan", "plan_trial"]

SETTINGS = ModelSettings()
PLANNED = (
    "{outcome} ~ lesion_type * years + age + sex"
    " + (1 + years | participant_id) + (1 | participant_id:lesion_id)"
)
"""Formula that a plan's assumptions are estimated from, unless study.toml states another."""
DESIGN = TrialDesign()
PATIENTS = (10, 15, 20, 30, 40, 60, 80, 120, 160, 200)
FRACTIONS = (0.25, 0.5, 0.75)
VARIED = ("slope_sd", "residual_sd", "patient_sd", "lesion_sd", "correlation")
LIMITS = ("low", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """A trial planned from the data of a study.

    Attributes
    ----------
    outcome
        What is measured.
    fit
        The trajectory model behind the assumptions.
    power
        Power over numbers of patients and effects, as `TrialPower.table`.
    sizes
        One row per effect: patients for the power asked for, with their interval. Here and in
        `power`, `unit` is that of the effect.
    assumptions
        Every number the plan rests on: quantity, estimate, conf_low, conf_high, unit, source.
    sensitivity
        Expected power and size with one number at a confidence limit.
    models
        The record of the trajectory model's fit.
    answers, notes, methods
        The result in sentences; notes on what limits it; the text for a methods section.
    """

    outcome: str
    fit: MixedFit
    power: pd.DataFrame
    sizes: pd.DataFrame
    assumptions: pd.DataFrame
    sensitivity: pd.DataFrame
    models: pd.DataFrame
    answers: tuple[str, ...]
    notes: tuple[str, ...]
    methods: str


def plan_trial(
    lesions: pd.DataFrame,
    outcome: str = "mwf_percent",
    *,
    design: TrialDesign = DESIGN,
    patients: Sequence[int] = PATIENTS,
    effects: Sequence[float] | None = None,
    fractions: Sequence[float] = FRACTIONS,
    power: float = 0.8,
    maximum: int = 400,
    simulations: int = 1000,
    seed: int | None = None,
    settings: ModelSettings = SETTINGS,
    jobs: int = 1,
    progress: Progress | None = None,
) -> TrialPlan:
    """Plan a trial from the followed patients of a study.

    Parameters
    ----------
    lesions
        One row per participant, session and lesion, as `tidy_lesions` makes it.
    outcome
        Column to plan for.
    design
        Visits, losses, target types, test.
    patients
        Sizes of the control arm for the curves.
    effects, fractions
        What treatment adds to the target's slope: in units of the formula's left side per year (of
        the outcome, or of its logarithm), or, where these are not given, as fractions of the slope
        without treatment, positive for a larger slope of the same sign (-0.5 halves a decline).
    power, maximum
        Power asked for, and the largest control arm to consider.
    simulations, seed, jobs, progress
        As in `trial_power`.
    settings
        Formula of the trajectory model, and the confidence level. In place of the default formula
        stands that of a trial: effects of patients, their slopes and lesions, and one residual
        variance.

    Raises
    ------
    ModelError
        If the assumptions cannot be estimated: no patient with two sessions, or a formula without
        the random terms that a plan needs.
    UsageError, NotIdentifiedError
        As in `trial_power` and `required_patients`.
    """
    check_question(power, design)
    if settings.is_default("trajectory"):
        settings = settings.changed("trajectory", PLANNED, ())
    typed = followed_types(followed_lesions(lesions), outcome)
    fit, _ = fit_study_model("trajectory", settings, typed, outcome)
    rates = estimated(fit, None, "years", by="lesion_type")
    refuse_if_confounded(fit, rates.matrix, rates.keys["lesion_type"], mean=ALL_TYPES)
    seed = checked_seed(seed)
    truth = _assumed(fit, lesions, None, settings.level)
    common: dict[str, Any] = {"simulations": simulations, "seed": seed, "level": settings.level}
    common |= {"jobs": jobs, "progress": progress}
    scale: EffectScale = "relative" if effects is None else "absolute"
    given = list(fractions if effects is None else effects)
    curves = trial_power(
        truth, design, patients=patients, effects=given, effect_scale=scale, **common
    )
    found = [
        required_patients(truth, design, effect=effect, power=power, maximum=maximum, **common)
        for effect in dict.fromkeys(curves.table["effect"])
    ]
    # Limits of variances take seconds, and no simulation needs them.
    known = _assumed(fit, lesions, "profile", settings.level)
    sensitivity = pd.DataFrame(
        [row for one in found for row in _sensitivity(known, design, one, relative=effects is None)]
    )
    sizes, unit = _sizes(found, curves), f"{known.unit} per year"
    return TrialPlan(
        outcome=outcome,
        fit=fit,
        power=curves.table.assign(unit=unit),
        sizes=sizes.assign(unit=unit),
        assumptions=_assumptions(known, design, curves.table),
        sensitivity=sensitivity,
        models=fit_record(fit),
        answers=tuple(one.answer for one in found),
        notes=plan_notes(known, design, fit, sizes, sensitivity, curves.table),
        methods=plan_methods(fit, design, simulations, seed, power),
    )


def _assumed(
    fit: MixedFit, lesions: pd.DataFrame, interval: Interval | None, level: float
) -> TrialAssumptions:
    """Return what a fit says of a trial, in the unit that the lesions note for the outcome."""
    truth = TrialAssumptions.from_fit(fit, interval=interval, level=level)
    return replace(truth, unit=outcome_unit(truth.outcome, lesions))


def _sizes(found: Sequence[RequiredPatients], curves: TrialPower) -> pd.DataFrame:
    fractions = dict(zip(curves.table["effect"], curves.table["fraction_of_slope"], strict=True))
    return pd.DataFrame(
        [
            {
                "effect": one.effect,
                "fraction_of_slope": fractions[one.effect],
                **one.table.iloc[-1][["slope_control", "slope_treated"]].to_dict(),
                "power_asked": one.target,
                "patients": one.patients,
                "conf_low": one.conf_low,
                "conf_high": one.conf_high,
                "patients_expected": one.expected,
                "maximum": one.maximum,
                **one.table.iloc[-1][["power", "power_expected", "type_i_error"]].to_dict(),
                "answer": one.answer,
            }
            for one in found
        ]
    ).astype({"patients": "Int64", "patients_expected": "Int64"})


def _assumptions(
    truth: TrialAssumptions, design: TrialDesign, curves: pd.DataFrame
) -> pd.DataFrame:
    """Add what was assumed to what was estimated."""
    dropout = design.dropout
    assumed = [
        *((f"visit {number}", time, "years") for number, time in enumerate(design.visits, start=1)),
        ("patients under treatment per control", design.allocation, "1"),
        ("annual dropout", dropout.annual_rate, "1 per year"),
        ("dropout hazard ratio, treatment", dropout.treatment_ratio, "1"),
        ("dropout hazard ratio, per SD below the expected mean", dropout.low_mean_ratio, "1"),
        *(
            (f"effect {number}", effect, f"{truth.unit} per year")
            for number, effect in enumerate(dict.fromkeys(curves["effect"]), start=1)
        ),
        ("two-sided significance", design.significance, "1"),
    ]
    rows = pd.DataFrame(assumed, columns=["quantity", "estimate", "unit"])
    return pd.concat([truth.table(), rows.assign(source="assumed")], ignore_index=True)


def _sensitivity(
    truth: TrialAssumptions, design: TrialDesign, found: RequiredPatients, *, relative: bool
) -> Iterator[dict[str, Any]]:
    """Yield expected power at the size found, and the expected size, for every other truth."""
    size = found.patients or found.maximum
    cell = Cell(assumptions=truth, design=design, patients=size)
    smallest = replace(cell, patients=smallest_trial(truth, design, found.maximum))
    planned = planned_tests(cell)
    # Quantity, limit, the truth with it there, and a factor of the effect.
    others = [("as estimated", "", truth, 1.0)]
    for name in VARIED:
        limits = truth.intervals.get(name, (float("nan"), float("nan")))
        for limit, value in zip(LIMITS, limits, strict=True):
            if not math.isnan(value):
                changed: Any = {name: value}
                others.append((name, limit, replace(truth, **changed), 1.0))
    slope = truth.target_slope(design)
    for position, limit in enumerate(LIMITS if relative else ()):
        ends = {name: truth.intervals[f"slope {name}"][position] for name in truth.slopes}
        factor = replace(truth, slopes=ends).target_slope(design) / slope
        others.append(("effect", limit, truth, factor))
    for quantity, limit, other, factor in others:
        effect = found.effect * factor
        tests = expected_tests(planned, other)
        named = scaled_size(tests, size, effect, found.target, smallest)
        yield {
            "effect": found.effect,
            "quantity": quantity,
            "limit": limit,
            "value": effect if quantity == "effect" else getattr(other, quantity, float("nan")),
            "patients": size,
            "power_expected": average_power(tests, effect, design.significance),
            "patients_expected": named if named <= found.maximum else None,
        }
