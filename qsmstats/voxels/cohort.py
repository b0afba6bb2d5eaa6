"""Every participant and session of a study, on one machine or many, resumed where it stopped.

This module turns a study folder into jobs (`qsmstats.voxels.sessions`), runs them
(`qsmstats.voxels.executors`) and, where an output folder is given, keeps their results
(`qsmstats.voxels.session_store`). The rows come in the order of the sessions table, whichever
session finished first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from qsmstats.display import Displayed
from qsmstats.errors import (
    ImageError,
    InvalidDataError,
    Problem,
    UsageError,
    did_you_mean,
    nearest,
)
from qsmstats.progress import Progress
from qsmstats.study import Study
from qsmstats.tables.between_tables import controls
from qsmstats.tables.read import StudyTables
from qsmstats.voxels.executors import early_end, run_jobs
from qsmstats.voxels.feature_table import read_features
from qsmstats.voxels.labels import LabelFiles, TissueFile, labels_of
from qsmstats.voxels.lesion_rows import read_tables
from qsmstats.voxels.measuring import SessionMeasurer, measure_session
from qsmstats.voxels.session_store import FeatureStore
from qsmstats.voxels.sessions import Failure, SessionJob, SessionResult, session_failure

__all__ = ["Extraction", "collect_cohort", "extract_cohort", "label_images", "session_jobs"]

MASK = "white_matter"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Extraction(Displayed):
    """Features of a cohort, and the sessions without.

    Attributes
    ----------
    features
        One row per participant, session, region and map; columns as in
        data_schemas/features.schema.json.
    failures
        participant_id, session_id, file, reason: one row per session that could not be measured.
    inputs
        Name -> sha256 of each image that was read, where an output folder keeps them.
    """

    features: pd.DataFrame
    failures: pd.DataFrame
    inputs: Mapping[str, str] = field(default_factory=dict)


def extract_cohort(
    study: Study,
    *,
    jobs: int = 1,
    client: Any = None,
    participants: Sequence[str] | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
    tables: StudyTables | None = None,
) -> Extraction:
    """Measure every session of a study.

    Parameters
    ----------
    study
        The study folder.
    jobs
        Processes to use on this machine. With more than one, a script must keep its calls below
        ``if __name__ == "__main__":``, because each process imports it.
    client
        A `distributed.Client`, or any executor of `concurrent.futures`, to use instead. Its
        workers must see the study folder under the same path.
    participants
        Identifiers of the participants to measure, with or without ``sub-``; by default all.
    out
        Output folder. Sessions whose result is in it already, of the same inputs, configuration
        and version, are read from it; the others are measured and written to it.
    progress
        Called with (done, total).
    tables
        The study's tables, where they have been read already.

    Raises
    ------
    UsageError
        If a participant is not in the study, or `jobs` is less than 1.
    InvalidDataError
        If the tables are not valid. What is wrong with an image is a row of `failures`.

    Examples
    --------
    >>> measured = qs.extract_cohort(qs.open_study("demo/study"))
    >>> list(measured.features.columns[:5])
    ['participant_id', 'session_id', 'region', 'label', 'map']
    """
    if jobs < 1:
        message = f"jobs is {jobs}; at least one process is needed, as in jobs=1"
        raise UsageError(message)
    todo = session_jobs(study, tables or read_tables(study))
    if participants is not None:
        known = {job.participant_id for job in todo}
        wanted = {name if name in known else f"sub-{name}" for name in participants}
        if unknown := sorted(wanted - known):
            hint = did_you_mean(nearest(unknown[0], known))
            hint = hint or f"; choose from {', '.join(sorted(known))}"
            message = f"'{unknown[0]}' is not a participant with images to measure{hint}"
            raise UsageError(message)
        todo = [job for job in todo if job.participant_id in wanted]
    call: Callable[[SessionJob], SessionResult] = partial(measure_session, study.name_of)
    if out is not None:
        call = SessionMeasurer.of(study, Path(out)).measure
    # Not pure: a session whose worker died is run again, and must not get its old failure back.
    executor: Executor | None = (
        client.get_executor(pure=False) if hasattr(client, "get_executor") else client
    )
    results: list[SessionResult | None] = [None] * len(todo)
    for done, (number, result) in enumerate(
        run_jobs(call, todo, workers=jobs, executor=executor), start=1
    ):
        if isinstance(result, Exception):
            result = session_failure(todo[number], "", early_end(result))
        results[number] = result
        if progress is not None:
            progress(done, len(todo))
    return _join([result for result in results if result is not None])


def collect_cohort(study: Study, out: Path, *, tables: StudyTables | None = None) -> Extraction:
    """Read what `extract_cohort` has written to an output folder, in one run or in several.

    A session without a result, or with the result of another version or configuration, is a row of
    `failures`. Input files are not read again to see whether they have changed.
    """
    store = FeatureStore(Path(out), study.name_of)
    store.sweep()
    failures: list[Failure] = []
    inputs: dict[str, str] = {}

    def measured() -> Iterator[bytes]:
        for job in session_jobs(study, tables or read_tables(study)):
            stored = store.stored(job)
            if stored is not None:
                inputs.update(stored.inputs)
            if stored is not None and stored.table is not None:
                yield stored.table
                continue
            name = job.participant_id.removeprefix("sub-")
            reason = (
                "has not been measured with this version and configuration; run "
                f"`participant --participant-label {name}` first"
            )
            failure = stored.failure if stored else session_failure(job, "", reason).failure
            failures.extend([failure] if failure else [])

    # One table is made of all: as many as sessions would cost more to put together than to read.
    features = read_features(measured())
    return Extraction(features=features, failures=_failure_table(failures), inputs=inputs)


def session_jobs(study: Study, tables: StudyTables) -> list[SessionJob]:
    """Return one job per session, in the order of the sessions table.

    A session without lesions in the table needs no label image; one that has no mask either has
    nothing to measure, and no job.

    Raises
    ------
    InvalidDataError
        If study.toml names masks and none of them is that of white matter, or if images lie
        outside the study folder, which it does not allow.
    """
    mask = study.tissue.get(MASK)
    if study.tissue and mask is None:
        named = ", ".join(study.tissue)
        problem = f"names {named}; the white-matter mask must be called '{MASK}'"
        raise InvalidDataError([Problem(table="study.toml", column="tissue", problem=problem)])
    visits = _visits(tables.sessions)
    if problems := _outside(study, visits):
        raise InvalidDataError(problems)
    labels = label_images(study, tables)
    of_participant: dict[str, list[_Visit]] = {}
    for visit in labels:
        of_participant.setdefault(visit[0], []).append(visit)
    units = {spec.name: spec.unit for spec in study.maps}
    missing = {spec.name: float(spec.missing) for spec in study.maps if spec.missing is not None}
    plausible = {
        name: (schema.low, schema.high)
        for name, schema in study.schemas.own_maps.items()
        if schema.has_range
    }
    volumes = {spec.name: spec.volume for spec in study.maps if spec.volume is not None}

    def image(pattern: str, visit: _Visit) -> Path:
        return study.folder / pattern.format(participant=visit[0], session=visit[1])

    jobs = [
        SessionJob(
            participant_id=visit[0],
            session_id=visit[1],
            maps={spec.name: image(spec.pattern, visit) for spec in study.maps},
            units=units,
            missing=missing,
            plausible=plausible,
            volumes=volumes,
            labels=labels.get(visit),
            tissue=None if mask is None else TissueFile(file=image(mask.pattern, visit), spec=mask),
            other_labels=tuple(
                labels[other] for other in of_participant.get(visit[0], ()) if other != visit
            ),
            settings=study.features,
        )
        for visit in visits
    ]
    return [job for job in jobs if job.labels is not None or job.tissue is not None]


_Visit = tuple[str, str]


def _visits(table: pd.DataFrame) -> list[_Visit]:
    return list(zip(table["participant_id"].tolist(), table["session_id"].tolist(), strict=True))


def _outside(study: Study, visits: Sequence[_Visit]) -> list[Problem]:
    """Return one problem per pattern by which images lie outside the study folder."""
    names = {
        where: [pattern.format(participant=who, session=session) for who, session in visits]
        for where, pattern in study.patterns.items()
        if where != "labels.pattern"
    }
    of_labels = [name for visit in visits for name in study.label_files(*visit).values()]
    names = {"labels.pattern": of_labels, **names}
    outside = study.all_outside(chain.from_iterable(names.values()))
    problems = []
    for where, of_pattern in names.items():
        if found := [outside[name] for name in of_pattern if name in outside]:
            more = f" ({len(found)} files of {where})"
            problems.append(replace(found[0], problem=found[0].problem + more))
    return problems


def label_images(study: Study, tables: StudyTables) -> dict[_Visit, LabelFiles]:
    """Return the label images of each session that has some, or must have one for its lesions.

    Where no table lists the lesions, every session of a patient must have its label image, as long
    as one image holds all lesions; of files for each lesion type or lesion, none may be there.

    Raises
    ------
    InvalidDataError
        As `labels_of`, with the problems of all sessions.
    """
    needed = set(_visits(tables.lesions))
    if "lesions" not in study.tables:
        without = controls(tables.participants)
        needed |= {visit for visit in _visits(tables.sessions) if visit[0] not in without}
    found: dict[_Visit, LabelFiles] = {}
    problems: list[Problem] = []
    for visit in _visits(tables.sessions):
        try:
            labels = labels_of(study, *visit)
        except ImageError as error:
            problems += error.problems
            continue
        if any(path.exists() for path in labels.paths) or (labels.files and visit in needed):
            found[visit] = labels
    if problems:
        raise InvalidDataError(problems)
    return found


def _join(results: Sequence[SessionResult]) -> Extraction:
    tables = [result.features for result in results if result.features is not None]
    return Extraction(
        features=pd.concat(tables, ignore_index=True) if tables else read_features([]),
        failures=_failure_table(
            [result.failure for result in results if result.failure is not None]
        ),
        inputs={name: sha for result in results for name, sha in result.inputs.items()},
    )


def _failure_table(failures: Sequence[Failure]) -> pd.DataFrame:
    columns = [field.name for field in fields(Failure)]
    return pd.DataFrame([asdict(item) for item in failures], columns=columns, dtype="str")
