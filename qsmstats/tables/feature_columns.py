"""The columns that features give to the tidy tables.

data_schemas/features.schema.json says of a feature under what name it stands in a tidy table
(`tidy`): as it is where it belongs to the lesion, once per map where the name holds ``{map}``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

import pandas as pd

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.schemas import load_schema, map_features

__all__ = ["Measured", "features_of", "tidy_columns", "widen_features"]

MAP = "{map}"


class Measured(Protocol):
    """What `extract_cohort` returns, as far as it matters here."""

    @property
    def features(self) -> pd.DataFrame:
        """One row per participant, session, region and map."""


def features_of(features: pd.DataFrame | Measured) -> pd.DataFrame:
    """Return the table of features of what `extract_cohort` returns, or the table itself."""
    return features if isinstance(features, pd.DataFrame) else features.features


def _templates() -> dict[str, str]:
    fields = load_schema("features").descriptor["fields"]
    return {field["name"]: field["tidy"] for field in fields if "tidy" in field}


def tidy_columns(maps: Iterable[str], outcomes: Iterable[str] = ()) -> list[str]:
    """Return the columns of a tidy table that come from the features of `maps`.

    Parameters
    ----------
    maps
        Names of maps.
    outcomes
        Columns that the study analyses, beside those that every tidy table has.
    """
    templates = _templates().values()
    columns = [name for name in templates if MAP not in name]
    columns += [name.format(map=key) for key in maps for name in templates if MAP in name]
    return list(dict.fromkeys([*columns, *outcomes]))


def widen_features(
    features: pd.DataFrame, region: str, keys: Sequence[str], outcomes: Collection[str] = ()
) -> pd.DataFrame:
    """Put the maps of a region into one row.

    Parameters
    ----------
    features
        One row per region and map, as `extract_cohort` returns it.
    region
        Level of `region` to take.
    keys
        Columns that tell the regions of this kind apart.
    outcomes
        As for `tidy_columns`.

    Returns
    -------
    DataFrame
        `keys`, then what belongs to the region (volume, ...), then the columns of each map, in
        the order of first appearance.

    Raises
    ------
    InvalidDataError
        If a column is missing or a region has two rows of one map.
    """
    _check(features, ("region", "map", *keys))
    own_rows = (features["region"] == region).to_numpy()
    rows = features.loc[own_rows, [*keys, "map"]]
    twice = rows.duplicated()
    if twice.any():
        first = rows[twice].iloc[0]
        where = ", ".join(f"{name} {first[name]}" for name in (*keys, "map"))
        raise InvalidDataError(
            [Problem(table="features", problem=f"two rows of one map for {where}; keep one")]
        )
    templates = {name: tidy for name, tidy in _templates().items() if name in features.columns}
    shared = {name: tidy for name, tidy in templates.items() if MAP not in tidy}
    own = {name: tidy for name, tidy in templates.items() if MAP in tidy}

    def taken(chosen: pd.Series, names: dict[str, str]) -> pd.DataFrame:
        # Of the many columns of the features, only those asked for are copied.
        places = own_rows.nonzero()[0][chosen.to_numpy()]
        part: pd.DataFrame = features[[*keys, *names]].iloc[places].rename(columns=names)
        return part

    wide = taken(~rows.duplicated(list(keys)), shared)
    for key in rows["map"].unique():
        columns = {name: tidy.format(map=key) for name, tidy in own.items()}
        for suffix, feature in map_features().items():
            if f"{key}_{suffix}" in outcomes:
                columns.setdefault(feature.name, f"{key}_{suffix}")
        part = taken(rows["map"] == key, columns)
        wide = wide.merge(part, on=list(keys), how="left", validate="one_to_one")
    return wide.reset_index(drop=True)


def _check(features: pd.DataFrame, needed: Iterable[str]) -> None:
    problems = [
        Problem(table="features", column=name, problem="the column is missing; add it")
        for name in needed
        if name not in features.columns
    ]
    if problems:
        raise InvalidDataError(problems)
