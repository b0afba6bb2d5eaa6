"""Simulate a whole study folder with known truth.

Each participant has their own random numbers, spawned from the seed (numpy SeedSequence), so that
neither the number of processes nor the order in which they finish changes a byte. The folder is
written under a temporary name and renamed when it is complete.

The truth is written beside the folder, to ``<folder>_truth.json``; no analysis reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from qsmstats.errors import UsageError
from qsmstats.parallel import run_tasks
from qsmstats.progress import Progress
from qsmstats.simulate.anatomy import load_anatomy
from qsmstats.simulate.common_space import common_space_truth, write_common_mask
from qsmstats.simulate.dataset import describe_dataset, write_described, write_json
from qsmstats.simulate.histology import draw_histology
from qsmstats.simulate.parameters import Parameters
from qsmstats.simulate.records import simulate_participant
from qsmstats.simulate.scanners import assign_scanners, draw_scanners
from qsmstats.simulate.truth import study_truth

__all__ = ["simulate_study", "truth_path"]


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
    scanners: int = 1,
    voxelwise: bool = False,
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
    scanners
        Number of scanners, which shift each map and change its spread. With more than one, the
        tables of sessions have a column scanner, and some patients change scanners between
        sessions.
    voxelwise
        Whether there are images in a common space too (`qsmstats.simulate.common_space`), for
        `qsmstats map`.
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
        If the folder exists and is not empty, or a number is out of range.

    Examples
    --------
    >>> qs.simulate_study("study", patients=20, controls=10, followed=8)  # doctest: +SKIP
    """
    folder = Path(path)
    counts = {"patients": patients, "controls": controls, "followed": followed}
    _check(folder, counts, seed=seed, jobs=jobs, scanners=scanners)
    load_anatomy(resolution)
    parameters = Parameters()
    source = np.random.SeedSequence(seed)
    own, *seeds = source.spawn(1 + patients + controls)
    rng = np.random.default_rng(own)
    second = set(rng.choice(patients, size=followed, replace=False).tolist())
    # Numbers of their own, so that people, lesions and noise are those of a study on one scanner.
    apart = np.random.default_rng(source.spawn(1)[0])
    made_on = draw_scanners(apart, parameters.maps, scanners)
    visits = assign_scanners(apart, made_on.names, (patients, controls), second)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        study = Path(temporary) / folder.name
        study.mkdir()
        digits = max(3, len(str(len(seeds))))
        enrolments = [
            (child, f"sub-{i + 1:0{digits}d}", "MS" if i < patients else "HC", visits[i])
            for i, child in enumerate(seeds)
        ]
        common = (study, parameters, made_on, resolution, voxelwise)
        records, done = [], 0
        for record in run_tasks(simulate_participant, common, enrolments, jobs=jobs):
            records.append(record)
            done += record.sessions
            if progress is not None:
                progress(done, len(seeds) + followed)
        tables = {
            "participants": [record.participant for record in records],
            "lesions": [row for record in records for row in record.lesions],
            "ratings": [row for record in records for row in record.ratings],
            "histology": draw_histology(rng, parameters.histology),
        }
        for name, rows in tables.items():
            write_described(study / f"{name}.tsv", name, rows)
        describe_dataset(
            study,
            seed=seed,
            resolution=resolution,
            counts=counts,
            scanners=scanners,
            voxelwise=voxelwise,
        )
        truth = study_truth(parameters, records, seed=seed)
        if scanners > 1:
            truth["scanners"] = made_on.truth(parameters.maps)
        if voxelwise:
            write_common_mask(study)
            truth["voxelwise"] = common_space_truth()
        write_json(truth_path(folder), truth)
        if folder.exists():
            folder.rmdir()
        study.rename(folder)
    return folder


def _check(folder: Path, counts: Mapping[str, int], *, seed: int, jobs: int, scanners: int) -> None:
    if not folder.name:
        message = f"'{folder}' has no name of its own; name a new folder"
        raise UsageError(message)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"{folder} already exists; name a new folder, or remove it"
        raise UsageError(message)
    least = {"patients": 1, "controls": 0, "followed": 0, "seed": 0, "jobs": 1, "scanners": 1}
    numbers = {**counts, "seed": seed, "jobs": jobs, "scanners": scanners}
    for name, value in numbers.items():
        if value < least[name]:
            message = f"{name}: {value} is less than {least[name]}; give at least that"
            raise UsageError(message)
    if counts["followed"] > counts["patients"]:
        message = (
            f"followed: {counts['followed']} patients cannot have a second session where there "
            f"are {counts['patients']}; give at most that many"
        )
        raise UsageError(message)
    if 1 < scanners > counts["patients"] // 2:
        message = (
            f"scanners: {scanners} scanners need two patients each, and there are "
            f"{counts['patients']}; give at most {max(counts['patients'] // 2, 1)}"
        )
        raise UsageError(message)
