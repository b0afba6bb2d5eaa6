"""The tables of a study, with the lesions of its label images where they say which there are."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from qsmstats.errors import ImageError
from qsmstats.study import Study
from qsmstats.tables.read import StudyTables
from qsmstats.tables.read import read_tables as read_files
from qsmstats.voxels.label_store import LabelStore
from qsmstats.voxels.labels import labels_of, open_labels, read_lesions

__all__ = ["lesions_in_images", "read_tables"]


def read_tables(study: Study) -> StudyTables:
    """Read and check every table of a study.

    Parameters
    ----------
    study
        As `open_study` returns it. Where its images say which lesions there are, they are read.

    Returns
    -------
    StudyTables

    Raises
    ------
    InvalidDataError
        With every problem of every table, each with its file, row and column.

    Examples
    --------
    >>> tables = qs.read_tables(qs.open_study("demo/study"))
    >>> list(tables.lesions.columns[:3])
    ['participant_id', 'session_id', 'lesion_id']
    """
    return read_files(study, lesions_in_images)


def lesions_in_images(
    study: Study, visits: Sequence[tuple[str, str]], kept: LabelStore | None = None
) -> pd.DataFrame:
    """List the lesions of the label images of some sessions.

    Parameters
    ----------
    study
        A study whose images say which lesions there are.
    visits
        Participant and session.
    kept
        Where the lesions go that are read here.

    Returns
    -------
    DataFrame
        One row per lesion, as text: participant_id, session_id, lesion_id, label, lesion_type and
        file, the image that holds it. `lesion_id` is the lesion in the name of the file, or the
        label; `lesion_type` that in the name of the file, or empty. A session whose images cannot
        be read has no row; whoever reads them next says why.
    """
    rows = []
    for visit in visits:
        try:
            labels = labels_of(study, *visit)
            if study.labels.each == "lesion":  # one each: the names say all
                names = {number: name for number, (name, _) in enumerate(labels.files, start=1)}
            elif labels.files:
                source = labels if kept is None else kept.read(labels)
                voxels = read_lesions(source, open_labels(source))
                names = dict(voxels.names) or dict.fromkeys(map(int, voxels.label), "")
            else:
                continue
        except (ImageError, MemoryError, OSError):
            continue
        paths = dict(zip((name for name, _ in labels.files), labels.paths, strict=True))
        for label, name in sorted(names.items()):
            by_lesion = study.labels.each == "lesion"
            rows.append(
                {
                    "participant_id": visit[0],
                    "session_id": visit[1],
                    "lesion_id": name if by_lesion else str(label),
                    "label": str(label),
                    "lesion_type": "" if by_lesion else name,
                    "file": study.name_of(paths[name]),
                }
            )
    columns = ["participant_id", "session_id", "lesion_id", "label", "lesion_type", "file"]
    return pd.DataFrame(rows, columns=columns, dtype="str")
