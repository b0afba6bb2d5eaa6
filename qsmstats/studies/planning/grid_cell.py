"""One cell of a grid: a design and a number of patients, in blocks of simulations.

Simulations of one block share their patients (with their numbers of lesions) and differ in
everything else, so that the design is prepared once per block. Power differs between draws of
patients, hence rejections of one block resemble one another; the Monte-Carlo interval is Wilson's
with the effective number of simulations (Korn & Graubard 1998, Survey Methodology 24:193-201),

  n / D,    D = max(1, B s2 / (p (1 - p))),    s2 the variance of p between blocks of B.

Each block has a generator of its own, seeded by the seed, the number of patients and the number of
the block: numbers do not depend on jobs, nor on which other cells are asked for.

The power expected without simulation is the mean over draws of patients and losses whose generators
are the same in every plan, whatever its seed and size: the same question has the same answer, and
sizes are compared on the same patients. How far it depends on these draws is said by the t interval
of that mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from qsmstats.accuracy.intervals import critical_value, wilson_limits
from qsmstats.arrays import Flags
from qsmstats.errors import NotIdentifiedError
from qsmstats.mixed.inference.expected_precision import ExpectedInference
from qsmstats.studies.planning.analysis import PlannedTest, Refits, analyse, plan_test
from qsmstats.studies.planning.assumptions import TrialAssumptions
from qsmstats.studies.planning.design import TrialDesign
from qsmstats.studies.planning.outcomes import draw_noise, outcomes, unrelated_losses
from qsmstats.studies.planning.patients import draw_trial

__all__ = [
    "EXPECTED_DRAWS",
    "Block",
    "Cell",
    "blocks",
    "expected_tests",
    "planned_tests",
    "run_block",
    "share_of",
]

# Simulations that share their patients. To prepare a large trial costs as much as 25 fits of it,
# and large draws differ little; where all patients are alike, so are all draws.
BLOCK_SMALL, BLOCK_LARGE, BLOCK_ALIKE = 25, 50, 100
LARGE_TRIAL = 60
EXPECTED_DRAWS, EXPECTED_SEED = 8, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A design with a number of patients in the control arm."""

    assumptions: TrialAssumptions
    design: TrialDesign
    patients: int

    @property
    def draws_are_alike(self) -> bool:
        """Whether all patients to draw from have the same lesions."""
        return len(self.assumptions.counts_for(self.design)) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Simulations of one cell that share their patients.

    Attributes
    ----------
    cell, number
        The cell, and the number of the block in it.
    effects
        Effects to simulate; several only where losses depend on them.
    simulations
        How many.
    seed
        The seed of the whole grid.
    """

    cell: Cell
    number: int
    effects: tuple[float, ...]
    simulations: int
    seed: int


def blocks(cell: Cell, effects: Sequence[float], simulations: int, seed: int) -> Iterator[Block]:
    """Split the simulations of a cell.

    Where losses do not depend on the outcome, effect zero alone is simulated: see `analysis`.
    """
    size = BLOCK_LARGE if cell.patients >= LARGE_TRIAL else BLOCK_SMALL
    if cell.draws_are_alike:
        size = BLOCK_ALIKE
    simulated = tuple(effects) if cell.design.dropout.depends_on_outcome else (0.0,)
    for number, start in enumerate(range(0, simulations, size)):
        yield Block(
            cell=cell,
            number=number,
            effects=simulated,
            simulations=min(size, simulations - start),
            seed=seed,
        )


def run_block(_shared: None, block: Block) -> tuple[Refits, ...]:
    """Simulate and analyse one block; one result per effect, with the same chance in all."""
    cell = block.cell
    random = _generator(block.seed, cell.patients, block.number)
    trial = draw_trial(cell.assumptions, cell.design, cell.patients, random)
    noise = draw_noise(trial, block.simulations, random)
    return tuple(analyse(trial, outcomes(trial, noise, effect)) for effect in block.effects)


def planned_tests(cell: Cell) -> list[PlannedTest | NotIdentifiedError]:
    """Return the test of some draws of patients (one where all are alike), or why there is none.

    Losses are drawn as if they had nothing to do with the outcome.
    """
    losses = cell.design.dropout.annual_rate > 0.0
    number = 1 if cell.draws_are_alike and not losses else EXPECTED_DRAWS
    planned: list[PlannedTest | NotIdentifiedError] = []
    for draw in range(number):
        patients, fate = _generator(EXPECTED_SEED, draw).spawn(2)
        trial = draw_trial(cell.assumptions, cell.design, cell.patients, patients)
        try:
            planned.append(plan_test(trial, unrelated_losses(trial, fate)))
        except NotIdentifiedError as error:
            planned.append(error)
    return planned


def expected_tests(
    planned: Sequence[PlannedTest | NotIdentifiedError], truth: TrialAssumptions
) -> list[ExpectedInference | None]:
    """Return the precision of each draw under a truth; None where there is no test.

    Raises
    ------
    NotIdentifiedError
        If no draw can be tested.
    """
    made = [one.under(truth) if isinstance(one, PlannedTest) else None for one in planned]
    first = planned[0]
    if not any(made) and isinstance(first, NotIdentifiedError):
        raise first
    return made


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def share_of(hits: Sequence[Flags], level: float) -> tuple[float, float, float, float]:
    """Return the share of hits over all blocks with its Monte-Carlo interval; NaN without any.

    Parameters
    ----------
    hits
        One array per block.
    level
        Confidence level.

    Returns
    -------
    tuple
        Share, lower and upper limit, effective number of simulations.
    """
    if not hits:
        return np.nan, np.nan, np.nan, 0.0
    whole = np.concatenate(hits)
    share = float(whole.mean())
    size, variance, design_effect = len(hits[0]), share * (1.0 - share), 1.0
    full = [block.mean() for block in hits if len(block) == size]
    if len(full) > 1 and variance > 0.0:
        design_effect = max(1.0, size * float(np.var(full, ddof=1)) / variance)
    effective = len(whole) / design_effect
    low, high = wilson_limits(share, effective, critical_value(level))
    return share, float(low), float(high), effective
