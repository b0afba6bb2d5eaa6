"""What is wrong with the images of a study.

Every image that study.toml promises for a session must be there; every header is read, and its
grid compared with that of the session. Label images are read whole. Of a compressed map only the
size that its last bytes declare is compared (RFC 1952, section 2.3.1: ISIZE), which shows files
that were cut short without inflating them, and their sums with one another, which shows copies
(`qsmstats.checks.copies`); one image per map is read whole, against its unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from qsmstats.checks.copies import copied_maps
from qsmstats.checks.labels import LabelRows
from qsmstats.checks.sidecars import Sidecars, unit_problems
from qsmstats.errors import ImageError, Problem
from qsmstats.study import MapSpec, Study
from qsmstats.voxels.images import Volume, open_volume, require_same_grid
from qsmstats.voxels.sessions import SessionJob
from qsmstats.voxels.stream import gather, read_labels, read_mask
from qsmstats.voxels.units import map_unit

__all__ = ["Finding", "check_images"]

LABELS, TISSUE = "labels", "tissue"
NO_VOXEL = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem, and whether it makes the study `invalid` or an image `unreadable`."""

    problem: Problem
    kind: str = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Session:
    """The images of one session: role -> path where it is missing, volume where it is sound."""

    job: SessionJob
    missing: dict[str, Path] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)


def check_images(study: Study, jobs: Sequence[SessionJob], rows: LabelRows) -> list[Finding]:
    """Check every image of a study.

    Parameters
    ----------
    study
        The study folder.
    jobs
        One per session, with the images to expect.
    rows
        What the lesions table says of their labels.

    Returns
    -------
    list of Finding
        Missing files first, then session by session, then units.
    """
    sessions, findings = [], []
    for job in jobs:
        session, found = _open_session(study, job)
        found += _label_findings(study, session, rows)
        sessions.append(session)
        findings += found
    findings = [*_missing_files(study, sessions), *findings, *_grids_to_match(study, sessions)]
    maps = ((spec.name, one.volumes.get(spec.name)) for one in sessions for spec in study.maps)
    there = [(name, volume) for name, volume in maps if volume is not None]
    findings += [Finding(problem=problem) for problem in copied_maps(study, there)]
    sidecars = Sidecars(study)
    for spec in study.maps:
        images = [job.maps[spec.name] for job in jobs if spec.name in job.maps]
        declared = unit_problems(sidecars, spec, images)
        # Values against a unit that the sidecars contradict would be the same problem again.
        other = [] if declared else _value_problems(study, spec, sessions)
        findings += [Finding(problem=problem) for problem in (*declared, *other)]
    return findings


def _paths(job: SessionJob) -> dict[str, Path]:
    paths = {LABELS: job.labels, TISSUE: job.tissue, **job.maps}
    return {role: path for role, path in paths.items() if path is not None}


def _open_session(study: Study, job: SessionJob) -> tuple[_Session, list[Finding]]:
    """Read the headers of a session; what cannot be used is a finding."""
    session = _Session(job=job)
    findings: list[Finding] = []
    for role, path in _paths(job).items():
        if not path.is_file():
            session.missing[role] = path
            continue
        try:
            volume = open_volume(path, role)
            _check_size(volume)
            require_same_grid(next(iter(session.volumes.values()), volume), volume)
        except (ImageError, OSError) as error:
            findings += _unreadable(study, path, error)
        else:
            session.volumes[role] = volume
    return session, findings


def _check_size(volume: Volume) -> None:
    """Raise if the file is shorter or longer than its header says."""
    path = volume.path
    if path is None:
        return
    expected = volume.offset + volume.grid.size * volume.dtype.itemsize
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(-4, 2)
        declared = int.from_bytes(file.read(4), "little")
    # A file of several gzip members declares the size of the last one only: then it is read.
    if not compressed or declared != expected % 2**32:
        gather(volume, NO_VOXEL)


def _unreadable(study: Study, path: Path, error: ImageError | OSError) -> list[Finding]:
    problems: Sequence[Problem] = (
        error.problems
        if isinstance(error, ImageError)
        else [
            Problem(
                table=str(path), problem=f"cannot be read: {error.strerror or error}; copy it again"
            )
        ]
    )
    return [Finding(problem=_relative(study, problem), kind="unreadable") for problem in problems]


def _relative(study: Study, problem: Problem) -> Problem:
    """Name files from the study folder on, as tables are named."""
    top = f"{study.folder}/"
    return replace(
        problem,
        table=study.name_of(Path(problem.table)),
        problem=problem.problem.replace(top, ""),
    )


def _label_findings(study: Study, session: _Session, rows: LabelRows) -> list[Finding]:
    volume = session.volumes.get(LABELS)
    if volume is None or volume.path is None:
        return []
    try:
        labels = set(map(int, np.unique(read_labels(volume).label)))
    except (ImageError, OSError) as error:
        return _unreadable(study, volume.path, error)
    visit = session.job.participant_id, session.job.session_id
    file = study.name_of(volume.path)
    return [Finding(problem=problem) for problem in rows.compare(visit, labels, file)]


def _grids_to_match(study: Study, sessions: Sequence[_Session]) -> Iterator[Finding]:
    """Yield the label images that cannot be matched with those of their participant's first."""
    if study.matching.lesion_ids == "consistent":
        return
    first: dict[str, Volume] = {}
    for session in sessions:
        volume = session.volumes.get(LABELS)
        if volume is None:
            continue
        try:
            require_same_grid(first.setdefault(session.job.participant_id, volume), volume)
        except ImageError as error:
            problem = _relative(study, error.problems[0])
            why = "sessions that were labelled independently are matched voxel by voxel"
            yield Finding(problem=replace(problem, problem=f"{problem.problem}; {why}"))


def _missing_files(study: Study, sessions: Sequence[_Session]) -> Iterator[Finding]:
    """Yield one problem per missing file, or per pattern where all its files are missing."""
    expected: dict[str, int] = {}
    missing: dict[str, list[tuple[SessionJob, Path]]] = {}
    for session in sessions:
        for role in _paths(session.job):
            expected[role] = expected.get(role, 0) + 1
        for role, path in session.missing.items():
            missing.setdefault(role, []).append((session.job, path))
    for role, absent in missing.items():
        names = [(job, study.name_of(path)) for job, path in absent]
        if len(absent) == expected[role] > 1:
            text = (
                f"none of {len(absent)} sessions has this file; correct the pattern, by which the "
                f"first would be {names[0][1]}"
            )
            where = {LABELS: "labels.pattern", TISSUE: "tissue"}.get(role, f"maps.{role}.pattern")
            yield Finding(problem=Problem(table="study.toml", column=where, problem=text))
            continue
        for job, name in names:
            found = "is no file" if (study.folder / name).exists() else "no such file"
            text = (
                f"{found}; study.toml expects it for {job.participant_id} {job.session_id}: copy "
                "it there, or correct the pattern"
            )
            yield Finding(problem=Problem(table=name, problem=text))


def _value_problems(study: Study, spec: MapSpec, sessions: Sequence[_Session]) -> Sequence[Problem]:
    """Compare the values of one image of a map with its unit."""
    for session in sessions:
        if not {spec.name, TISSUE} <= session.volumes.keys():
            continue
        try:
            voxels = np.flatnonzero(read_mask(session.volumes[TISSUE]))
            values = gather(session.volumes[spec.name], voxels)
        except ImageError:
            continue  # a damaged map: the next session's will do
        valid = np.isfinite(values) & (values != spec.missing)
        unit = map_unit(spec.name, {spec.name: spec.unit})
        name = session.volumes[spec.name].name
        error = unit.contradiction(name, values[valid] * unit.factor, tissue=True)
        return [] if error is None else [_relative(study, item) for item in error.problems]
    return []
