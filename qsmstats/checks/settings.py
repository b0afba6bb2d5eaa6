"""Settings of study.toml that name what the tables must hold."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from qsmstats.errors import Problem, did_you_mean, nearest
from qsmstats.settings import PatientSettings, RaterSettings, column_of
from qsmstats.studies.table_one import column_problems
from qsmstats.study import Study
from qsmstats.study_file import FILE
from qsmstats.tables.read import LoadedTables

__all__ = ["named_in_settings"]

INDETERMINATE = "indeterminate"


def named_in_settings(study: Study, loaded: LoadedTables) -> Iterator[Problem]:
    """Yield the classes of pathology that no setting maps, and an adjudicator who rates nothing.

    Parameters
    ----------
    study
        The study.
    loaded
        Its tables, as far as they can be read.
    """
    mapping, name = study.histology.mapping, study.raters.adjudicator
    found = _words(loaded, "histology", "reference_standard").value_counts(sort=False)
    for level, count in found[found > 0].items():
        if level not in mapping and level != INDETERMINATE:
            text = (
                f"maps {', '.join(mapping)}, but {count} lesions of {loaded.raw['histology'].file} "
                f"are '{level}'; add {level} = [...] with the types that mean it, [] if none does"
            )
            yield Problem(table=FILE, column="histology.mapping", problem=text)
    raters = sorted(_words(loaded, "ratings", "rater_id").unique())
    # The default is a name like any other: most studies have no adjudicator.
    if raters and name not in raters and name != RaterSettings().adjudicator:
        text = (
            f"'{name}' is not a rater of {loaded.raw['ratings'].file}; choose from "
            f"{', '.join(raters)}, or remove the setting"
        )
        yield Problem(table=FILE, column="raters.adjudicator", problem=text)
    if {"participants", "sessions"} <= loaded.frames.keys():
        yield from _clinical(study, loaded)
        tables = loaded.frames["participants"], loaded.frames["sessions"]
        for where, text in column_problems(study.table_one, *tables):
            yield Problem(table=FILE, column=f"table_one.{where}", problem=text)


def _clinical(study: Study, loaded: LoadedTables) -> Iterator[Problem]:
    """Yield the columns that [patients] names and no table has; a default is asked of nothing."""
    columns = [*loaded.frames["participants"], *loaded.frames["sessions"]]
    settings, defaults = study.patients, PatientSettings()
    named = {"clinical": settings.clinical}
    if settings.covariates != defaults.covariates:
        named["covariates"] = settings.covariates
    if settings.disability != defaults.disability:
        named["disability"] = (settings.disability,)
    for where, names in named.items():
        for name in names:
            if column_of(name) not in columns:
                hint = did_you_mean(nearest(column_of(name), columns))
                text = f"no table of participants or sessions has a column '{column_of(name)}'"
                text += f"{hint or ';'} correct the name or add the column"
                yield Problem(table=FILE, column=f"patients.{where}", problem=text)


def _words(loaded: LoadedTables, table: str, column: str) -> pd.Series:
    """Return the words of a column; none where the table or column could not be read."""
    words = loaded.frames.get(table, pd.DataFrame()).get(column, pd.Series(dtype="str"))
    return words.dropna().astype("str")
