"""Power of trials over a grid of designs, numbers of patients and effects.

Every cell reports its power by simulation with a Monte-Carlo interval, the power expected without
simulation as a check, and the type I error: the share of rejections with the effect zero and
everything else the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.display import Displayed
from qsmstats.errors import UsageError, check_option
from qsmstats.mixed.fit import MixedFit
from qsmstats.parallel import run_tasks
from qsmstats.progress import Progress
from qsmstats.studies.planning.analysis import Refits, average_power, power_limits, rejections
from qsmstats.studies.planning.assumptions import TrialAssumptions
from qsmstats.studies.planning.design import TrialDesign
from qsmstats.studies.planning.grid_cell import (
    Cell,
    blocks,
    expected_tests,
    planned_tests,
    run_block,
    share_of,
)
from qsmstats.studies.planning.patients import check_trial
from qsmstats.studies.planning.plan_text import main_columns

__all__ = ["TrialPower", "trial_power"]

DEFAULT = TrialDesign()
EffectScale = Literal["absolute", "relative"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPower(Displayed):
    """Power over a grid.

    Attributes
    ----------
    table
        One row per design, number of patients and effect: what was planned (design, visits,
        lesions, dropout, patients, n_control, n_treated, effect, fraction_of_slope, slope_control
        and slope_treated, NaN where no slope is known); power with conf_low and conf_high, and the
        number of independent simulations with the same precision (effective_simulations);
        power_expected (without simulation), with the interval of a mean over 8 draws of patients
        and losses (expected_low, expected_high; NaN where it is exact: all patients alike, none
        lost); type_i_error with type_i_low and type_i_high; and the record of the simulations:
        their number, the fits without a test (n_failed), not converged, singular and refitted
        singly, the share of patients seen to the end (completed), and means over simulations of
        rows, estimate, standard error and degrees of freedom beside the standard deviation of the
        estimates.
    assumptions
        Every number the plan rests on, with limits, unit and source.
    seed
        The seed, for the same numbers again.
    level
        Confidence level of the intervals.
    """

    table: pd.DataFrame
    assumptions: pd.DataFrame
    seed: int
    level: float

    def displayed(self) -> Mapping[str, object]:
        """Return what is shown: of the table what was asked and answered."""
        return {**Displayed.displayed(self), "table": main_columns(self.table)}


def trial_power(
    source: MixedFit | TrialAssumptions,
    designs: TrialDesign | Sequence[TrialDesign] = DEFAULT,
    *,
    patients: int | Sequence[int],
    effects: float | Sequence[float],
    effect_scale: EffectScale = "absolute",
    simulations: int = 1000,
    seed: int | None = None,
    level: float = 0.95,
    jobs: int = 1,
    progress: Progress | None = None,
) -> TrialPower:
    """Return the power of trials to detect an effect of treatment on the slope of lesion types.

    Parameters
    ----------
    source
        A fitted trajectory model, or stated assumptions.
    designs
        One design, or several to compare (visits, lesions, dropout, allocation, test).
    patients
        Patients in the control arm; the other has `allocation` times as many.
    effects
        What treatment adds to the slope of the target types (with weights: to the contrast), in
        units of the outcome per year; or, where `effect_scale` is "relative", fractions of their
        slope without treatment, positive for a larger slope of the same sign: -0.5 halves a rise
        or a decline, 0.5 makes either half as fast again, -1 stops it.
    effect_scale
        "absolute" or "relative".
    simulations
        Simulated trials per cell; 0 for the expected power alone, in seconds.
    seed
        Seed of the simulations. The same seed gives the same numbers for a cell, whatever the
        number of jobs and the other cells. The expected power does not depend on it.
    level
        Confidence level of the intervals.
    jobs
        Processes.
    progress
        Called with (done, total), counted in blocks of up to 100 simulations.

    Returns
    -------
    TrialPower

    Raises
    ------
    UsageError
        If an argument cannot be used.
    NotIdentifiedError
        If a design cannot identify the contrast.
    ModelError
        If the fit lacks a part that a plan needs.

    Examples
    --------
    >>> assumptions = qs.TrialAssumptions(patient_sd=1.0, slope_sd=0.2, lesion_sd=1.0,
    ...     residual_sd=0.5, lesions={"isointense": 2, "hypointense": 2})
    >>> design = qs.TrialDesign(df="satterthwaite")
    >>> power = qs.trial_power(assumptions, design, patients=30, effects=0.3, simulations=0)
    >>> qs.show(power.table[["patients", "effect", "power_expected"]])
    patients  effect  power_expected
          30  0.3000          0.9904
    """
    if simulations < 0 or simulations != int(simulations):
        raise UsageError(f"simulations={simulations}; give a whole number, 0 for none")
    compared = [designs] if isinstance(designs, TrialDesign) else list(designs)
    if not compared:
        raise UsageError("designs is empty; give at least one TrialDesign")
    assumptions, seed = as_assumptions(source), checked_seed(seed)
    sizes = _sequence(patients, "patients")
    grid = [
        (number, Cell(assumptions=assumptions, design=design, patients=size))
        for number, design in enumerate(compared, start=1)
        for size in sizes
    ]
    targets = [effects_of(cell, effects, effect_scale) for _, cell in grid]
    for _, cell in grid:
        check_trial(cell.assumptions, cell.design, cell.patients)
    waiting = [
        list(blocks(cell, (0.0, *absolute), simulations, seed))
        for (_, cell), (absolute, _) in zip(grid, targets, strict=True)
    ]
    flat = [block for group in waiting for block in group]
    results = run_tasks(run_block, None, flat, jobs=min(jobs, len(flat) or 1), progress=progress)
    rows = [
        row
        for (number, cell), target, group in zip(grid, targets, waiting, strict=True)
        for row in _rows(number, cell, *target, list(islice(results, len(group))), level)
    ]
    return TrialPower(
        table=pd.DataFrame(rows), assumptions=assumptions.table(), seed=seed, level=level
    )


def as_assumptions(source: MixedFit | TrialAssumptions) -> TrialAssumptions:
    """Return assumptions as they are, and those of a fit without the limits of its variances."""
    if isinstance(source, TrialAssumptions):
        return source
    return TrialAssumptions.from_fit(source, interval=None)


def checked_seed(seed: int | None) -> int:
    """Return a seed as it is, or a new one to be kept with the result."""
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if seed < 0:
        raise UsageError(f"seed={seed}; give a whole number >= 0")
    return int(seed)


def _sequence(values: float | Sequence[float], name: str) -> list[Any]:
    made = list(np.atleast_1d(np.asarray(values)).tolist())
    if not made:
        raise UsageError(f"{name} is empty; give at least one")
    return made


def effects_of(
    cell: Cell, effects: float | Sequence[float], scale: EffectScale
) -> tuple[list[float], list[float]]:
    """Return the effects in units per year, and as fractions of the slope (NaN where it is 0)."""
    given = [float(effect) for effect in _sequence(effects, "effects")]
    if not np.all(np.isfinite(given)):
        raise UsageError(f"effects={given}; give finite numbers")
    slope = cell.assumptions.target_slope(cell.design)
    check_option("effect_scale", scale, get_args(EffectScale))
    if scale == "absolute":
        return given, [effect / slope if slope else np.nan for effect in given]
    if not slope:
        raise UsageError(
            "effect_scale='relative' needs a slope of the target types that is not zero; state "
            "`slopes`, or effects in units of the outcome per year"
        )
    return [fraction * slope for fraction in given], given


def _rows(
    number: int,
    cell: Cell,
    absolute: Sequence[float],
    relative: Sequence[float],
    found: Sequence[tuple[Refits, ...]],
    level: float,
) -> Iterator[dict[str, object]]:
    tests = expected_tests(planned_tests(cell), cell.assumptions)
    alpha = cell.design.significance
    slope = cell.assumptions.target_slope(cell.design) or np.nan
    null, null_low, null_high, _ = share_of([rejections(parts[0], alpha) for parts in found], level)
    for position, (effect, fraction) in enumerate(zip(absolute, relative, strict=True), start=1):
        simulated = cell.design.dropout.depends_on_outcome
        refits = [parts[position if simulated else 0] for parts in found]
        shift = 0.0 if simulated else effect
        power, low, high, effective = share_of(
            [rejections(part, alpha, shift) for part in refits], level
        )
        expected_low, expected_high = power_limits(tests, effect, alpha, level)
        yield {
            **_plan(number, cell),
            "effect": effect,
            "fraction_of_slope": fraction,
            "slope_control": slope,
            "slope_treated": slope + effect,
            "power": power,
            "conf_low": low,
            "conf_high": high,
            "effective_simulations": effective,
            "power_expected": average_power(tests, effect, alpha),
            "expected_low": expected_low,
            "expected_high": expected_high,
            "type_i_error": null,
            "type_i_low": null_low,
            "type_i_high": null_high,
            **_record(refits, shift),
        }


def _plan(number: int, cell: Cell) -> dict[str, object]:
    design = cell.design
    control, treated = design.arms(cell.patients)
    return {
        "design": number,
        "visits": ", ".join(f"{time:g}" for time in design.visits),
        "lesions": _words(design.lesions) if design.lesions else "as in the source",
        "target": _words(design.weights)
        if isinstance(design.target, Mapping)
        else " + ".join(design.target),
        "baseline": design.baseline,
        "dropout": str(design.dropout),
        "df_method": design.df,
        "significance": design.significance,
        "patients": cell.patients,
        "n_control": control,
        "n_treated": treated,
    }


def _words(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {number:g}" for name, number in numbers.items())


def _record(refits: Sequence[Refits], shift: float) -> dict[str, float]:
    """Return how the fits of a cell went; NaN where none was made."""
    names = [item.name for item in dataclasses.fields(Refits)]
    whole = {
        name: np.concatenate([getattr(part, name) for part in refits] or [[]]) for name in names
    }
    tested = np.isfinite(whole["estimate"])
    used = {name: whole[name][tested] for name in ("estimate", "std_error", "df")}
    return {
        "simulations": len(tested),
        "n_failed": int((~tested).sum()),
        "n_unconverged": int((tested & ~whole["converged"].astype(bool)).sum()),
        "n_singular": int(whole["singular"].sum()),
        "n_refitted_singly": int(whole["refitted_singly"].sum()),
        "mean_rows": _mean(whole["n_rows"]),
        "completed": _mean(whole["completed"]),
        "mean_estimate": _mean(used["estimate"]) + shift,
        "sd_estimate": float(np.std(used["estimate"], ddof=1)) if tested.sum() > 1 else np.nan,
        "mean_std_error": _mean(used["std_error"]),
        "mean_df": _mean(used["df"]),
    }


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else np.nan
