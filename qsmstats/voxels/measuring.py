"""Measures the sessions of a study into its output folder, or finds them measured there.

The check of a study that is about to be measured and the measuring itself ask for the same result:
whichever comes first inflates the images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from qsmstats.study import Study
from qsmstats.voxels.label_store import LabelStore
from qsmstats.voxels.labels import ReadTissue
from qsmstats.voxels.session_store import FeatureStore
from qsmstats.voxels.sessions import (
    SessionJob,
    SessionResult,
    extract_session,
    session_failure,
)

__all__ = ["SessionMeasurer", "measure_session"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMeasurer:
    """What measures sessions, and knows those that have been measured.

    Attributes
    ----------
    store
        The results of sessions.
    kept
        The lesions of their label images.
    name_of
        Function that gives an image its name in the study folder.
    anew
        Whether sessions without a result are measured: the group step only reads results.
    """

    store: FeatureStore
    kept: LabelStore
    name_of: Callable[[Path], str]
    anew: bool = True

    @classmethod
    def of(cls, study: Study, out: Path, *, anew: bool = True) -> SessionMeasurer:
        """Return what measures the sessions of a study into an output folder."""
        store, kept = FeatureStore(out, study.name_of), LabelStore(out, study.name_of)
        return cls(store=store, kept=kept, name_of=study.name_of, anew=anew)

    def known(self, job: SessionJob, sums: dict[str, str]) -> bool:
        """Return whether a session has been measured from images with these sums."""
        stored = self.store.stored(job, sums)
        return stored is not None and stored.failure is None

    def measure(
        self,
        job: SessionJob,
        sums: dict[str, str] | None = None,
        tissue: ReadTissue | None = None,
    ) -> SessionResult:
        """Return the stored result of a session, or measure it and store the result.

        A failed session is tried again: the cause may have been the network, not the file. The
        sums are those of what was measured: a file that changes meanwhile is a failure.

        Parameters
        ----------
        job
            The session.
        sums
            Sums of its images from before any was read; by default they are taken here.
        tissue
            Its white matter, where that has been read.
        """
        inputs = self.store.input_sums(job) if sums is None else sums
        stored = self.store.read(job, inputs)
        if stored is not None and stored.failure is None:
            return stored
        result = measure_session(self.name_of, job, self.kept, tissue)
        after = self.store.input_sums(job)
        changed = [name for name in inputs if inputs[name] != after[name]]
        if changed:
            reason = (
                "was changed while it was measured; do not change it during a run, and measure the "
                "session again"
            )
            result = session_failure(job, changed[0], reason)
        self.store.write(job, result, inputs)
        return self.store.read(job, inputs) or session_failure(
            job, "", "its result could not be read back"
        )


def measure_session(
    name_of: Callable[[Path], str],
    job: SessionJob,
    kept: LabelStore | None = None,
    tissue: ReadTissue | None = None,
) -> SessionResult:
    """Measure a session; a failure names files from the study folder on."""
    result = extract_session(job, None if kept is None else kept.read, tissue)
    if result.failure is None:
        return result
    reason = result.failure.reason
    for path in job.inputs:
        reason = reason.replace(str(path), name_of(path))
    file = result.failure.file and name_of(Path(result.failure.file))
    return SessionResult(failure=replace(result.failure, file=file, reason=reason))
