"""What is wrong with the images of a study.

Every image that study.toml declares for a session must exist and lie on the grid of its session.
`check` reads every image to its last byte, with the functions that measure a session
(`read_lesions`, `read_tissue`, `read_map`), so that it finds what measuring would refuse.

`run` measures right afterwards, which reads every image, and excludes only the sessions that
cannot be measured; before that it needs only what must be corrected first. So it reads the label
images, and of each map the images of one session to check the unit. Of the others it compares the
size that the last bytes of a compressed file declare (RFC 1952, section 2.3.1: ISIZE), which shows
truncated files. These bytes also show maps with the same content (`qsmstats.checks.copies`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from qsmstats.arrays import Integers
from qsmstats.checks.copies import copied_maps
from qsmstats.checks.labels import LabelRows
from qsmstats.checks.sidecars import Sidecars, unit_problems
from qsmstats.errors import ImageError, Problem
from qsmstats.progress import Progress
from qsmstats.study import Study
from qsmstats.voxels.executors import early_end, run_jobs
from qsmstats.voxels.images import Volume, open_volume, require_same_grid
from qsmstats.voxels.labels import read_lesions, read_tissue
from qsmstats.voxels.maps import read_map
from qsmstats.voxels.memory import MORE_MEMORY
from qsmstats.voxels.sessions import SessionJob
from qsmstats.voxels.stream import gather
from qsmstats.voxels.units import UnitError, map_unit

__all__ = ["Finding", "check_images"]

LABELS, TISSUE = "labels", "tissue"
PLACES = {LABELS: "labels.pattern", TISSUE: "tissue.white_matter"}
"""Image -> where study.toml has its pattern; those of maps have the name of the map in it."""
NO_VOXEL = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem, and whether it makes the study `invalid` or an image `unreadable`."""

    problem: Problem
    kind: str = "invalid"


@dataclass(slots=True, kw_only=True, eq=False)
class _Session:
    """The images of one session, by role, as far as they have been read.

    Attributes
    ----------
    missing
        Paths at which there is no file.
    volumes
        Images whose header can be read and that lie on the session's grid.
    problems
        What is wrong with the others, and with the voxels.
    labels
        Labels of the label images; None where it has none or they cannot be read.
    left_out
        Number of components that are too small to be lesions, and their mm³.
    units
        Map whose values have been compared with its unit -> their contradiction, if there is one.
    """

    job: SessionJob
    missing: dict[str, Path] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    labels: set[int] | None = None
    left_out: tuple[int, float] = (0, 0.0)
    units: dict[str, Problem | None] = field(default_factory=dict)

    @contextmanager
    def noted(self, path: Path | None) -> Iterator[None]:
        """Record why an image cannot be used, and go on."""
        try:
            yield
        except ImageError as error:
            self.problems += error.problems
        except MemoryError:
            text = f"does not fit into memory; {MORE_MEMORY}"
            self.problems.append(Problem(table=str(path), problem=text))
        except OSError as error:
            text = f"cannot be read: {error.strerror or error}; copy it again"
            self.problems.append(Problem(table=str(path), problem=text))


def check_images(
    study: Study,
    jobs: Sequence[SessionJob],
    rows: LabelRows,
    *,
    whole: bool = True,
    workers: int = 1,
    progress: Progress | None = None,
) -> list[Finding]:
    """Check the images of a study.

    Parameters
    ----------
    study
        The study folder.
    jobs
        One per session, with the images to expect.
    rows
        What the lesions table says of their labels.
    whole
        Whether every image is read to its end; otherwise only what must be known before
        measuring.
    workers
        Processes to use with `whole`.
    progress
        Called with (done, total) sessions.

    Returns
    -------
    list of Finding
        Missing files first, then session by session, then units.
    """
    maps = [spec.name for spec in study.maps]
    if whole:
        sessions = _read_all(jobs, maps, workers, progress)
    else:
        sessions = list(_read_before_measuring(jobs, maps, progress))
    findings = list(_missing_files(study, sessions))
    masks = rows.masks([session.labels for session in sessions if session.labels])
    findings += [Finding(problem=problem) for problem in masks]
    for session in sessions:
        job = session.job
        findings += _unreadable(study, session.problems)
        # Of files for each lesion, reading the table has compared names with its rows.
        if session.labels is not None and study.labels.each != "lesion" and not masks:
            visit = (job.participant_id, job.session_id)
            compared = rows.compare(visit, session.labels, study.labels_name(*visit))
            findings += [Finding(problem=problem) for problem in compared]
    findings += _without_lesions(study, sessions, rows.controls)
    findings += _grids_to_match(study, sessions)
    there = [
        (name, session.volumes[name])
        for session in sessions
        for name in maps
        if name in session.volumes
    ]
    findings += [Finding(problem=problem) for problem in copied_maps(study, there)]
    sidecars = Sidecars(study)
    for spec in study.maps:
        images = [job.maps[spec.name] for job in jobs if spec.name in job.maps]
        declared = unit_problems(sidecars, spec, images)
        findings += [Finding(problem=problem) for problem in declared]
        if declared:
            continue  # values against a unit that the sidecars contradict: the same problem again
        found = [session.units[spec.name] for session in sessions if spec.name in session.units]
        if found and found[0] is not None:
            # The unit is wrong, and the other sessions would repeat the message.
            findings.append(Finding(problem=_relative(study, found[0])))
        else:
            findings += _unreadable(study, [problem for problem in found if problem is not None])
    return _with_patterns(study, jobs, findings)


def _with_patterns(
    study: Study, jobs: Sequence[SessionJob], findings: Sequence[Finding]
) -> list[Finding]:
    """Add to each problem of an image the pattern that it follows and its participant."""
    known = {
        study.name_of(path): (
            study.patterns.get(PLACES.get(role, f"maps.{role}.pattern")),
            job.participant_id,
        )
        for job in jobs
        for role, path in _paths(job).items()
    }
    return [
        replace(item, problem=replace(item.problem, files=files, participant=participant))
        for item in findings
        for files, participant in [known.get(item.problem.table, (None, None))]
    ]


def _read_all(
    jobs: Sequence[SessionJob], maps: Sequence[str], workers: int, progress: Progress | None
) -> list[_Session]:
    sessions = [_Session(job=job) for job in jobs]
    read = run_jobs(partial(_read_session, maps=maps), jobs, workers=workers)
    for done, (number, session) in enumerate(read, start=1):
        if isinstance(session, Exception):
            job = jobs[number]
            problem = Problem(table=str(job.inputs[0]), problem=f"not read: {early_end(session)}")
            sessions[number].problems.append(problem)
        else:
            sessions[number] = session
        if progress is not None:
            progress(done, len(jobs))
    return sessions


def _read_before_measuring(
    jobs: Sequence[SessionJob], maps: Sequence[str], progress: Progress | None
) -> Iterator[_Session]:
    left = set(maps)
    for done, job in enumerate(jobs, start=1):
        session = _read_session(job, left)
        left -= session.units.keys()
        yield session
        if progress is not None:
            progress(done, len(jobs))


def _read_session(job: SessionJob, maps: Collection[str]) -> _Session:
    """Read the headers of a session, its labels, and some maps with the mask that they need."""
    session = _Session(job=job)
    for role, path in _paths(job).items():
        if not path.is_file():
            session.missing[role] = path
            continue
        with session.noted(path):
            volume = open_volume(path, role, _volume_number(job, role))
            require_same_grid(next(iter(session.volumes.values()), volume), volume)
            session.volumes[role] = volume
    measured = _measured_voxels(session, needed=bool(maps))
    for name in (name for name in job.maps if name in session.volumes):
        with session.noted(job.maps[name]):
            volume = session.volumes[name]
            if name not in maps:
                _check_size(volume)
                continue
            if measured is None:
                gather(volume, NO_VOXEL)
                continue
            # With voxels to measure, its values are compared with its unit.
            unit, missing = map_unit(name, job.units, job.plausible), job.missing.get(name)
            tissue = job.tissue is not None
            try:
                read_map(volume, measured, None, unit=unit, missing=missing, tissue=tissue)
                session.units[name] = None
            except UnitError as error:
                session.units[name] = error.problems[0]
    return session


def _measured_voxels(session: _Session, *, needed: bool) -> Integers | None:
    """Read labels and mask; return the voxels of white matter, or of lesions without a mask."""
    voxels: Integers | None = None
    job = session.job
    labels = [
        session.volumes[role] for role in _paths(job) if _is_label(role) and role in session.volumes
    ]
    if job.labels is not None and len(labels) == len(job.labels.files):
        with session.noted(labels[0].path):
            found = read_lesions(job.labels, labels)
            session.labels = set(map(int, np.unique(found.label)))
            if found.left_out is not None:
                mm3 = float(found.left_out.sum()) * labels[0].grid.voxel_volume
                session.left_out = (len(found.left_out), mm3)
            voxels = found.index if job.tissue is None else None
    mask = session.volumes.get(TISSUE)
    if mask is not None and job.tissue is not None:
        with session.noted(mask.path):
            if needed:
                voxels = np.flatnonzero(read_tissue(job.tissue, mask))
            else:
                _check_size(mask)
    return voxels


def _paths(job: SessionJob) -> dict[str, Path]:
    """Return role -> path of each image; the roles of further label images count on."""
    labels = () if job.labels is None else job.labels.paths
    tissue = () if job.tissue is None else job.tissue.paths
    roles = {LABELS if n == 0 else f"{LABELS} {n}": path for n, path in enumerate(labels)}
    return roles | dict(zip([TISSUE], tissue, strict=False)) | dict(job.maps)


def _is_label(role: str) -> bool:
    return role.partition(" ")[0] == LABELS


def _volume_number(job: SessionJob, role: str) -> int | None:
    if _is_label(role) and job.labels is not None:
        return job.labels.spec.volume
    if role == TISSUE and job.tissue is not None:
        return job.tissue.spec.volume
    return job.volumes.get(role)


def _check_size(volume: Volume) -> None:
    """Raise if the file is shorter or longer than its header says."""
    path = volume.path
    if path is None:
        return
    least, most = volume.behind
    expected = volume.offset + volume.grid.size * volume.dtype.itemsize + least
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(-4, 2)
        declared = int.from_bytes(file.read(4), "little")
    # A file of several gzip members declares the size of the last one only: it is read whole.
    if not compressed or least != most or declared != expected % 2**32:
        gather(volume, NO_VOXEL)


def _unreadable(study: Study, problems: Sequence[Problem]) -> list[Finding]:
    return [Finding(problem=_relative(study, one), kind="unreadable") for one in problems]


def _relative(study: Study, problem: Problem) -> Problem:
    """Name files relative to the study folder, as tables are named."""
    top = f"{study.folder}/"
    return replace(
        problem,
        table=study.name_of(Path(problem.table)),
        problem=problem.problem.replace(top, ""),
    )


def _without_lesions(
    study: Study, sessions: Sequence[_Session], controls: Collection[str]
) -> Iterator[Finding]:
    """Note the components that are too small, and the patients' sessions without a label file."""
    some = [session.left_out for session in sessions if session.left_out[0]]
    if some:
        count, mm3 = sum(number for number, _ in some), sum(volume for _, volume in some)
        text = (
            f"components left out as smaller than {study.labels.min_mm3:g} mm³: {count}, in "
            f"{len(some)} of {len(sessions)} sessions, {mm3:.4g} mm³ in all; set another floor if "
            "they are lesions"
        )
        problem = Problem(table="study.toml", column="labels.min_mm3", problem=text)
        yield Finding(problem=problem, kind="note")
    jobs = [one.job for one in sessions if one.job.participant_id not in controls]
    bare = [f"{job.participant_id} {job.session_id}" for job in jobs if job.labels is None]
    if study.labels.each and bare:
        named = ", ".join(bare[:3]) + (", ..." if len(bare) > 3 else "")
        text = (
            f"gives no file for {len(bare)} of {len(jobs)} sessions of patients ({named}), which "
            "count as free of lesions; add the files if they have some"
        )
        problem = Problem(table="study.toml", column="labels.pattern", problem=text)
        yield Finding(problem=problem, kind="note")


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
    missing: dict[str, list[Path]] = {}
    for session in sessions:
        for role in _paths(session.job):
            expected[role] = expected.get(role, 0) + 1
        for role, path in session.missing.items():
            missing.setdefault(role, []).append(path)
    for role, absent in missing.items():
        names = [study.name_of(path) for path in absent]
        if len(absent) == expected[role] > 1:
            where = {LABELS: "labels.pattern", TISSUE: "tissue"}.get(role, f"maps.{role}.pattern")
            text = (
                f"none of {len(absent)} sessions has this file; correct the pattern, which gives "
                f"{names[0]} for the first"
            )
            yield Finding(problem=Problem(table="study.toml", column=where, problem=text))
            continue
        for name in names:
            found = "is not a file" if (study.folder / name).exists() else "no such file"
            text = f"{found}; copy it there, or correct the pattern in study.toml"
            yield Finding(problem=Problem(table=name, problem=text))
