"""One session of one participant: what to read, and the pure function that reads it.

A `SessionJob` holds all that the result depends on, so that the same job gives the same rows
wherever it runs: in this process, in a pool, or on another machine that sees the same files.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from qsmstats.errors import InvalidDataError, QsmstatsError
from qsmstats.parallel import one_thread
from qsmstats.settings import FeatureSettings
from qsmstats.voxels.features import extract_features
from qsmstats.voxels.labels import LabelFiles, LabelSource, ReadTissue, TissueFile
from qsmstats.voxels.memory import MORE_MEMORY

__all__ = ["Failure", "SessionJob", "SessionResult", "extract_session", "session_failure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a session has no rows.

    Attributes
    ----------
    participant_id, session_id
        The session.
    file
        The file at fault, or empty.
    reason
        What was found in it, and what to do.
    """

    participant_id: str
    session_id: str
    file: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionJob:
    """All that the rows of one session depend on.

    Attributes
    ----------
    participant_id, session_id
        First columns of the rows.
    maps
        Name -> path of the map.
    units, missing, plausible, volumes
        Name -> unit, stored value that means "not measured", plausible range of a map that
        data_schemas/ does not know, and number of the map's volume in a file of several.
    labels, tissue
        Lesions and white matter, or None.
    other_labels
        Lesions of the participant's other sessions.
    settings
        Distances in mm.
    """

    participant_id: str
    session_id: str
    maps: Mapping[str, Path]
    units: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    plausible: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    volumes: Mapping[str, int] = field(default_factory=dict)
    labels: LabelFiles | None = None
    tissue: TissueFile | None = None
    other_labels: tuple[LabelFiles, ...] = ()
    settings: FeatureSettings = field(default_factory=FeatureSettings)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Every file that is read."""
        own = () if self.labels is None else self.labels.paths
        mask = () if self.tissue is None else self.tissue.paths
        others = (path for labels in self.other_labels for path in labels.paths)
        return (*own, *mask, *self.maps.values(), *others)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionResult:
    """The rows of one session, or why there are none: one of the two is None.

    `inputs` holds the sha256 of every file that was read, by name, where they were asked for.
    """

    features: pd.DataFrame | None = None
    failure: Failure | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)


@one_thread()
def extract_session(
    job: SessionJob,
    read: Callable[[LabelFiles], LabelSource] | None = None,
    tissue: ReadTissue | None = None,
) -> SessionResult:
    """Measure one session; any error becomes its failure, so that the others go on.

    Parameters
    ----------
    job
        The session.
    read
        What reads its label images, such as `LabelStore.read`; by default they are read where they
        are measured.
    tissue
        Its white matter, where that has been read.
    """
    read = read or (lambda labels: labels)
    try:
        features = extract_features(
            job.labels and read(job.labels),
            job.maps,
            tissue=tissue or job.tissue,
            other_labels=[*map(read, job.other_labels)],
            units=job.units,
            missing=job.missing,
            plausible=job.plausible,
            volumes=job.volumes,
            settings=job.settings,
        )
    except InvalidDataError as error:
        first = error.problems[0] if error.problems else None
        file, reason = ("", str(error)) if first is None else (first.table, first.problem)
    except MemoryError:  # each image fits: what is measured grows with the voxels that are marked
        file = str(job.inputs[0])
        reason = f"has more labelled voxels than fit into memory; {MORE_MEMORY}"
    except (QsmstatsError, OSError) as error:
        file, reason = str(getattr(error, "filename", None) or ""), f"{error}" or repr(error)
    except Exception as error:  # a fault of ours must not stop the other sessions
        place = traceback.extract_tb(error.__traceback__)[-1]
        file, reason = "", f"unexpected {error!r} in {place.name}, line {place.lineno}; report it"
    else:
        features.insert(0, "participant_id", pd.Series(job.participant_id, features.index, "str"))
        features.insert(1, "session_id", pd.Series(job.session_id, features.index, "str"))
        return SessionResult(features=features)
    return session_failure(job, file, reason)


def session_failure(job: SessionJob, file: str, reason: str) -> SessionResult:
    """Return the result of a session that failed."""
    return SessionResult(
        failure=Failure(
            participant_id=job.participant_id,
            session_id=job.session_id,
            file=file,
            reason=" ".join(reason.split()),
        )
    )
