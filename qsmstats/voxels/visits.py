"""Which lesion of one session is which of the next, where sessions were labelled independently.

The label images of a participant's sessions are matched pair by pair in the order of years
(`qsmstats.voxels.matching`), the second with the first, the third with the second. A lesion
without a match in the next session is gone; if it is labelled again later, it counts as new.

A lesion continues (column `continues`) in the lesion of the next session that is the same. Where
lesions have merged or split, it continues in the one lesion, if there is one, with which it shares
more than half of its own voxels and more than half of the other's: at most one lesion can meet
this, so that no lesion continues in two and no two continue in one. All others end, and their
successors begin, at that session. A merged lesion with two equal parents thus continues neither,
and one that lost a few voxels to a fragment keeps its identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from qsmstats.errors import require_columns
from qsmstats.study import Study
from qsmstats.tables.feature_columns import Measured, features_of
from qsmstats.tables.read import StudyTables
from qsmstats.voxels.cohort import label_images
from qsmstats.voxels.grids import Columns, Grid
from qsmstats.voxels.images import Volume, require_same_grid
from qsmstats.voxels.kernels import Groups, group_voxels
from qsmstats.voxels.labels import LabelFiles, LesionReader, open_labels, read_lesions
from qsmstats.voxels.lesion_rows import read_tables
from qsmstats.voxels.matching import match_groups, matches_table

__all__ = ["continuing", "match_visits"]

_LEADING = ["participant_id", "session_id_a", "session_id_b", "label_a", "label_b"]
_LEADING += ["relation", "continues"]

_NONE = np.empty(0, dtype=np.int64)
_NO_LESION = group_voxels(_NONE, _NONE)
_ANY_GRID = Grid(shape=(1, 1, 1), affine=np.eye(4))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Visit:
    """A session's lesions; a session without lesions may have no label image (`volume`)."""

    session_id: str
    groups: Groups = _NO_LESION
    volume: Volume | None = None


def match_visits(
    study: Study,
    features: pd.DataFrame | Measured,
    *,
    tables: StudyTables | None = None,
    kept: LesionReader | None = None,
) -> pd.DataFrame | None:
    """Match the lesions of each participant's sessions, for `tidy_lesions`.

    Parameters
    ----------
    study
        The study folder; ``[matching]`` of its study.toml says whether, and how, to match.
    features
        What `extract_cohort` returns, or its table. Sessions without features are skipped.
    tables
        The study's tables, where they have been read already.
    kept
        Where the lesions are that were read from the label images before.

    Returns
    -------
    DataFrame or None
        None where study.toml says that lesion identifiers are consistent. Otherwise the rows of
        `match_lesions` for each pair of successive sessions, after participant_id, session_id_a
        and session_id_b, with the truth value `continues` after `relation`: whether label_b is
        still the same lesion as label_a.

    Raises
    ------
    ImageError
        If a label image cannot be read, or two of a participant lie on different grids.

    Examples
    --------
    >>> study = qs.open_study("demo/study")
    >>> measured = qs.extract_cohort(study)
    >>> qs.match_visits(study, measured) is None  # the lesions have the same names at each visit
    True
    """
    if study.matching.lesion_ids == "consistent":
        return None
    tables = tables or read_tables(study)
    paths = label_images(study, tables)
    table, session = features_of(features), ["participant_id", "session_id"]
    require_columns(table.columns, session, "features")
    measured = set(table[session].drop_duplicates().itertuples(index=False, name=None))
    visits = tables.sessions.sort_values("years", kind="stable")
    # The first pair has no row but all columns: there may be no second session.
    pairs = [_match(_Visit(session_id=""), _Visit(session_id=""), 1.0)]
    names = [("", "", "")]
    for participant, rows in visits.groupby("participant_id", sort=False):
        keys = [(str(participant), name) for name in rows["session_id"]]
        images = {key[1]: paths.get(key) for key in keys if key in measured}
        # At most two label images are held in memory.
        for first, second in pairwise(_read(name, own, kept) for name, own in images.items()):
            pairs.append(_match(first, second, study.matching.min_overlap))
            names.append((str(participant), first.session_id, second.session_id))
    # One table is made of all: of thousands of pairs, a table each would take most of the time.
    matches = matches_table(pairs)
    matches["continues"] = continuing(matches)
    rows_of = np.repeat(np.arange(len(pairs)), [len(pair["group"]) for pair in pairs])
    of = pd.DataFrame(names, columns=_LEADING[:3], dtype="str").iloc[rows_of]
    matches = matches.assign(**of.set_axis(matches.index))
    return matches[[*_LEADING, *matches.columns.drop(_LEADING)]]


def _read(session_id: str, labels: LabelFiles | None, kept: LesionReader | None) -> _Visit:
    if labels is None:
        return _Visit(session_id=session_id)
    source = labels if kept is None else kept.read(labels)
    volumes = open_labels(source)
    voxels = read_lesions(source, volumes)
    groups = group_voxels(voxels.label, voxels.index)
    return _Visit(session_id=session_id, groups=groups, volume=volumes[0])


def _match(first: _Visit, second: _Visit, min_overlap: float) -> Columns:
    volumes = [visit.volume for visit in (first, second) if visit.volume is not None]
    if len(volumes) == 2:
        require_same_grid(*volumes)
    grid = volumes[0].grid if volumes else _ANY_GRID
    return match_groups(first.groups, second.groups, grid, min_overlap)


def continuing(matches: pd.DataFrame) -> pd.Series:
    """Return for each row of `match_lesions` whether label_b is still the lesion label_a."""
    shared = 2 * matches["n_overlap"]
    majority = (shared > matches["n_a"]) & (shared > matches["n_b"])
    return (matches["relation"] == "same") | majority.fillna(value=False).astype("bool")
