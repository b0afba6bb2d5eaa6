"""What is wrong with the images of a study.

Every image that study.toml declares for a session must exist and lie on the grid of its session,
no two maps may be one image (`qsmstats.checks.copies`), and what study.toml says of images must be
true of some of them. `qsmstats.checks.session_images` reads them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qsmstats.checks.copies import copied_maps
from qsmstats.checks.labels import LabelRows
from qsmstats.checks.session_images import (
    LABELS,
    WHITE_MATTER,
    SessionImages,
    image_paths,
    occur,
    read_before_measuring,
    read_sessions,
    section_of,
)
from qsmstats.checks.sidecars import Sidecars, unit_problems
from qsmstats.errors import ImageError, Problem, plural
from qsmstats.progress import Progress
from qsmstats.schemas import parcel_words
from qsmstats.study import Study
from qsmstats.voxels.images import Volume, require_same_grid
from qsmstats.voxels.label_store import LabelStore
from qsmstats.voxels.measuring import SessionMeasurer
from qsmstats.voxels.sessions import SessionJob

__all__ = ["Finding", "check_images"]

SHOWN = 3
"""Sessions that a note names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem, and whether it makes the study `invalid` or an image `unreadable`."""

    problem: Problem
    kind: str = "invalid"


def check_images(
    study: Study,
    jobs: Sequence[SessionJob],
    rows: LabelRows,
    *,
    whole: bool = True,
    everyone: bool = True,
    kept: LabelStore | None = None,
    measurer: SessionMeasurer | None = None,
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
    everyone
        Whether `jobs` are all those of the study, which show what none of its images holds.
    kept
        Where the lesions go that are read here, for others who need them.
    measurer
        Without `whole`: what measures the session whose maps are judged; by default its maps are
        read.
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
        sessions = read_sessions(jobs, maps, kept, workers, progress)
    else:
        sessions = list(read_before_measuring(jobs, maps, kept, measurer, progress))
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
    if everyone:
        findings += _unused_volumes(study, sessions)
        findings += _absent_parcels(study, sessions)
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
    return _with_patterns(study, jobs, findings, everyone=everyone)


def _with_patterns(
    study: Study, jobs: Sequence[SessionJob], findings: Sequence[Finding], *, everyone: bool
) -> list[Finding]:
    """Add to each problem of an image the pattern that it follows and its participant.

    Where none of the images of a pattern can be used, no session can be measured: the study is
    invalid.
    """
    known = {
        study.name_of(path): (study.patterns[_pattern_place(role)], job.participant_id)
        for job in jobs
        for role, path in image_paths(job).items()
    }
    unreadable = {item.problem.table for item in findings if item.kind == "unreadable"}
    usable = {files for name, (files, _) in known.items() if name not in unreadable}
    return [
        replace(
            item,
            problem=replace(item.problem, files=files, participant=participant),
            kind="invalid" if everyone and files and files not in usable else item.kind,
        )
        for item in findings
        for files, participant in [known.get(item.problem.table, (None, None))]
    ]


def _pattern_place(role: str) -> str:
    """Return the place of an image's pattern in `Study.patterns`."""
    section = section_of(role)
    return section if section.startswith("tissue.") else f"{section}.pattern"


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
    study: Study, sessions: Sequence[SessionImages], controls: Collection[str]
) -> Iterator[Finding]:
    """Note the components that are too small, and the patients' sessions without a label file."""
    some = [session.left_out for session in sessions if session.left_out[0]]
    if some:
        count, mm3 = sum(number for number, _ in some), sum(volume for _, volume in some)
        text = (
            f"leaves out {count} {plural('component', count)} of less than "
            f"{study.labels.min_mm3:g} mm³, in {len(some)} of {len(sessions)} sessions, {mm3:.4g} "
            "mm³ in all; lower it if they are lesions"
        )
        problem = Problem(table="study.toml", column="labels.min_mm3", problem=text)
        yield Finding(problem=problem, kind="note")
    jobs = [one.job for one in sessions if one.job.participant_id not in controls]
    bare = [f"{job.participant_id} {job.session_id}" for job in jobs if job.labels is None]
    if study.labels.each and bare:
        text = (
            f"gives no file for {len(bare)} of {len(jobs)} sessions of patients ({_some(bare)}), "
            "which count as free of lesions; add the files if they have some"
        )
        problem = Problem(table="study.toml", column="labels.pattern", problem=text)
        yield Finding(problem=problem, kind="note")


def _unused_volumes(study: Study, sessions: Sequence[SessionImages]) -> Iterator[Finding]:
    """Yield each `volume` of study.toml of which every image is a single volume."""
    declared = {"labels": study.labels.volume}
    declared |= {f"tissue.{name}": spec.volume for name, spec in study.tissue.items()}
    declared |= {f"maps.{spec.name}": spec.volume for spec in study.maps}
    found: dict[str, list[int]] = {}
    for session in sessions:
        for role, volume in session.volumes.items():
            found.setdefault(section_of(role), []).append(volume.volumes)
    for section, numbers in found.items():
        if declared.get(section) is not None and max(numbers) == 1:
            text = f"does nothing: each of the {len(numbers)} images is a single volume; remove it"
            problem = Problem(table="study.toml", column=f"{section}.volume", problem=text)
            yield Finding(problem=problem)


def _absent_parcels(study: Study, sessions: Sequence[SessionImages]) -> Iterator[Finding]:
    """Yield the labels of a parcellation that no image has; note those that some lack."""
    read = [(session.job, session.parcels) for session in sessions if session.parcels is not None]
    for parcels in study.tissue["white_matter"].labels if read else ():
        lacking = [job for job, there in read if not occur(parcels, there)]
        there = np.unique(np.concatenate([labels for _, labels in read])).tolist()
        held = parcel_words([(number, number) for number in there])
        where = _some([f"{job.participant_id} {job.session_id}" for job in lacking])
        none = len(lacking) == len(read)
        text = f"label {parcel_words([parcels])} " + (
            f"occurs in none of the {len(read)} images, whose labels are {held}; correct or remove "
            "it"
            if none
            else f"is absent from {len(lacking)} of the {len(read)} images ({where}); check "
            "whether this part of the tissue is absent there too"
        )
        if lacking:
            problem = Problem(table="study.toml", column=f"{WHITE_MATTER}.labels", problem=text)
            yield Finding(problem=problem, kind="invalid" if none else "note")


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:SHOWN], *["..."] * (len(names) > SHOWN)])


def _grids_to_match(study: Study, sessions: Sequence[SessionImages]) -> Iterator[Finding]:
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


def _missing_files(study: Study, sessions: Sequence[SessionImages]) -> Iterator[Finding]:
    """Yield one problem per missing file, or per pattern where all its files are missing."""
    expected: dict[str, int] = {}
    missing: dict[str, list[Path]] = {}
    for session in sessions:
        for role in image_paths(session.job):
            expected[role] = expected.get(role, 0) + 1
        for role, path in session.missing.items():
            missing.setdefault(role, []).append(path)
    for role, absent in missing.items():
        names = [study.name_of(path) for path in absent]
        if len(absent) == expected[role] > 1:
            text = (
                f"none of {len(absent)} sessions has this file; correct the pattern, which gives "
                f"{names[0]} for the first"
            )
            yield Finding(
                problem=Problem(table="study.toml", column=_pattern_place(role), problem=text)
            )
            continue
        for name in names:
            found = "is not a file" if (study.folder / name).exists() else "no such file"
            text = f"{found}; copy it there, or correct the pattern in study.toml"
            yield Finding(problem=Problem(table=name, problem=text))
