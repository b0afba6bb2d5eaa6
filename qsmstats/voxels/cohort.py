"""Every participant and session of a study, on one machine or many, and again where it stopped.

Only this module of the room knows what a study folder is. It turns the folder into jobs
(`qsmstats.voxels.sessions`), runs them (`qsmstats.voxels.executors`) and, where an output folder
is given, keeps their results (`qsmstats.voxels.session_store`). The rows come in the order of the
sessions table, whoever finished first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from qsmstats.errors import InvalidDataError, Problem, UsageError, did_you_mean, nearest
from qsmstats.progress import Progress
from qsmstats.study import Study
from qsmstats.tables.read import StudyTables, read_tables
from qsmstats.voxels.executors import early_end, run_jobs
from qsmstats.voxels.feature_table import feature_types
from qsmstats.voxels.session_store import FeatureStore
from qsmstats.voxels.sessions import (
    Failure,
    SessionJob,
    SessionResult,
    extract_session,
    session_failure,
)

__all__ = ["Extraction", "collect_cohort", "extract_cohort", "label_images", "session_jobs"]

MASK = "white_matter"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Extraction:
    """Features of a cohort, and the sessions that have none.

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
    """
    if jobs < 1:
        message = f"jobs is {jobs}; at least one process is needed, as jobs=1"
        raise UsageError(message)
    todo = _chosen(session_jobs(study, tables or read_tables(study)), participants)
    call: Callable[[SessionJob], SessionResult] = partial(_extract, study.name_of)
    if out is not None:
        call = partial(_extract_or_read, FeatureStore(Path(out), study.name_of), study.name_of)
    # Not pure: a session whose worker died is run again, and must not be given its old failure.
    executor: Executor | None = (
        client.get_executor(pure=False) if hasattr(client, "get_executor") else client
    )
    results: list[SessionResult | None] = [None] * len(todo)
    for done, (number, result) in enumerate(
        run_jobs(call, todo, workers=jobs, executor=executor), start=1
    ):
        results[number] = _or_failure(todo[number], result)
        if progress is not None:
            progress(done, len(todo))
    return _join([result for result in results if result is not None])


def collect_cohort(study: Study, out: Path, *, tables: StudyTables | None = None) -> Extraction:
    """Read what `extract_cohort` has written to an output folder, one participant at a time or all.

    A session without a result, or with the result of another version or configuration, is a row of
    `failures`. Input files are not read again to see whether they have changed.
    """
    store = FeatureStore(Path(out), study.name_of)
    store.sweep()
    results = []
    for job in session_jobs(study, tables or read_tables(study)):
        result = store.read(job)
        if result is None:
            reason = (
                "has not been measured with this version and configuration; run "
                f"`participant --participant-label {job.participant_id.removeprefix('sub-')}` first"
            )
            result = session_failure(job, "", reason)
        results.append(result)
    return _join(results)


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
    _require_known_mask(study)
    _require_inside(study, _visits(tables.sessions))
    labels = label_images(study, tables)
    jobs = (_job(study, visit, labels) for visit in _visits(tables.sessions))
    return [job for job in jobs if job.labels is not None or job.tissue is not None]


_Visit = tuple[str, str]


def _visits(table: pd.DataFrame) -> list[_Visit]:
    return list(zip(table["participant_id"], table["session_id"], strict=True))


def label_images(study: Study, tables: StudyTables) -> dict[_Visit, Path]:
    """Return the label image of each session that has one, or must have one for its lesions."""
    with_lesions = set(_visits(tables.lesions))
    paths = {visit: study.image(study.labels, *visit) for visit in _visits(tables.sessions)}
    return {visit: path for visit, path in paths.items() if visit in with_lesions or path.exists()}


def _job(study: Study, visit: _Visit, labels: Mapping[_Visit, Path]) -> SessionJob:
    mask = study.tissue.get(MASK)
    return SessionJob(
        participant_id=visit[0],
        session_id=visit[1],
        maps={spec.name: study.image(spec.pattern, *visit) for spec in study.maps},
        units={spec.name: spec.unit for spec in study.maps},
        missing={spec.name: float(spec.missing) for spec in study.maps if spec.missing is not None},
        labels=labels.get(visit),
        tissue=None if mask is None else study.image(mask, *visit),
        other_labels=tuple(
            path for other, path in labels.items() if other[0] == visit[0] and other != visit
        ),
        settings=study.features,
    )


def _require_known_mask(study: Study) -> None:
    if study.tissue and MASK not in study.tissue:
        named = ", ".join(study.tissue)
        problem = f"names {named}; the mask that is used is called '{MASK}'"
        raise InvalidDataError([Problem(table="study.toml", column="tissue", problem=problem)])


def _require_inside(study: Study, visits: Sequence[_Visit]) -> None:
    """Raise if an image leads out of the study folder; one problem per pattern says it."""
    problems = []
    for where, pattern in study.patterns.items():
        names = (pattern.format(participant=who, session=session) for who, session in visits)
        found = [problem for problem in map(study.outside, names) if problem]
        if found:
            more = f" ({len(found)} files of {where})"
            problems.append(replace(found[0], problem=found[0].problem + more))
    if problems:
        raise InvalidDataError(problems)


def _chosen(jobs: list[SessionJob], participants: Sequence[str] | None) -> list[SessionJob]:
    if participants is None:
        return jobs
    known = {job.participant_id for job in jobs}
    wanted = {name if name in known else f"sub-{name}" for name in participants}
    unknown = sorted(wanted - known)
    if unknown:
        hint = did_you_mean(nearest(unknown[0], known))
        also = f"; name some of {', '.join(sorted(known))}"
        message = f"'{unknown[0]}' is no participant with images to measure{hint or also}"
        raise UsageError(message)
    return [job for job in jobs if job.participant_id in wanted]


def _extract(name_of: Callable[[Path], str], job: SessionJob) -> SessionResult:
    """Measure a session; a failure calls files by their names, and no path of this machine."""
    result = extract_session(job)
    if result.failure is None:
        return result
    reason = result.failure.reason
    for path in job.inputs:
        reason = reason.replace(str(path), name_of(path))
    file = result.failure.file and name_of(Path(result.failure.file))
    return SessionResult(failure=replace(result.failure, file=file, reason=reason))


def _extract_or_read(
    store: FeatureStore, name_of: Callable[[Path], str], job: SessionJob
) -> SessionResult:
    """Return the stored result of a session, or measure it and store the result.

    A failure is tried again: what was wrong may have been the network's fault, not the file's.
    The sums are those of what was measured: files that change meanwhile make a failure.
    """
    inputs = store.input_sums(job)
    stored = store.read(job, inputs)
    if stored is not None and stored.failure is None:
        return stored
    result = _extract(name_of, job)
    after = store.input_sums(job)
    changed = [name for name in inputs if inputs[name] != after[name]]
    if changed:
        reason = "was changed while it was measured; leave it alone and measure the session again"
        result = session_failure(job, changed[0], reason)
    store.write(job, result, inputs)
    return store.read(job, inputs) or session_failure(job, "", "its result could not be read back")


def _or_failure(job: SessionJob, result: SessionResult | Exception) -> SessionResult:
    if isinstance(result, SessionResult):
        return result
    return session_failure(job, "", early_end(result))


def _join(results: Sequence[SessionResult]) -> Extraction:
    tables = [result.features for result in results if result.features is not None]
    types = feature_types()
    empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})
    failures = [result.failure for result in results if result.failure is not None]
    columns = [field.name for field in fields(Failure)]
    return Extraction(
        features=pd.concat(tables, ignore_index=True) if tables else empty,
        failures=pd.DataFrame([asdict(item) for item in failures], columns=columns, dtype="str"),
        inputs={name: sha for result in results for name, sha in result.inputs.items()},
    )
