"""Everything that is wrong with a study folder, before anything is computed from it.

Joins what is wrong with the tables (`qsmstats.tables`), with the images (`qsmstats.checks.images`),
with the units that sidecars declare (`qsmstats.checks.sidecars`) and with the formulas of the
models (`qsmstats.checks.formulas`) and other settings (`qsmstats.checks.settings`). A problem is
`invalid` where the study has to be corrected first, and `unreadable` where an image cannot be used:
that excludes only its session. A `note` is not a problem (`qsmstats.checks.followup`). What follows
from a problem already listed is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from qsmstats.checks.followup import seen_once
from qsmstats.checks.formulas import formula_problems
from qsmstats.checks.images import Finding, check_images
from qsmstats.checks.labels import LabelRows
from qsmstats.checks.scanners import scanner_notes
from qsmstats.checks.settings import named_in_settings
from qsmstats.checks.sidecars import description_problems
from qsmstats.errors import InvalidDataError, Problem
from qsmstats.progress import Progress
from qsmstats.study import Study
from qsmstats.tables.problems import summarise
from qsmstats.tables.read import LoadedTables, StudyTables, load_tables, typed_tables
from qsmstats.voxels.cohort import session_jobs
from qsmstats.voxels.label_store import LabelStore
from qsmstats.voxels.lesion_rows import lesions_in_images
from qsmstats.voxels.measuring import SessionMeasurer

__all__ = ["check_study", "find_problems", "sound_tables"]

KEYS = {"sessions": ["participant_id", "session_id"], "lesions": LabelRows.columns}


def check_study(study: Study, *, jobs: int = 1, progress: Progress | None = None) -> pd.DataFrame:
    """List everything that is wrong with a study; every image is read to its last byte.

    Parameters
    ----------
    study
        As `open_study` returns it.
    jobs
        Processes to read images with. With more than one, a script must keep its calls below
        ``if __name__ == "__main__":``, because each process imports it.
    progress
        Called with (done, total) sessions.

    Returns
    -------
    DataFrame
        One row per problem: `table` (the file), `row` (of the file, the header being 1; or
        missing), `column`, `problem`, `kind` ("invalid", "unreadable", or "note": not wrong, but
        to be checked) and `message`, all of it in one line.

    Examples
    --------
    >>> qs.check_study(qs.open_study("demo/study")).columns.tolist()
    ['table', 'row', 'column', 'problem', 'kind', 'message']
    """
    found = find_problems(study, jobs=jobs, progress=progress)
    rows = [
        (one.table, one.row, one.column, one.problem, item.kind, str(one))
        for item in found
        for one in [item.problem]
    ]
    columns = ["table", "row", "column", "problem", "kind", "message"]
    types = {name: "Int64" if name == "row" else "str" for name in columns}
    return pd.DataFrame(rows, columns=columns).astype(types)


def find_problems(
    study: Study, *, jobs: int = 1, progress: Progress | None = None, whole: bool = True
) -> list[Finding]:
    """Return everything that is wrong with a study, as `check_study` lists it.

    Parameters
    ----------
    study, jobs, progress
        As for `check_study`.
    whole
        Whether every image is read to its end; otherwise what must be known before measuring.
    """
    with TemporaryDirectory() as folder:
        kept = LabelStore(Path(folder), study.name_of)
        loaded = load_tables(study, partial(lesions_in_images, kept=kept))
        images = partial(check_images, whole=whole, kept=kept, workers=jobs, progress=progress)
        return _findings(study, loaded, images)


def sound_tables(
    study: Study,
    *,
    participants: Sequence[str] | None = None,
    measurer: SessionMeasurer | None = None,
) -> tuple[StudyTables, list[Problem]]:
    """Check a study that is to be run, and return its tables and the notes on them.

    What is wrong with single images is found when they are measured (`qsmstats.checks.images`).

    Parameters
    ----------
    study
        As `open_study` returns it.
    participants
        Identifiers, with or without ``sub-``, of those whose images to check; by default all.
        Tables are checked whole.
    measurer
        What measures the sessions afterwards: what is read here is not read again there.

    Raises
    ------
    InvalidDataError
        With every problem that must be corrected before the study can be run.
    """
    kept = None if measurer is None else measurer.kept
    loaded = load_tables(study, partial(lesions_in_images, kept=kept))
    images = partial(check_images, whole=False, kept=kept, measurer=measurer)
    found = _findings(study, loaded, images, participants)
    problems = [item.problem for item in found if item.kind == "invalid"]
    if problems:
        raise InvalidDataError(problems)
    notes = [item.problem for item in found if item.kind == "note"]
    return typed_tables(study, loaded), notes


def _findings(
    study: Study,
    loaded: LoadedTables,
    images: Callable[..., list[Finding]],
    participants: Sequence[str] | None = None,
) -> list[Finding]:
    found = [Finding(problem=problem) for problem in summarise(loaded.problems)]
    found += _pattern_problems(study, loaded)
    found += [Finding(problem=problem) for problem in description_problems(study)]
    found += [Finding(problem=problem) for problem in formula_problems(study, loaded)]
    found += [Finding(problem=problem) for problem in named_in_settings(study, loaded)]
    text = "has no plausible range, so its values are not checked; add plausible = [low, high]"
    unchecked = [
        Problem(table="study.toml", column=f"maps.{name}", problem=text)
        for name, schema in study.schemas.own_maps.items()
        if not schema.has_range
    ]
    notes = [*loaded.notes, *seen_once(study, loaded), *scanner_notes(loaded), *unchecked]
    found += [Finding(problem=problem, kind="note") for problem in notes]
    # Only the images of rows whose session is known for certain are looked for.
    known = {}
    for name, key in KEYS.items():
        rows = loaded.frames.get(name, pd.DataFrame())
        whole = set(key) <= set(rows.columns)
        known[name] = rows.dropna(subset=key) if whole else pd.DataFrame(columns=key)
    people = loaded.frames.get("participants", pd.DataFrame())
    visits, rows = known["sessions"], known["lesions"]
    try:
        jobs = session_jobs(study, StudyTables(participants=people, sessions=visits, lesions=rows))
    except InvalidDataError as error:
        found += [Finding(problem=problem) for problem in error.problems]
        return found
    if participants is not None:
        chosen = {name.removeprefix("sub-") for name in participants}
        jobs = [job for job in jobs if job.participant_id.removeprefix("sub-") in chosen]
    return found + images(study, jobs, LabelRows.of(loaded), everyone=participants is None)


def _pattern_problems(study: Study, loaded: LoadedTables) -> list[Finding]:
    """Report patterns by which two sessions of a participant would read one image."""
    sessions = loaded.frames.get("sessions", pd.DataFrame())
    if "participant_id" not in sessions.columns:
        return []
    visits = sessions["participant_id"].value_counts(sort=False)
    several = visits.index[visits > 1]
    if not len(several):
        return []
    most = visits.iloc[visits.argmax()]
    text = f"does not contain {{session}}, but {several[0]} has {most} sessions; add it"
    return [
        Finding(problem=Problem(table="study.toml", column=column, problem=text))
        for column, pattern in study.patterns.items()
        if "{session}" not in pattern
    ]
