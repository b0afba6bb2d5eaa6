"""Family-wise error over voxels, by sign flips of what each participant contributes to the score.

In one voxel let V be the estimated covariance of the outcome (REML; it does not depend on the fixed
effects), K = X'V^-1X, b = K^-1 X'V^-1 y and c the effect. Under the null hypothesis c'b = 0 the
fixed effects are b0 = b - h c'b / A with h = K^-1 c and A = c'h, and group i (a participant, or
whatever the coarsest grouping factor is) contributes the effective score

  u_i = h' X_i' V_i^-1 (y_i - X_i b0),       sum_i u_i = c'b,

which is orthogonal to the other fixed effects (Hemerik, Goeman & Finos 2020, J R Stat Soc B
82:841-864). With signs s_i the score is S_s = sum_i s_i u_i; as residuals are used in place of
errors its variance is smaller than A, by what the other effects take up (the standardised score of
De Santis, Goeman, Hemerik, Davenport & Finos 2022, "Inference in generalized linear models with
robustness to misspecified variances", and of their R package flipscores):

  var S_s = A - w_s' (K^-1 - h h' / A) w_s,    w_s = sum_i s_i X_i' V_i^-1 X_i h,

The statistic is studentised by what the participants contribute, which signs do not change:

  T_s = S_s / sqrt(Q var S_s / A),    Q = sum_i u_i^2.

So a voxel whose estimated variance is small by chance has large T_s under all signs alike, and is
not found more often; with the standard error of the fit in its place it would be (in simulated
studies of 24 participants the error was 15 to 35 % instead of 5). With all signs + it is a score
statistic robust to a wrong V. The same signs are used in all voxels, so that what voxels have in
common is kept (Winkler, Ridgway, Webster, Smith & Nichols 2014, NeuroImage 92:381-397). Each map
T_s is enhanced (`qsmstats.voxelwise.enhancement`); with m_s its largest absolute value and B flips,
the family-wise error of a voxel is (1 + number of m_s >= |TFCE(v)|) / (B + 1) (Phipson & Smyth
2010, Stat Appl Genet Mol Biol 9:39).

Rows that a voxel does not have are cut out of its V. Memory does not grow with the number of
voxels: chunks of voxels write the maps T_s to a file, flip by flip, and each flip is then enhanced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from qsmstats.arrays import Floats, Integers
from qsmstats.errors import ModelError, UsageError
from qsmstats.mixed.criterion.covariance import factors_of
from qsmstats.mixed.design.layout import Layout
from qsmstats.parallel import Progress, one_thread
from qsmstats.voxels.executors import run_jobs
from qsmstats.voxelwise.chunks import Chunks
from qsmstats.voxelwise.enhancement import enhance
from qsmstats.voxelwise.stack import finished

__all__ = ["FamilyWise", "family_wise", "flipped_scores", "independent_groups_of", "sign_matrix"]

LEAST_GROUPS = 10
"""Fewer participants than this allow less than 1024 flips, and the p-values that follow."""
MAPS = 20
"""Maps enhanced by one task."""
_LEAST_VARIANCE = 1e-6
"""Of a flipped score, over that of the score: less is rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyWise:
    """Enhanced maps and their family-wise errors.

    Attributes
    ----------
    tfce, p_fwe
        Shape (n, k); voxels by effects.
    largest
        Largest absolute enhanced value of each flip, shape (flips, k).
    """

    tfce: Floats
    p_fwe: Floats
    largest: Floats


def family_wise(
    chunks: Chunks,
    folder: Path,
    *,
    flips: int,
    seed: int,
    jobs: int = 1,
    progress: Progress | None = None,
) -> FamilyWise:
    """Control the family-wise error of every effect.

    Parameters
    ----------
    chunks
        Fits, all of which have been made.
    folder
        Where the flipped maps of one effect are kept meanwhile: 4 bytes a voxel and flip.
    flips, seed
        Number of sign flips, and seed of the random signs.
    jobs, progress
        Processes; called with (steps done, steps).

    Raises
    ------
    ModelError
        If there are fewer than ten independent groups.
    UsageError
        If `flips` is less than 100.
    """
    if flips < 100:
        message = f"{flips} sign flips give no family-wise error of 0.05; ask for 1000 (--fwe 1000)"
        raise UsageError(message)
    groups = independent_groups_of(chunks.design.layout)
    if (number := int(groups.max()) + 1) < LEAST_GROUPS:
        message = (
            f"the random terms leave {number} independent groups, and sign flips need at least "
            f"{LEAST_GROUPS}; nest the random terms in participants, or do without --fwe"
        )
        raise ModelError(message)
    signs = sign_matrix(flips, number, seed)
    n, effects = len(chunks.stack.columns), len(chunks.tests.labels)
    starts = [first for first, _ in chunks.places]
    maps = [list(range(at, min(at + MAPS, flips + 1))) for at in range(0, flips + 1, MAPS)]
    steps, done = effects * (len(starts) + len(maps)), 0
    tfce, p_fwe = np.full((2, n, effects), np.nan)
    largest = np.empty((flips + 1, effects))
    path = folder / "flips.f32"
    for effect in range(effects):
        np.memmap(path, np.float32, "w+", shape=(flips + 1, n))
        tasks: list[tuple[Any, Sequence[Any]]] = [
            (partial(_flip_chunk, chunks, effect, groups, signs, path), starts),
            (partial(_enhance_maps, chunks, path, flips + 1), maps),
        ]
        for call, todo in tasks:
            for number, result in run_jobs(call, todo, workers=jobs):
                found = finished(result)
                if found is not None:
                    largest[maps[number], effect] = found
                done += 1
                if progress is not None:
                    progress(done, steps)
        stored = np.memmap(path, np.float32, "r", shape=(flips + 1, n))
        tfce[:, effect] = _enhanced(chunks, stored[0])
        # A voxel that could not be fitted has no flips either.
        tfce[np.isnan(stored[0]), effect] = np.nan
        null = np.sort(largest[1:, effect])
        reached = flips - np.searchsorted(null, np.abs(tfce[:, effect]) * (1 - 1e-12))
        p_fwe[:, effect] = np.where(np.isnan(tfce[:, effect]), np.nan, (1 + reached) / (flips + 1))
    path.unlink()
    return FamilyWise(tfce=tfce, p_fwe=p_fwe, largest=largest[1:])


def independent_groups_of(layout: Layout) -> Integers:
    """Return for each row the independent group it belongs to, shape (n,), counted from 0.

    Rows belong together where a chain of common levels of grouping factors joins them.
    """
    n = len(layout.basis)
    codes = [part.codes for part in layout.random]
    first = n + np.cumsum([0, *(int(code.max()) + 1 for code in codes)])
    levels = np.concatenate([code + start for code, start in zip(codes, first, strict=False)])
    rows = np.tile(np.arange(n), len(codes))
    size = int(first[-1])
    graph = coo_array((np.ones(len(rows)), (rows, levels)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    found: Integers = np.unique(labels[:n], return_inverse=True)[1].astype(np.int64)
    return found


def sign_matrix(flips: int, groups: int, seed: int) -> NDArray[np.float32]:
    """Return random signs, shape (flips + 1, groups); those of the first row are all +."""
    signs = np.random.default_rng(seed).integers(0, 2, (flips + 1, groups)) * 2 - 1
    signs[0] = 1
    return signs.astype(np.float32)


def flipped_scores(
    layout: Layout,
    groups: Integers,
    signs: NDArray[np.float32],
    row: Floats,
    *,
    values: Floats,
    theta: Floats,
) -> NDArray[np.float32]:
    """Return T_s of some voxels, shape (flips, m); NaN where a voxel was not fitted.

    Parameters
    ----------
    layout
        The model on its rows.
    groups, signs
        Independent group of each row; signs by flip and group.
    row
        The effect c, shape (p,).
    values
        Outcomes, shape (n, m); NaN where missing.
    theta
        As of `BatchFit`, voxel first.
    """
    products = _products(layout, groups, values, theta)
    p = products.shape[2]
    whole = products.sum(axis=0)
    root = np.linalg.cholesky(whole[..., :p])
    half = np.linalg.solve(root, np.broadcast_to(row[:, None], (len(root), p, 1)))  # L^-1 c
    h = np.linalg.solve(root.swapaxes(1, 2), half)[..., 0]
    size = np.square(half[..., 0]).sum(axis=1)
    free = np.linalg.solve(whole[..., :p], whole[..., p:])[..., 0]
    null = free - h * ((free @ row) / size)[:, None]
    crossed = products[..., :p]
    scores = np.einsum("mp,gmp->gm", h, products[..., p] - np.einsum("gmpq,mq->gmp", crossed, null))
    scores /= np.sqrt(np.square(scores).sum(axis=0))
    # |B' w_s|^2 = w_s' (K^-1 - h h' / A) w_s with B' = (I - P) L^-1, P the projection on L^-1 c.
    lost = np.linalg.solve(root, np.einsum("gmpq,mq->mpg", crossed, h))
    lost -= half @ (half.swapaxes(1, 2) @ lost) / size[:, None, None]
    lost /= np.sqrt(size)[:, None, None]
    made: NDArray[np.float32] = signs @ scores.astype(np.float32)
    taken = np.zeros_like(made)
    for component in lost.astype(np.float32).transpose(1, 2, 0):
        taken += np.square(signs @ component)
    made /= np.sqrt(np.maximum(1.0 - taken, _LEAST_VARIANCE))
    return made


def _products(layout: Layout, groups: Integers, values: Floats, theta: Floats) -> Floats:
    """Return X_i' V_i^-1 [X_i y_i] of each group and voxel, shape (G, m, p, p + 1).

    V is in units of the residual variance.
    """
    columns = layout.basis @ layout.root
    random = [part.columns @ part.whitener for part in layout.random]
    factors = factors_of(theta, [len(part.whitener) for part in layout.random])
    outcomes, seen = np.nan_to_num(values - layout.offset[:, None]).T, ~np.isnan(values).T
    made = np.empty((int(groups.max()) + 1, len(theta), columns.shape[1], columns.shape[1] + 1))
    for group in range(len(made)):
        rows = np.flatnonzero(groups == group)
        covariance = np.tile(np.eye(len(rows)), (len(theta), 1, 1))
        for part, z, factor in zip(layout.random, random, factors, strict=True):
            same = part.codes[rows][:, None] == part.codes[rows]
            half = z[rows] @ factor
            covariance += same * (half @ half.swapaxes(1, 2))
        there = seen[:, rows]
        # A row that is missing is one by itself, with zeros for X and y.
        both = there[:, :, None] & there[:, None, :]
        covariance = np.where(both, covariance, np.eye(len(rows)))
        x = columns[rows] * there[:, :, None]
        sides = np.concatenate([x, outcomes[:, rows, None] * there[:, :, None]], axis=2)
        made[group] = x.swapaxes(1, 2) @ np.linalg.solve(covariance, sides)
    return made


@one_thread()
def _flip_chunk(
    chunks: Chunks,
    effect: int,
    groups: Integers,
    signs: NDArray[np.float32],
    path: Path,
    first: int,
) -> None:
    """Write the maps T_s of the voxels of one chunk."""
    found = chunks.read(first) or {}
    last = first + len(found["problem"])
    known = found["problem"] == ""
    stored = np.memmap(path, np.float32, "r+", shape=(len(signs), len(chunks.stack.columns)))
    made = np.full((len(signs), last - first), np.nan, np.float32)
    if known.any():
        made[:, known] = flipped_scores(
            chunks.design.layout,
            groups,
            signs,
            chunks.tests.rows[effect],
            values=chunks.stack.values(chunks.stack.columns[first:last])[:, known],
            theta=found["theta"][known],
        )
    stored[:, first:last] = made


@one_thread()
def _enhance_maps(chunks: Chunks, path: Path, rows: int, numbers: list[int]) -> Floats:
    """Return the largest absolute enhanced values of some flips."""
    stored = np.memmap(path, np.float32, "r", shape=(rows, len(chunks.stack.columns)))
    return np.array([np.abs(_enhanced(chunks, stored[at])).max() for at in numbers])


def _enhanced(chunks: Chunks, statistic: NDArray[np.float32]) -> Floats:
    """Return the enhanced values of the voxels of a map, shape (n,)."""
    grid, index = chunks.stack.grid, chunks.stack.index
    volume = np.zeros(grid.size)
    volume[index] = np.nan_to_num(statistic)
    made: Floats = enhance(volume.reshape(grid.shape, order="F")).ravel(order="F")[index]
    return made
