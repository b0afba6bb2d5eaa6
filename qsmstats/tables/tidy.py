"""One row per lesion, or per tissue, with everything a model needs.

`tidy_lesions` joins the lesions table with the session's years, the participant's columns and
what the maps say of the lesion; `tissue_table` adds the normal-appearing white matter of patients
and the white matter of controls. A lesion whose session gave no features (an unreadable image) has
no row; `lesions_without_features` lists these, a warning of the log counts them, and the count
stands in the table's `attrs["n_without_features"]`. Where each session was labelled on its own,
lesions are given one identifier over sessions (`qsmstats.tables.identities`).

`first_sessions` and `followed_lesions` choose the rows of the two questions asked of these tables;
models, figures and counts all take them from here.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

import pandas as pd

from qsmstats.errors import InvalidDataError, Problem, UsageError, require_columns
from qsmstats.study import Study
from qsmstats.tables.between_tables import control_group
from qsmstats.tables.feature_columns import Measured, features_of, widen_features
from qsmstats.tables.identities import describe_matches, identify_lesions
from qsmstats.tables.read import StudyTables, read_tables

__all__ = [
    "first_sessions",
    "followed_lesions",
    "lesions_without_features",
    "tidy_lesions",
    "tissue_table",
]

SESSION = ["participant_id", "session_id"]
LESION = [*SESSION, "label"]

_log = logging.getLogger(__name__)


def tidy_lesions(
    study: Study | StudyTables,
    features: pd.DataFrame | Measured,
    *,
    matches: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Join lesions, sessions, participants and features.

    Parameters
    ----------
    study
        A study, or its tables where they have been read already.
    features
        What `extract_cohort` returns, or its table: one row per participant, session, region and
        map. Only the rows of lesions are used.
    matches
        What `qsmstats.match_visits` returns: a table where study.toml says that each session was
        labelled on its own.

    Returns
    -------
    DataFrame
        One row per lesion and session with features, in the order of the lesions table: its
        identifiers, `label` and `lesion_type` (categorical, schema order), `years`, the
        participant's columns, the features of the lesion (`volume_mm3`, ...) and for each map its
        mean under the map's own name and the others behind it (`mwf_percent`,
        `mwf_percent_shell`, `mwf_percent_z`, ...). With `matches`, `lesion_id` is that of the
        lesion's first session, and behind `label` stand `session_lesion_id`, the identifier in
        the lesions table, and `match`, how the lesion relates to the session before.
        `attrs["n_unmeasured"]` counts the participants of the lesions table who have no row,
        `attrs["units"]` holds the units of the columns of maps that data_schemas/ does not know,
        and where lesions are components `attrs["left_out"]` those that are too small, with their
        mm³.

    Raises
    ------
    InvalidDataError
        If the tables are not valid, the features lack a column or repeat a row, or have a lesion
        that the lesions table does not; or if `matches` are not those of these features.
    UsageError
        If each session was labelled on its own and `matches` is missing.

    Examples
    --------
    >>> study = qs.open_study("demo/study")
    >>> lesions = qs.tidy_lesions(study, qs.extract_cohort(study))
    >>> list(lesions.columns[:5])
    ['participant_id', 'session_id', 'lesion_id', 'label', 'lesion_type']
    """
    tables = _tables(study)
    if matches is None and tables.lesion_ids == "independent":
        message = (
            "study.toml says that lesion_ids are independent from session to session "
            "(matching.lesion_ids); give matches=qsmstats.match_visits(study, features)"
        )
        raise UsageError(message)
    measured = _measured(features_of(features), tables.outcomes)
    known = pd.MultiIndex.from_frame(tables.lesions[LESION])
    unknown = measured.loc[~pd.MultiIndex.from_frame(measured[LESION]).isin(known), LESION]
    if len(unknown):
        text = "has features and no row in the lesions table; add the row or remove the label"
        raise InvalidDataError(
            [
                Problem(table="features", problem=f"label {row.label} of {row[0]} {row[1]} {text}")
                for row in unknown.itertuples(index=False)
            ]
        )
    tidy = _with_context(tables.lesions, tables)
    tidy = tidy.merge(measured, on=LESION, how="inner", validate="one_to_one")
    lost = len(tables.lesions) - len(tidy)
    if lost:
        _log.warning("%d of %d lesions have no features", lost, len(tables.lesions))
    if matches is not None:
        tidy = identify_lesions(tidy, matches)
        tidy.attrs["matches"] = describe_matches(matches)
    tidy.attrs["n_without_features"] = lost
    if "n_left_out" in features_of(features):
        sessions = features_of(features).drop_duplicates(SESSION)[["n_left_out", "left_out_mm3"]]
        tidy.attrs["left_out"] = tuple(sessions.sum())
    people = tables.lesions["participant_id"].drop_duplicates()
    tidy.attrs["units"] = tables.schemas.own_units
    tidy.attrs["n_unmeasured"] = int((~people.isin(tidy["participant_id"].unique())).sum())
    return tidy


def first_sessions(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of first sessions, those with years 0.

    A participant whose first session could not be measured has no such row: a later session is
    not a baseline. (The smallest `years` of the rows left would take it for one.)

    Parameters
    ----------
    rows
        A table with the column `years`.
    """
    return rows[rows["years"] == 0]


def followed_lesions(lesions: pd.DataFrame) -> pd.DataFrame:
    """Return the lesions of participants with two sessions or more.

    Parameters
    ----------
    lesions
        participant_id, lesion_id, lesion_type and years.

    Returns
    -------
    DataFrame
        Their rows ordered by participant, lesion and years; `lesion_type` is that of the lesion's
        first session with a type.
    """
    sessions = lesions.groupby("participant_id", observed=True)["years"].transform("nunique")
    followed = lesions[sessions >= 2].sort_values(["participant_id", "lesion_id", "years"])
    keys = ["participant_id", "lesion_id"]
    first_type = followed.groupby(keys, observed=True)["lesion_type"].transform("first")
    return followed.assign(lesion_type=first_type)


def lesions_without_features(
    study: Study | StudyTables, features: pd.DataFrame | Measured
) -> pd.DataFrame:
    """Return the rows of the lesions table that `tidy_lesions` has to leave out.

    Parameters
    ----------
    study, features
        As for `tidy_lesions`.

    Examples
    --------
    >>> study = qs.open_study("demo/study")
    >>> len(qs.lesions_without_features(study, qs.extract_cohort(study)))
    0
    """
    lesions = _tables(study).lesions
    there = pd.MultiIndex.from_frame(_measured(features_of(features))[LESION])
    return lesions[~pd.MultiIndex.from_frame(lesions[LESION]).isin(there)].reset_index(drop=True)


def tissue_table(
    study: Study | StudyTables,
    features: pd.DataFrame | Measured,
    *,
    lesions: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Put lesions beside the white matter they are compared with.

    Parameters
    ----------
    study, features
        As for `tidy_lesions`; the rows of white matter are used too.
    lesions
        What `tidy_lesions` has made of them; by default it is called here.

    Returns
    -------
    DataFrame
        The columns of `tidy_lesions` after `tissue` (categorical; its levels are those of
        data_schemas/tissue.schema.json: controls' white matter, the reference; NAWM; the lesion
        types). Controls have one row per session, patients one for their NAWM and one per lesion;
        what only a lesion has is missing in the others. `attrs` counts who has no row:
        "n_lesion_free" the patients without a lesion and so without NAWM, which is defined by its
        distance from lesions, and "n_unmeasured" all others.

    Raises
    ------
    InvalidDataError
        As `tidy_lesions`.

    Examples
    --------
    >>> study = qs.open_study("demo/study")
    >>> tissue = qs.tissue_table(study, qs.extract_cohort(study))
    >>> tissue.columns[0]
    'tissue'
    """
    tables, features = _tables(study), features_of(features)
    levels = tables.schemas.tissues
    lesions = tidy_lesions(tables, features) if lesions is None else lesions
    require_columns(lesions.columns, (*SESSION, "lesion_type"), "lesions")
    is_control = tables.participants["group"] == control_group()
    parts = [
        _white_matter(tables, features, "white_matter", is_control).assign(tissue=levels[0]),
        _white_matter(tables, features, "nawm", ~is_control).assign(tissue=levels[1]),
        lesions.assign(tissue=lesions["lesion_type"].astype("str")),
    ]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    table = table.reindex(columns=["tissue", *lesions.columns])
    table["tissue"] = pd.Categorical(table["tissue"], categories=list(levels))
    for column in lesions.columns[lesions.dtypes == "category"]:
        # Concatenation turns a category into text where one part lacks it.
        table[column] = table[column].astype(lesions[column].dtype)
    people = tables.participants["participant_id"]
    absent = ~people.isin(table["participant_id"].unique())
    lesion_free = absent & ~is_control & ~people.isin(tables.lesions["participant_id"].unique())
    table.attrs = {
        **lesions.attrs,
        "n_unmeasured": int((absent & ~lesion_free).sum()),
        "n_lesion_free": int(lesion_free.sum()),
    }
    return table


def _tables(study: Study | StudyTables) -> StudyTables:
    return study if isinstance(study, StudyTables) else read_tables(study)


def _measured(features: pd.DataFrame, outcomes: Collection[str] = ()) -> pd.DataFrame:
    measured = widen_features(features, "lesion", LESION, outcomes)
    # Read back from a file, labels beside white matter without one are floats.
    return measured.assign(label=measured["label"].astype("Int64"))


def _with_context(rows: pd.DataFrame, tables: StudyTables) -> pd.DataFrame:
    rows = rows.merge(tables.sessions, on=SESSION, how="inner", validate="many_to_one")
    return rows.merge(tables.participants, on=SESSION[:1], how="inner", validate="many_to_one")


def _white_matter(
    tables: StudyTables, features: pd.DataFrame, region: str, chosen: pd.Series
) -> pd.DataFrame:
    """Return one row per session of the chosen participants, for one region of white matter."""
    names = tables.participants.loc[chosen, "participant_id"]
    rows = widen_features(features, region, SESSION, tables.outcomes)
    return _with_context(rows[rows["participant_id"].isin(names)], tables)
