"""How many patients a trial needs for a stated power.

The power expected without simulation gives a first size and a bracket around it. Within the
bracket, bisection decides where to simulate: each step keeps the half in which the simulated power
crosses the target. Chance can send a step the wrong way, so that the size is not read off the last
step but off a curve through all simulated sizes (`power_curve`), which gives its interval as well.
The trial is then simulated at the size found.

Without simulation the size is that of the expected power, whose interval is that of its mean over
draws of patients and losses (`grid_cell`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd

from qsmstats.display import Displayed
from qsmstats.errors import UsageError
from qsmstats.mixed.fit import MixedFit
from qsmstats.progress import Progress
from qsmstats.studies.planning.assumptions import TrialAssumptions
from qsmstats.studies.planning.design import TrialDesign
from qsmstats.studies.planning.expected_size import expected_size, smallest_trial
from qsmstats.studies.planning.grid_cell import EXPECTED_DRAWS, Cell
from qsmstats.studies.planning.plan_text import effect_in_words, main_columns
from qsmstats.studies.planning.power import (
    DEFAULT,
    EffectScale,
    TrialPower,
    as_assumptions,
    checked_seed,
    effects_of,
    trial_power,
)
from qsmstats.studies.planning.power_curve import size_on_curve

__all__ = ["RequiredPatients", "check_question", "required_patients"]

# The first bracket, and the width at which bisection stops, as shares of the size.
BRACKET, WIDTH = 0.25, 0.06

SMALLEST = " It is the smallest trial that this model can be fitted to; fewer might do."


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredPatients(Displayed):
    """The size of a trial.

    Attributes
    ----------
    patients
        Patients in the control arm; None where the power is not reached.
    conf_low, conf_high
        Interval of that size: its Monte-Carlo error, not the uncertainty of the assumptions.
        Without simulation that of a mean over 8 draws of patients and losses, the same in every
        call; NaN where all patients are alike and none is lost, and the size is exact. With
        simulations NaN where the size is the smallest that can be analysed, or power does not rise
        with size.
    target
        The power asked for.
    maximum
        The largest size looked at.
    expected
        The size by the expected power, without simulation; None where it is above the maximum.
    effect
        What treatment adds to the slope, in units of the outcome per year.
    table
        What was simulated, as `TrialPower.table`; the row of `patients` last.
    assumptions, seed, level
        As in `TrialPower`.
    answer
        The result in a sentence, with the slope in both arms where it is known.
    """

    patients: int | None
    conf_low: float
    conf_high: float
    target: float
    maximum: int
    expected: int | None
    effect: float
    table: pd.DataFrame
    assumptions: pd.DataFrame
    seed: int
    level: float
    answer: str

    whole: ClassVar[tuple[str, ...]] = ("answer",)

    def displayed(self) -> Mapping[str, object]:
        """Return what is shown: the answer first, and of the table what was asked and answered."""
        fields = Displayed.displayed(self)
        return {"answer": self.answer, **fields, "table": main_columns(self.table)}


def required_patients(
    source: MixedFit | TrialAssumptions,
    design: TrialDesign = DEFAULT,
    *,
    effect: float,
    effect_scale: EffectScale = "absolute",
    power: float = 0.8,
    maximum: int = 500,
    simulations: int = 1000,
    seed: int | None = None,
    level: float = 0.95,
    jobs: int = 1,
    progress: Progress | None = None,
) -> RequiredPatients:
    """Return the smallest trial with the power asked for.

    Parameters
    ----------
    source, design
        As in `trial_power`.
    effect, effect_scale
        One effect, not zero, as in `trial_power`: what treatment adds to the slope. Positive
        fractions are larger slopes of the same sign; ``effect=-0.5, effect_scale="relative"``
        halves a decline.
    power
        Between the significance level and 1.
    maximum
        Largest control arm to consider.
    simulations
        Simulated trials per size looked at (about six sizes); 0 for the expected power alone,
        which has no chance in it: the same call gives the same size.
    seed, level, jobs, progress
        As in `trial_power`; `progress` starts anew for every size.

    Raises
    ------
    UsageError, NotIdentifiedError, ModelError
        As in `trial_power`; also for an effect of zero, a power outside its range, or a maximum
        below the smallest trial that can be analysed.

    Examples
    --------
    >>> assumptions = qs.TrialAssumptions(patient_sd=1.0, slope_sd=0.2, lesion_sd=1.0,
    ...     residual_sd=0.5, lesions={"isointense": 2, "hypointense": 2})
    >>> plan = qs.required_patients(assumptions, effect=0.3, simulations=0)
    >>> plan.patients
    14
    """
    check_question(power, design)
    assumptions, seed = as_assumptions(source), checked_seed(seed)
    smallest = smallest_trial(assumptions, design, maximum)
    cell = Cell(assumptions=assumptions, design=design, patients=smallest)
    (absolute,), _ = effects_of(cell, [effect], effect_scale)
    if absolute == 0.0:
        raise UsageError(
            "effect=0: no number of patients suffices; state an effect that is not zero"
        )
    run = partial(trial_power, assumptions, design, effects=absolute, simulations=simulations)
    trials = _Trials(partial(run, seed=seed, level=level, jobs=jobs, progress=progress))
    size, low, high = expected_size(cell, absolute, power, maximum, level)
    expected = size
    if simulations:
        size, low, high = _search(trials, expected, smallest, maximum, power, level)
    trials.power(maximum if size is None else size)
    table = trials.table(last=size)
    return RequiredPatients(
        patients=size,
        conf_low=low,
        conf_high=high,
        target=power,
        maximum=maximum,
        expected=expected,
        effect=absolute,
        table=table,
        assumptions=assumptions.table(),
        seed=seed,
        level=level,
        answer=_sentence(cell, table.iloc[-1], size, (low, high), power, level)
        + (SMALLEST if size == smallest else ""),
    )


class _Trials:
    """The sizes simulated so far; none is simulated twice."""

    def __init__(self, run: Callable[..., TrialPower]) -> None:
        self.run = run
        self.found: dict[int, pd.DataFrame] = {}

    def power(self, size: int) -> float:
        """Return the simulated power at a size."""
        if size not in self.found:
            self.found[size] = self.run(patients=size).table
        return float(self.found[size]["power"].iloc[0])

    def table(self, last: int | None = None) -> pd.DataFrame:
        """Return all sizes in order, one of them moved to the end."""
        sizes = sorted(self.found, key=lambda size: (size == last, size))
        return pd.concat([self.found[size] for size in sizes], ignore_index=True)


def check_question(power: float, design: TrialDesign) -> None:
    """Raise where a power cannot be asked for.

    Raises
    ------
    UsageError
        If it does not lie between the significance level and one.
    """
    if not design.significance < power < 1.0:
        raise UsageError(
            f"power={power}; give a power between the significance level "
            f"{design.significance:g} and 1, such as 0.8"
        )


def _search(
    trials: _Trials, expected: int | None, smallest: int, maximum: int, power: float, level: float
) -> tuple[int | None, float, float]:
    """Return the size by simulation with its interval; None where it is above the maximum."""
    middle = expected or maximum
    low = max(smallest, math.floor(middle / (1 + BRACKET)))
    high = min(maximum, math.ceil(middle * (1 + BRACKET)))
    # Widened until the simulated power crosses the target within, if it can.
    while trials.power(high) < power and high < maximum:
        low, high = high, min(maximum, 2 * high)
    while trials.power(low) >= power and low > smallest:
        low, high = max(smallest, low // 2), low
    if trials.power(high) < power:
        return None, math.nan, math.nan
    if trials.power(low) >= power:
        return low, math.nan, math.nan
    while high - low > max(1.0, WIDTH * high):
        middle = (low + high) // 2
        low, high = (low, middle) if trials.power(middle) >= power else (middle, high)
    found = size_on_curve(trials.table(), power, level)
    if found is None:
        return high, math.nan, math.nan
    size, size_low, size_high = found
    return min(max(math.ceil(size), smallest), maximum), size_low, size_high


def _sentence(
    cell: Cell,
    row: pd.Series,
    size: int | None,
    limits: tuple[float, float],
    power: float,
    level: float,
) -> str:
    effect = effect_in_words(cell.assumptions, cell.design, row["effect"])
    found = f"{row['power_expected']:.1%} expected without simulation"
    if row["simulations"]:
        found = f"{row['power']:.1%} in {row['simulations']} simulated trials"
    asked = f"A power of {power:.0%} to detect {effect}"
    if size is None:
        return (
            f"{asked} is not reached with up to {row['patients']} patients in the control arm: "
            f"{found} there."
        )
    interval = ""
    if np.isfinite(limits[0]):
        source = "Monte-Carlo interval of the size"
        if not row["simulations"]:
            source = f"interval of the size over {EXPECTED_DRAWS} draws of patients and losses"
        low, high = (f"{math.ceil(limit)}" if np.isfinite(limit) else "more" for limit in limits)
        interval = f" ({level:.0%} {source}: {low} {'or' if high == 'more' else 'to'} {high})"
    return (
        f"{asked} requires {size} patients in the control arm and {row['n_treated']} under "
        f"treatment{interval}: {found}."
    )
