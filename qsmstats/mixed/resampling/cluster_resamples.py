"""Groups of the coarsest factor drawn with replacement, or left out one at a time.

A group drawn twice counts as two groups (Field & Welsh 2007, J R Soc B 69:369-390). Where the
groups of a design are independent (`batch.blocks`), a resample is a list of blocks with their own
products; no row is looked at again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Floats, Integers, Places
from qsmstats.errors import UsageError
from qsmstats.mixed.batch.design import BatchDesign
from qsmstats.mixed.batch.optimum import prepare
from qsmstats.mixed.batch.outcomes import fit_singly, fit_together
from qsmstats.mixed.batch.products import GroupProducts
from qsmstats.mixed.batch.result import BatchFit, blank, joined, put
from qsmstats.mixed.criterion.crossproducts import DesignProducts
from qsmstats.mixed.resampling.simulate import stream
from qsmstats.parallel import one_thread

__all__ = ["Clusters", "Resampled", "clusters_of", "fit_lists", "left_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """The groups of the factor in which all others are nested.

    Attributes
    ----------
    label
        Name of the factor.
    codes
        Group of each row, shape (n,).
    size
        Number of groups.
    """

    label: str
    codes: Integers
    size: int

    def rows(self, groups: Places) -> tuple[Places, Places]:
        """Return the rows of a list of groups, and for each row which of the list it belongs to."""
        order = np.argsort(self.codes, kind="stable")
        starts = np.searchsorted(self.codes[order], np.arange(self.size + 1))
        found = [order[starts[group] : starts[group + 1]] for group in groups]
        sizes = [len(rows) for rows in found]
        return np.concatenate(found), np.repeat(np.arange(len(groups)), sizes)


def clusters_of(design: BatchDesign) -> Clusters:
    """Find the factor in which all others are nested.

    Raises
    ------
    UsageError
        If there is none.
    """
    elimination = design.elimination
    crossed = not isinstance(elimination.parts, DesignProducts)
    top = None if crossed else elimination.levels[-1]
    if top is None or any(member.local is not None for member in top.members):
        msg = (
            "the grouping factors are crossed: there are no independent groups to resample or to "
            "leave out; use kind='parametric' with interval='percentile'"
        )
        raise UsageError(msg)
    label = design.layout.random[top.members[0].term].design.grouping.label
    return Clusters(label=label, codes=top.codes, size=top.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampled:
    """Draws groups with replacement, within strata.

    Attributes
    ----------
    strata
        Groups of each stratum.
    seed
        Seed of all streams.
    """

    strata: tuple[Places, ...]
    seed: int

    def __call__(self, task: tuple[int, int]) -> Places:
        """Draw the lists numbered from task[0] up to task[1], shape (m, G)."""
        return np.array([self._one(number) for number in range(*task)])

    def _one(self, number: int) -> Places:
        random = stream(self.seed, number)
        return np.concatenate(
            [groups[random.integers(len(groups), size=len(groups))] for groups in self.strata]
        )


def left_out(size: int) -> Places:
    """Return the lists that leave out each group in turn, shape (G, G - 1)."""
    everyone = np.arange(size)
    return np.array([np.delete(everyone, group) for group in everyone])


@one_thread()
def fit_lists(
    shared: tuple[BatchDesign, Floats, Floats | None, Clusters], index: Places
) -> BatchFit:
    """Fit one outcome to lists of groups, shape (m, G); for `parallel.run_tasks`.

    Parameters
    ----------
    shared
        The design, the outcome (n_obs,), theta to start from or None, and the groups.
    index
        Groups of each list.
    """
    design, outcome, start, clusters = shared
    pieces, step = [], design.small_chunk
    if (grouped := design.grouped) is not None:
        everyone = np.arange(clusters.size)[None]
        parts, whole_start = prepare(design, grouped, grouped.stack, everyone, outcome[None], start)
    for at in range(0, len(index), step):
        lists = index[at : at + step]
        made, done = blank(design, len(lists)), np.zeros(len(lists), dtype=bool)
        if grouped is not None:

            def prepared(which: Places, lists: Places = lists) -> tuple[GroupProducts, Floats]:
                return parts.take(lists[which]), np.tile(whole_start, (len(which), 1))

            made, done = fit_together(design, grouped, grouped.stack, lists, prepared)
        for one in np.flatnonzero(~done):
            rows, copies = clusters.rows(lists[one])
            made = put(
                made, np.array([one]), fit_singly(design, outcome, rows, copies, start=start)
            )
        pieces.append(made)
    return joined(pieces)
