r"""One row per patient and session: lesions, their types, their maps, and clinical columns.

Of the :math:`n` lesions of a session, with volumes :math:`v_i` and means :math:`m_i` of a map, of
which those with a value of the map are averaged:

.. math:: \bar m = \frac1n \sum_i m_i, \qquad \bar m_v = \frac{\sum_i v_i m_i}{\sum_i v_i}, \qquad
   \text{change per year} = \frac{x(t) - x(0)}{t}

with :math:`t` the years since the first session. A patient without lesions has counts and volumes
of zero, and no shares or means. A session that could not be measured has none of them.
"""

from __future__ import annotations

import pandas as pd

from qsmstats.errors import InvalidDataError, Problem, require_columns
from qsmstats.own_schemas import Schemas
from qsmstats.study import Study
from qsmstats.tables.between_tables import controls
from qsmstats.tables.read import StudyTables
from qsmstats.tables.tidy import first_sessions
from qsmstats.voxels.lesion_rows import read_tables

__all__ = ["RIMS", "UNTYPED", "patient_table"]

SESSION = ["participant_id", "session_id"]
RIMS, UNTYPED = "rims", "untyped"


def patient_table(
    study: Study | StudyTables,
    lesions: pd.DataFrame,
    *,
    tissue: pd.DataFrame | None = None,
    failures: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Count and average the lesions of each patient at each session.

    Parameters
    ----------
    study
        A study, or its tables where they have been read already.
    lesions
        Tidy lesions, as `tidy_lesions` makes them.
    tissue
        What `tissue_table` returns, for the means in normal-appearing white matter; without it
        they are left out.
    failures
        The table of that name which `extract_cohort` returns: sessions that could not be measured.
        Without it, those whose listed lesions have no features; a session whose labels could not
        be read is then not told from one without lesions.

    Returns
    -------
    DataFrame
        One row per patient and session of the sessions table; controls, who have no lesions, have
        none. Identifiers, `years`, the columns of the participants and sessions tables, `measured`,
        then of all lesions `n_lesions` and `volume_mm3`; for each type, for lesions with a rim
        (`rims`) and for those without a type (`untyped`) `n_<type>`, `volume_mm3_<type>` and
        `share_<type>`, the share of the number of lesions; for each map `<map>`, the mean over
        lesions, `<map>_volume_weighted` and `<map>_nawm`; last, for all of these and for the
        numbers of the sessions table, `<column>_per_year`, the change per year since the first
        session.

    Raises
    ------
    InvalidDataError
        If a column of the study's tables has the name of one that is computed here.

    Examples
    --------
    >>> study = qs.open_study("demo/study")
    >>> lesions = qs.tidy_lesions(study, qs.extract_cohort(study))
    >>> patients = qs.patient_table(study, lesions)
    >>> list(patients.columns[:3])
    ['participant_id', 'session_id', 'years']
    """
    require_columns(lesions.columns, (*SESSION, "lesion_type", "volume_mm3"), "lesions")
    if tissue is not None:
        require_columns(tissue.columns, (*SESSION, "tissue"), "tissue")
    if failures is not None:
        require_columns(failures.columns, SESSION, "failures")
    tables = study if isinstance(study, StudyTables) else read_tables(study)
    sessions = tables.sessions
    clinical = sessions.merge(tables.participants, on="participant_id", validate="many_to_one")
    clinical = clinical[~clinical["participant_id"].isin(controls(tables.participants))]
    made = _measures(lesions, tissue, tables.schemas)
    numbers = sessions.select_dtypes("number").columns.drop("years")
    changing = [*numbers, *made.columns.drop(SESSION)]
    computed = {"measured", *made.columns.drop(SESSION), *(f"{name}_per_year" for name in changing)}
    if twice := [name for name in map(str, clinical) if name in computed]:
        text = "is computed from the lesions in patients.tsv; rename the column of the table"
        raise InvalidDataError(
            [Problem(table="sessions or participants", column=name, problem=text) for name in twice]
        )
    base = clinical.merge(made, on=SESSION, how="left", validate="one_to_one")
    # Not measured: sessions that failed or lost all listed lesions, and have no measured lesion.
    listed = tables.lesions if failures is None else pd.concat([tables.lesions, failures])
    rows, missing, found = (
        pd.MultiIndex.from_frame(table[SESSION]) for table in (base, listed, lesions)
    )
    lost = rows.isin(missing) & ~rows.isin(found)
    kinds = (*tables.schemas.lesion_types, RIMS, UNTYPED)
    counts = ["n_lesions", *(f"n_{kind}" for kind in kinds)]
    amounts = [*counts, "volume_mm3", *(f"volume_mm3_{kind}" for kind in kinds)]
    base[amounts] = base[amounts].where(base[amounts].notna() | lost[:, None], 0)
    base = base.astype(dict.fromkeys(counts, "Int64"))
    base.insert(len(clinical.columns), "measured", ~lost)
    # The change since the first session, per year; missing at the first.
    values = base[changing].astype(float)
    first = first_sessions(base)
    start = values.loc[first.index].set_index(first["participant_id"])
    start = start.reindex(base["participant_id"]).set_axis(base.index)
    change = (values - start).div(base["years"].where(base["years"] > 0), axis=0)
    return base.join(change.add_suffix("_per_year")).reset_index(drop=True)


def _measures(lesions: pd.DataFrame, tissue: pd.DataFrame | None, schemas: Schemas) -> pd.DataFrame:
    """Return one row per session with lesions or white matter."""
    kinds = lesions["lesion_type"].astype("object")
    parts = {name: kinds == name for name in schemas.lesion_types}
    parts |= {RIMS: kinds.isin(schemas.rims), UNTYPED: kinds.isna()}
    columns = {"n_lesions": pd.Series(1, lesions.index), "volume_mm3": lesions["volume_mm3"]}
    for name, of in parts.items():
        columns |= {f"n_{name}": of.astype(int), f"volume_mm3_{name}": lesions["volume_mm3"] * of}
    keys = [lesions[name] for name in SESSION]
    table = pd.DataFrame(columns).groupby(keys, observed=True).sum()
    for name in parts:
        table[f"share_{name}"] = table[f"n_{name}"] / table["n_lesions"]
    # Beside what it is the share of.
    ordered = [f"{what}_{name}" for name in parts for what in ("n", "volume_mm3", "share")]
    table = table[["n_lesions", "volume_mm3", *ordered]]
    maps = [name for name in schemas.maps if name in lesions]
    for name in maps:
        weights = lesions["volume_mm3"].where(lesions[name].notna())
        table[name] = lesions[name].groupby(keys, observed=True).mean()
        sums = pd.DataFrame({"product": lesions[name] * weights, "weight": weights})
        sums = sums.groupby(keys, observed=True).sum(min_count=1)
        table[f"{name}_volume_weighted"] = sums["product"] / sums["weight"]
    if tissue is None:
        return table.reset_index()
    nawm = tissue[tissue["tissue"] == schemas.tissues[1]].set_index(SESSION)[maps]
    table = table.join(nawm.add_suffix("_nawm"), how="outer")
    return table.reset_index()
