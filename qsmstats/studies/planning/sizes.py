r"""How many patients a trial needs for a stated power.

The power expected without simulation gives a first size and a bracket around it. Within the
bracket, bisection decides where to simulate: each step keeps the half in which the simulated power
crosses the target. Chance can send a step the wrong way, so that the size is not read off the last
step but off the curve

.. math:: \Phi^{-1}(\mathrm{power}) = a + b \sqrt{n}

through all simulated sizes (probit regression; the power of a z test has this form, with b > 0),
whose error gives the interval of the size by the delta method for :math:`\sqrt{n}`. The trial is
then simulated at the size found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from qsmstats.errors import QsmstatsError, UsageError
from qsmstats.mixed.expected import ExpectedInference
from qsmstats.studies.planning.analysis import average_power
from qsmstats.studies.planning.assumptions import TrialAssumptions
from qsmstats.studies.planning.cells import Cell, expected_tests, planned_tests
from qsmstats.studies.planning.design import FEWEST_PER_ARM, TrialDesign
from qsmstats.studies.planning.patients import check_trial
from qsmstats.studies.planning.power import (
    DEFAULT,
    EffectScale,
    as_assumptions,
    checked_seed,
    effects_of,
    trial_power,
)

if TYPE_CHECKING:
    from qsmstats.mixed.fit import MixedFit
    from qsmstats.progress import Progress

__all__ = [
    "RequiredPatients",
    "check_question",
    "required_patients",
    "scaled_size",
    "smallest_trial",
]

# The first bracket, and the width at which bisection stops, as shares of the size.
BRACKET, WIDTH = 0.25, 0.06
# Where the search by expected power starts, how often it may turn back, and move; too many.
FIRST_SIZE, FREE_TRIES, SIZES_TRIED, LARGEST_NAMED = 30, 3, 20, 1_000_000
# Fisher scoring from the line through the probits is at its fixed point long before.
SCORING_STEPS = 25

SMALLEST = " It is the smallest trial that this model can be fitted to; fewer might do."

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredPatients:
    """The size of a trial.

    Attributes
    ----------
    patients
        Patients in the control arm; None where the power is not reached.
    conf_low, conf_high
        Monte-Carlo interval of that size; NaN where nothing was simulated, or the size is the
        smallest that can be analysed.
    target
        The power asked for.
    maximum
        The largest size looked at.
    expected
        The size by the expected power, without simulation; None where it is above the maximum.
    effect
        The effect, in units of the outcome per year.
    table
        What was simulated, as `TrialPower.table`; the row of `patients` last.
    assumptions, seed, level
        As in `TrialPower`.
    answer
        The result in a sentence.
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
        One effect, not zero.
    power
        Between the significance level and 1.
    maximum
        Largest control arm to consider.
    simulations
        Simulated trials per size looked at (about six sizes); 0 for the expected power alone.
    seed, level, jobs, progress
        As in `trial_power`; `progress` starts anew for every size.

    Raises
    ------
    UsageError, NotIdentifiedError, ModelError
        As in `trial_power`; also for an effect of zero, a power outside its range, or a maximum
        below the smallest trial that can be analysed.
    """
    check_question(power, design)
    assumptions, seed = as_assumptions(source), checked_seed(seed)
    smallest = smallest_trial(assumptions, design, maximum)
    cell = Cell(assumptions=assumptions, design=design, patients=smallest)
    (absolute,), _ = effects_of(cell, [effect], effect_scale)
    if absolute == 0.0:
        raise UsageError("effect=0: no number of patients shows it; state an effect that is there")
    trials = _Trials(
        lambda size: (
            trial_power(
                assumptions,
                design,
                patients=size,
                effects=absolute,
                simulations=simulations,
                seed=seed,
                level=level,
                jobs=jobs,
                progress=progress,
            ).table
        )
    )
    expected = expected_size(cell, absolute, power, maximum, seed)
    if simulations:
        size, low, high = _search(trials, expected, smallest, maximum, power, level)
    else:
        size, low, high = expected, math.nan, math.nan
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
        answer=_sentence(assumptions, table.iloc[-1], size, (low, high), power, level)
        + (SMALLEST if size == smallest else ""),
    )


class _Trials:
    """The sizes simulated so far; none is simulated twice."""

    def __init__(self, simulate: Callable[[int], pd.DataFrame]) -> None:
        self.simulate = simulate
        self.found: dict[int, pd.DataFrame] = {}

    def power(self, size: int) -> float:
        """Return the simulated power at a size."""
        if size not in self.found:
            self.found[size] = self.simulate(size)
        return float(self.found[size]["power"].iloc[0])

    def table(self, last: int | None = None) -> pd.DataFrame:
        """Return all sizes in order, one of them moved to the end."""
        sizes = sorted(self.found, key=lambda size: (size == last, size))
        return pd.concat([self.found[size] for size in sizes], ignore_index=True)


def smallest_trial(assumptions: TrialAssumptions, design: TrialDesign, maximum: int) -> int:
    """Return the smallest control arm that can be analysed."""
    refused: QsmstatsError | None = None
    for size in range(FEWEST_PER_ARM, maximum + 1):
        try:
            check_trial(assumptions, design, size)
        except UsageError as error:
            refused = error
            continue
        return size
    raise UsageError(f"maximum={maximum}: no trial up to this size can be analysed ({refused})")


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


def expected_size(cell: Cell, effect: float, power: float, maximum: int, seed: int) -> int | None:
    """Return the smallest size whose expected power reaches the target; None above the maximum.

    The precision at one size, scaled to others, names the next size to look at, until it names
    itself.

    Parameters
    ----------
    cell
        The smallest trial to consider.
    effect, power, maximum, seed
        As in `required_patients`.
    """
    size = min(max(FIRST_SIZE, cell.patients), maximum)
    for attempt in range(SIZES_TRIED):
        planned = planned_tests(replace(cell, patients=size), seed)
        tests = expected_tests(planned, cell.assumptions)
        named = scaled_size(tests, size, effect, power, cell)
        # Each size draws its own patients, so that two sizes can name one another: after the first
        # tries a size that reaches the power will do, and only larger ones are looked at.
        late = attempt >= FREE_TRIES
        if named == size or (late and named < size):
            return size
        if size == maximum and named > maximum:
            return None
        size = min(max(named, size + 1) if late else named, maximum)
    return size


def scaled_size(
    tests: Sequence[ExpectedInference | None], size: int, effect: float, power: float, cell: Cell
) -> int:
    """Return the smallest size with a power, by the precision at one size.

    Parameters
    ----------
    tests
        Expected precision at `size`.
    size
        A size of the control arm.
    effect, power
        The effect, and the power to reach.
    cell
        The smallest trial to consider; the answer is not below it.

    Returns
    -------
    int
        At most `LARGEST_NAMED`, which means: this or more.
    """
    significance = cell.design.significance

    def reached(other: int) -> bool:
        return average_power(tests, effect, significance, growth=other / size) >= power

    if reached(cell.patients):
        return cell.patients
    low, high = cell.patients, LARGEST_NAMED
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _search(
    trials: _Trials, expected: int | None, smallest: int, maximum: int, power: float, level: float
) -> tuple[int | None, float, float]:
    """Return the size by simulation with its interval; None where it is above the maximum."""
    low, high = _bracket(trials, expected or maximum, smallest, maximum, power)
    if trials.power(high) < power:
        return None, math.nan, math.nan
    if trials.power(low) >= power:
        return low, math.nan, math.nan
    while high - low > max(1.0, WIDTH * high):
        middle = (low + high) // 2
        low, high = (low, middle) if trials.power(middle) >= power else (middle, high)
    found = size_on_curve(trials.table(), power, level)
    if found is None:
        return high, float(low), math.nan
    size, size_low, size_high = found
    return min(max(math.ceil(size), smallest), maximum), size_low, size_high


def _bracket(
    trials: _Trials, middle: int, smallest: int, maximum: int, power: float
) -> tuple[int, int]:
    """Widen a bracket until the simulated power crosses the target in it, if it can."""
    low = max(smallest, math.floor(middle / (1 + BRACKET)))
    high = min(maximum, math.ceil(middle * (1 + BRACKET)))
    while trials.power(high) < power and high < maximum:
        low, high = high, min(maximum, 2 * high)
    while trials.power(low) >= power and low > smallest:
        low, high = max(smallest, low // 2), low
    return low, high


def size_on_curve(
    table: pd.DataFrame, power: float, level: float
) -> tuple[float, float, float] | None:
    """Return where the probit curve through simulated sizes reaches a power, with its interval.

    Parameters
    ----------
    table
        patients, power and effective_simulations of every size.
    power
        The target.
    level
        Confidence level.

    Returns
    -------
    tuple or None
        Size, lower and upper limit; None where power does not rise with size.
    """
    sizes, weights = (
        table[name].to_numpy(np.float64) for name in ("patients", "effective_simulations")
    )
    # Half a success and half a failure more keep a share of one within the curve's reach.
    shares = (table["power"].to_numpy(np.float64) * weights + 0.5) / (weights + 1.0)
    (intercept, rise), covariance = _probit(np.sqrt(sizes), shares, weights)
    if not rise > 0.0:
        return None
    root = (float(stats.norm.ppf(power)) - intercept) / rise
    slope = np.array([-1.0 / rise, -root / rise])
    half = float(stats.norm.isf((1.0 - level) / 2.0) * np.sqrt(slope @ covariance @ slope))
    return float(root**2), max(root - half, 0.0) ** 2, float((root + half) ** 2)


def _probit(x: Floats, shares: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Fit a line to probits of shares by Fisher scoring; return coefficients and covariance."""
    design = np.column_stack([np.ones_like(x), x])
    found = np.polynomial.polynomial.polyfit(x, stats.norm.ppf(shares), 1)
    for _ in range(SCORING_STEPS):
        line = design @ found
        fitted, density = stats.norm.cdf(line), stats.norm.pdf(line)
        size = weights * density / (fitted * (1.0 - fitted))
        information = design.T @ (design * (size * density)[:, None])
        found = found + np.linalg.solve(information, design.T @ (size * (shares - fitted)))
    return found, np.linalg.inv(information)


def _sentence(
    assumptions: TrialAssumptions,
    row: pd.Series,
    size: int | None,
    limits: tuple[float, float],
    power: float,
    level: float,
) -> str:
    unit = "%" if assumptions.unit == "percent" else assumptions.unit
    target = str(row["target"]).replace("_", " ").replace(" + ", " and ")
    effect = f"the slope of {target} lesions change by {row['effect']:.3g} {unit} per year"
    found = f"{row['power_expected']:.1%} expected without simulation"
    if row["simulations"]:
        found = f"{row['power']:.1%} in {row['simulations']} simulated trials"
    if size is None:
        return (
            f"A power of {power:.0%} to see {effect} is not reached with up to {row['patients']} "
            f"patients in the control arm: {found} there."
        )
    interval = ""
    if np.isfinite(limits).all():
        low, high = map(math.ceil, limits)
        interval = f" ({level:.0%} Monte-Carlo interval of the size: {low} to {high})"
    return (
        f"A power of {power:.0%} to see {effect} takes {size} patients in the control arm and "
        f"{row['n_treated']} under treatment{interval}: {found}."
    )
