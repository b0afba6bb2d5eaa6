"""The images of a session as `check` reads them, and what is wrong with each.

`read_sessions` reads every image to its last byte, with the functions that measure a session
(`read_lesions`, `read_tissue`, `read_map`), so that it finds what measuring would refuse.

`read_before_measuring` is for `run`, which measures right afterwards: that reads every image, and
excludes only the sessions that cannot be measured. Before that it needs only what must be corrected
first: the label images, of each map the images of one session to check the unit, and masks until
every label that study.toml names has been seen. Of the others it compares the size that the last
bytes of a compressed file declare (RFC 1952, section 2.3.1: ISIZE), which shows truncated files.
The session whose maps are judged is measured then and there, so that its images are inflated once;
one that has been measured before has been judged.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from qsmstats.arrays import Integers
from qsmstats.errors import ImageError, Problem
from qsmstats.progress import Progress
from qsmstats.voxels.executors import early_end, run_jobs
from qsmstats.voxels.images import Volume, open_volume, require_same_grid
from qsmstats.voxels.label_store import LabelStore
from qsmstats.voxels.labels import ReadTissue, read_lesions, read_tissue
from qsmstats.voxels.maps import read_map
from qsmstats.voxels.measuring import SessionMeasurer
from qsmstats.voxels.memory import MORE_MEMORY
from qsmstats.voxels.sessions import SessionJob, SessionResult
from qsmstats.voxels.stream import gather
from qsmstats.voxels.units import UnitError, map_unit

__all__ = [
    "LABELS",
    "WHITE_MATTER",
    "SessionImages",
    "image_paths",
    "occur",
    "read_before_measuring",
    "read_sessions",
    "section_of",
]

LABELS, TISSUE = "labels", "tissue"
WHITE_MATTER = "tissue.white_matter"
NO_VOXEL = np.empty(0, dtype=np.int64)


@dataclass(slots=True, kw_only=True, eq=False)
class SessionImages:
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
    parcels
        Labels of the parcellation; None where there is none or it cannot be read.
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
    parcels: Integers | None = None
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


def read_sessions(
    jobs: Sequence[SessionJob],
    maps: Sequence[str],
    kept: LabelStore | None,
    workers: int,
    progress: Progress | None,
) -> list[SessionImages]:
    """Read every image of the sessions to its end, in `workers` processes."""
    sessions = [SessionImages(job=job) for job in jobs]
    read = run_jobs(partial(_read_session, maps=maps, kept=kept, mask=True), jobs, workers=workers)
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


def read_before_measuring(
    jobs: Sequence[SessionJob],
    maps: Sequence[str],
    kept: LabelStore | None,
    measurer: SessionMeasurer | None,
    progress: Progress | None,
) -> Iterator[SessionImages]:
    """Read what must be known of the sessions before they are measured."""
    left = set(maps)
    unseen = {parcels for job in jobs if job.tissue for parcels in job.tissue.spec.labels}
    for done, job in enumerate(jobs, start=1):
        measure = None
        if left and measurer is not None:
            sums = measurer.store.input_sums(job)
            if measurer.known(job, sums):
                left = set()
            elif measurer.anew:
                measure = partial(measurer.measure, job, sums)
        session = _read_session(job, left, kept, mask=bool(left or unseen), measure=measure)
        left -= session.units.keys()
        if session.parcels is not None:
            unseen = {parcels for parcels in unseen if not occur(parcels, session.parcels)}
        yield session
        if progress is not None:
            progress(done, len(jobs))


def _read_session(
    job: SessionJob,
    maps: Collection[str],
    kept: LabelStore | None,
    *,
    mask: bool,
    measure: Callable[[ReadTissue | None], SessionResult] | None = None,
) -> SessionImages:
    """Read the headers of a session, its labels, some maps, and the mask that they need."""
    session = SessionImages(job=job)
    for role, path in image_paths(job).items():
        if not path.is_file():
            session.missing[role] = path
            continue
        with session.noted(path):
            volume = open_volume(path, role, _volume_number(job, role))
            require_same_grid(next(iter(session.volumes.values()), volume), volume)
            session.volumes[role] = volume
    measured, tissue = _measured_voxels(session, kept, needed=mask)
    sound = not session.missing and not session.problems
    # Where it cannot be measured, the reading below tells all that is wrong.
    if sound and measure is not None and measure(tissue).failure is None:
        session.units = dict.fromkeys(job.maps)
        return session
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
            white = job.tissue is not None
            try:
                read_map(volume, measured, None, unit=unit, missing=missing, tissue=white)
                session.units[name] = None
            except UnitError as error:
                session.units[name] = error.problems[0]
    return session


def _measured_voxels(
    session: SessionImages, kept: LabelStore | None, *, needed: bool
) -> tuple[Integers | None, ReadTissue | None]:
    """Read labels and mask.

    Returns
    -------
    tuple
        The voxels of white matter, or of lesions without a mask; and the mask.
    """
    voxels: Integers | None = None
    tissue = None
    job = session.job
    labels = [
        session.volumes[role]
        for role in image_paths(job)
        if _is_label(role) and role in session.volumes
    ]
    if job.labels is not None and len(labels) == len(job.labels.files):
        with session.noted(labels[0].path):
            source = job.labels if kept is None else kept.read(job.labels)
            found = read_lesions(source, labels)
            session.labels = set(map(int, np.unique(found.label)))
            if found.left_out is not None:
                mm3 = float(found.left_out.sum()) * labels[0].grid.voxel_volume
                session.left_out = (len(found.left_out), mm3)
            voxels = found.index if job.tissue is None else None
    mask = session.volumes.get(TISSUE)
    if mask is not None and job.tissue is not None:
        with session.noted(mask.path):
            if needed:
                inside, session.parcels = read_tissue(job.tissue, mask)
                tissue = ReadTissue(volume=mask, mask=inside, there=session.parcels)
                voxels = np.flatnonzero(inside)
            else:
                _check_size(mask)
    return voxels, tissue


def image_paths(job: SessionJob) -> dict[str, Path]:
    """Return role -> path of each image; the roles of further label images count on."""
    labels = () if job.labels is None else job.labels.paths
    tissue = () if job.tissue is None else job.tissue.paths
    roles = {LABELS if n == 0 else f"{LABELS} {n}": path for n, path in enumerate(labels)}
    return roles | dict(zip([TISSUE], tissue, strict=False)) | dict(job.maps)


def occur(parcels: tuple[int, int], there: Integers) -> bool:
    """Tell whether a parcellation has a label of a range, from the labels that it has."""
    return bool(((parcels[0] <= there) & (there <= parcels[1])).any())


def section_of(role: str) -> str:
    """Return the place in study.toml that describes an image."""
    if _is_label(role):
        return "labels"
    return WHITE_MATTER if role == TISSUE else f"maps.{role}"


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
