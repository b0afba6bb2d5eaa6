"""The size of a trial by the power expected without simulation: a first answer, and a bracket.

Variances of estimates fall, and degrees of freedom rise, in proportion to the number of patients,
up to the few that the fixed effects take. The precision at one size therefore gives that at
others, and a few sizes are enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qsmstats.errors import QsmstatsError, UsageError
from qsmstats.mixed.inference.expected_precision import ExpectedInference
from qsmstats.studies.planning.analysis import average_power
from qsmstats.studies.planning.assumptions import TrialAssumptions
from qsmstats.studies.planning.design import FEWEST_PER_ARM, TrialDesign
from qsmstats.studies.planning.grid_cell import Cell, expected_tests, planned_tests
from qsmstats.studies.planning.patients import check_trial

__all__ = ["expected_size", "scaled_size", "smallest_trial"]

# Where the search starts, how often it may turn back, how often it may move.
FIRST_SIZE, FREE_TRIES, SIZES_TRIED = 30, 3, 20
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
