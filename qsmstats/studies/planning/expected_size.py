"""The size of a trial by the power expected without simulation: a first answer, and a bracket.

Variances of estimates fall, and degrees of freedom rise, in proportion to the number of patients,
up to the few that the fixed effects take. The precision at one size therefore gives that at
others, and a few sizes are enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from qsmstats.errors import QsmstatsError, UsageError
from qsmstats.mixed.inference.expected_precision import ExpectedInference
from qsmstats.studies.planning.analysis import average_power, power_limits
from qsmstats.studies.planning.assumptions import TrialAssumptions
from qsmstats.studies.planning.design import FEWEST_PER_ARM, TrialDesign
from qsmstats.studies.planning.grid_cell import Cell, expected_tests, planned_tests
from qsmstats.studies.planning.patients import check_trial

__all__ = ["expected_size", "scaled_size", "smallest_trial"]

# Where the search starts.
FIRST_SIZE = 30
LARGEST_NAMED = 1_000_000


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


def expected_size(
    cell: Cell, effect: float, power: float, maximum: int, level: float
) -> tuple[int | None, float, float]:
    """Return the smallest size whose expected power reaches the target, with its interval.

    The precision at one size, scaled to others, names the next size to look at, until one size
    reaches the power and the next smaller one does not.

    Parameters
    ----------
    cell
        The smallest trial to consider.
    effect, power, maximum, level
        As in `required_patients`.

    Returns
    -------
    tuple
        Size, None above the maximum; the sizes that reach the power where the mean over draws lies
        at a limit of its own interval, NaN where there is no interval or no upper limit.
    """
    below, reached = cell.patients - 1, maximum + 1
    size = min(max(FIRST_SIZE, cell.patients), maximum)
    while reached - below > 1:
        planned = planned_tests(replace(cell, patients=size))
        tests = expected_tests(planned, cell.assumptions)
        mean = average_power(tests, effect, cell.design.significance)
        if mean >= power:
            reached, found = size, (tests, mean)
        else:
            below = size
        named = scaled_size(tests, size, effect, power, cell)
        size = min(max(named, below + 1), reached - 1)
    if reached > maximum:
        return None, math.nan, math.nan
    tests, mean = found
    limits = power_limits(tests, effect, cell.design.significance, level)
    if math.isnan(limits[0]):
        return reached, *limits
    low, high = (
        scaled_size(tests, reached, effect, power + mean - limit, cell)
        for limit in reversed(limits)
    )
    return reached, float(low), float(high) if high < LARGEST_NAMED else math.nan


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
