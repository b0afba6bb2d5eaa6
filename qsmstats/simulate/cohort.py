"""Simulate a whole study folder with known truth.

Each participant has random numbers of their own, spawned from the seed (numpy SeedSequence), so
that neither the number of processes nor the order in which they finish changes a byte. The folder
is written under a temporary name and gets its own when it is complete.

The truth is written beside the folder, to ``<folder>_truth.json``; no analysis reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from qsmstats.errors import UsageError
from qsmstats.parallel import process_pool
from qsmstats.simulate.anatomy import load_anatomy
from qsmstats.simulate.dataset import describe_dataset, write_described, write_json
from qsmstats.simulate.histology import draw_histology
from qsmstats.simulate.parameters import Parameters
from qsmstats.simulate.records import Record, Row, Task, simulate_participant
from qsmstats.simulate.truth import study_truth

__all__ = ["Progress", "simulate_study", "truth_path"]

Progress = Callable[[int, int], None]
"""Called with (done, total) sessions."""


def truth_path(folder: str | Path) -> Path:
    """Return where the truth of a simulated study folder is written."""
    folder = Path(folder)
    return folder.with_name(folder.name + "_truth.json")


def simulate_study(
    path: str | Path,
    *,
    seed: int = 1,
    patients: int = 115,
    controls: int = 76,
    followed: int = 40,
    resolution: float = 2.0,
    progress: Progress | None = None,
    jobs: int = 1,
) -> Path:
    """Write a study folder (a BIDS derivative dataset) of lesions with known truth.

    Parameters
    ----------
    path
        Folder to write; must not exist, or be empty. The truth goes to `truth_path(path)`.
    seed
        Non-negative; the same seed gives the same study.
    patients, controls, followed
        Numbers of participants; `followed` patients have a second session.
    resolution
        Voxel size in mm, 0.8 to 4.
    progress
        Called with (done, total) sessions.
    jobs
        Processes. With more than one, a script needs the usual ``if __name__ == "__main__"``.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UsageError
        If the folder is taken, or a number cannot be used.
    """
    folder = Path(path)
    counts = {"patients": patients, "controls": controls, "followed": followed}
    _check(folder, counts, seed=seed, jobs=jobs)
    load_anatomy(resolution)
    parameters = Parameters()
    own, *seeds = np.random.SeedSequence(seed).spawn(1 + patients + controls)
    rng = np.random.default_rng(own)
    second = set(rng.choice(patients, size=followed, replace=False).tolist())
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        study = Path(temporary) / folder.name
        study.mkdir()
        tasks = [
            Task(
                folder=study,
                seed=child,
                parameters=parameters,
                resolution=resolution,
                participant_id=_participant_id(i, len(seeds)),
                group="MS" if i < patients else "HC",
                followed=i in second,
            )
            for i, child in enumerate(seeds)
        ]
        records = _run(tasks, jobs, progress)
        _write_tables(study, records, draw_histology(rng, parameters.histology))
        describe_dataset(study, seed=seed, resolution=resolution, counts=counts)
        write_json(truth_path(folder), study_truth(parameters, records, seed=seed))
        if folder.exists():
            folder.rmdir()
        study.rename(folder)
    return folder


def _participant_id(position: int, count: int) -> str:
    return f"sub-{position + 1:0{max(3, len(str(count)))}d}"


def _check(folder: Path, counts: Mapping[str, int], *, seed: int, jobs: int) -> None:
    if not folder.name:
        message = f"'{folder}' has no name of its own; name a new folder"
        raise UsageError(message)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"{folder} is there already; name a new folder, or remove it"
        raise UsageError(message)
    least = {"patients": 1, "controls": 0, "followed": 0, "seed": 0, "jobs": 1}
    for name, value in {**counts, "seed": seed, "jobs": jobs}.items():
        if value < least[name]:
            message = f"{name}: {value} is less than {least[name]}; give at least that"
            raise UsageError(message)
    if counts["followed"] > counts["patients"]:
        message = (
            f"followed: {counts['followed']} patients cannot have a second session where there "
            f"are {counts['patients']}; give at most that many"
        )
        raise UsageError(message)


def _run(tasks: list[Task], jobs: int, progress: Progress | None) -> list[Record]:
    total = len(tasks) + sum(task.followed for task in tasks)
    done = 0
    records = []
    for record in _records(tasks, min(jobs, len(tasks))):
        records.append(record)
        done += record.sessions
        if progress is not None:
            progress(done, total)
    return records


def _records(tasks: list[Task], jobs: int) -> Iterator[Record]:
    if jobs == 1:
        yield from map(simulate_participant, tasks)
        return
    with process_pool(jobs, simulate_participant.__module__) as pool:
        yield from pool.map(simulate_participant, tasks)


def _write_tables(folder: Path, records: list[Record], histology: list[Row]) -> None:
    rows = {
        "participants": [record.participant for record in records],
        "lesions": [row for record in records for row in record.lesions],
        "ratings": [row for record in records for row in record.ratings],
        "histology": histology,
    }
    for name, table in rows.items():
        write_described(folder / f"{name}.tsv", name, table)
