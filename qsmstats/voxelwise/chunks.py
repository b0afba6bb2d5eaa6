"""Fits the model to some thousand voxels at a time, and keeps what is done.

A chunk is one file. Its voxels depend on the stack alone, so that neither the number of processes
nor a run that was killed changes a number; files appear whole or not at all. The folder of the
chunks is named after a sum of everything they depend on: version, formula, rows, tests, and the
values of the images. What was made from anything else is removed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from qsmstats.arrays import Floats
from qsmstats.method_names import DfMethod
from qsmstats.mixed.batch.outcomes import OutcomeDesign
from qsmstats.parallel import Progress, one_thread
from qsmstats.version import __version__
from qsmstats.voxels.executors import run_jobs
from qsmstats.voxelwise.stack import ImageStack, finished
from qsmstats.writing import sweep, written_whole

__all__ = ["Chunks", "VoxelTests", "content_sum", "fit_chunks"]

VOXELS = 2048
"""Voxels of a chunk: a second of work or more, and some megabytes of memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoxelTests:
    """What is asked of the model in every voxel.

    Attributes
    ----------
    labels, rows
        Names of the effects, and the linear functions of the coefficients, shape (k, p).
    df
        How degrees of freedom are found.
    """

    labels: tuple[str, ...]
    rows: Floats
    df: DfMethod


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chunks:
    """The fits of a stack, chunk by chunk, in files.

    Attributes
    ----------
    design, tests, stack
        Model on its rows (those of the stack), what is asked, and the values.
    folder
        Where the files are.
    """

    design: OutcomeDesign
    tests: VoxelTests
    stack: ImageStack
    folder: Path

    @property
    def places(self) -> list[tuple[int, int]]:
        """First voxel of each chunk, and one beyond its last."""
        n = len(self.stack.columns)
        return [(first, min(first + VOXELS, n)) for first in range(0, n, VOXELS)]

    def file(self, first: int) -> Path:
        """Return the file of the chunk that begins with this voxel."""
        return self.folder / f"{first:09d}.npz"

    def read(self, first: int) -> dict[str, NDArray[Any]] | None:
        """Return what is known of a chunk; None where there is no sound file."""
        try:
            # Opened here, as numpy leaves a damaged file open.
            with self.file(first).open("rb") as file, np.load(file) as stored:
                return dict(stored)
        except (OSError, ValueError, EOFError, BadZipFile):  # none, or a damaged one
            return None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was found, of all voxels, voxel first."""
        parts = [self.read(first) or {} for first, _ in self.places]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def fit_chunks(
    chunks: Chunks,
    *,
    jobs: int = 1,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> None:
    """Fit every chunk that has no file yet.

    Parameters
    ----------
    chunks
        What to fit.
    jobs
        Processes on this machine.
    executor
        Where to run instead; its workers must see the stack and the folder under the same paths.
    progress
        Called with (voxels done, voxels).
    """
    chunks.folder.mkdir(parents=True, exist_ok=True)
    sweep(chunks.folder)
    for other in chunks.folder.parent.iterdir():
        if other != chunks.folder and other.is_dir():
            shutil.rmtree(other)
    todo = [place for place in chunks.places if chunks.read(place[0]) is None]
    done = len(chunks.stack.columns) - sum(last - first for first, last in todo)
    for number, result in run_jobs(partial(_fit, chunks), todo, workers=jobs, executor=executor):
        finished(result)
        done += todo[number][1] - todo[number][0]
        if progress is not None:
            progress(done, len(chunks.stack.columns))


def content_sum(terms: Sequence[Any], arrays: Sequence[NDArray[Any]]) -> str:
    """Return a sum of what chunks depend on: words and numbers, and arrays."""
    content = hashlib.sha256(json.dumps([__version__, VOXELS, *terms]).encode())
    for array in arrays:
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


@one_thread()
def _fit(chunks: Chunks, place: tuple[int, int]) -> None:
    first, last = place
    values = chunks.stack.values(chunks.stack.columns[first:last])
    fit = chunks.design.fit_outcomes(values)
    found = fit.wald(chunks.tests.rows, df=chunks.tests.df)
    names = ("estimate", "std_error", "df", "statistic", "p_value")
    arrays: dict[str, NDArray[Any]] = {name: getattr(found, name) for name in names}
    arrays |= {name: getattr(fit, name) for name in ("theta", "converged", "singular")}
    arrays["n_obs"] = fit.n_obs.astype(np.int32)  # NIfTI readers do not all know 64 bits
    arrays |= {"components": fit.variances.to_numpy(), "problem": np.array(fit.problems)}
    arrays["mean"] = np.nanmean(values, axis=0)
    with written_whole(chunks.file(first)) as unfinished, unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
