"""Settings of study.toml that name what the tables must hold."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from qsmstats.errors import Problem
from qsmstats.settings import RaterSettings
from qsmstats.study import Study
from qsmstats.study_file import FILE
from qsmstats.tables.read import LoadedTables

__all__ = ["named_in_settings"]

INDETERMINATE = "indeterminate"


def named_in_settings(study: Study, loaded: LoadedTables) -> Iterator[Problem]:
    """Yield settings and tables that do not know one another.

    Parameters
    ----------
    study
        The study.
    loaded
        Its tables, as far as they can be read.
    """
    yield from _unmapped_classes(study, loaded)
    yield from _unknown_adjudicator(study, loaded)


def _words(loaded: LoadedTables, table: str, column: str) -> pd.Series:
    """Return the words of a column; none where the table or column could not be read."""
    words = loaded.frames.get(table, pd.DataFrame()).get(column, pd.Series(dtype="str"))
    return words.dropna().astype("str")


def _unmapped_classes(study: Study, loaded: LoadedTables) -> Iterator[Problem]:
    mapping = study.histology.mapping
    found = _words(loaded, "histology", "reference_standard").value_counts(sort=False)
    for name, count in found[found > 0].items():
        if name not in mapping and name != INDETERMINATE:
            text = (
                f"maps {', '.join(mapping)}, but {count} lesions of {loaded.raw['histology'].file} "
                f"are '{name}'; add {name} = [...] with the types that mean it"
            )
            yield Problem(table=FILE, column="histology.mapping", problem=text)


def _unknown_adjudicator(study: Study, loaded: LoadedTables) -> Iterator[Problem]:
    name = study.raters.adjudicator
    raters = sorted(set(_words(loaded, "ratings", "rater_id")))
    # The default is a name like any other: most studies have no adjudicator.
    if raters and name not in raters and name != RaterSettings().adjudicator:
        text = (
            f"'{name}' is no rater of {loaded.raw['ratings'].file}; name one of "
            f"{', '.join(raters)}, or remove the setting"
        )
        yield Problem(table=FILE, column="raters.adjudicator", problem=text)
