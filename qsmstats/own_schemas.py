"""The schemas of one study: those of data_schemas/, with what study.toml declares in their place.

A study may declare maps, lesion types and classes of pathology of its own, and its own words for
levels. `qsmstats.study_schemas` reads what it declares.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from qsmstats.display import Displayed
from qsmstats.schemas import (
    TYPES,
    FieldSchema,
    MapSchema,
    TableSchema,
    load_schema,
    map_features,
    map_schemas,
    word_key,
)

__all__ = ["DECLARED", "UNDECIDED", "Level", "OutcomeSchema", "Schemas", "known_levels", "own_map"]

UNDECIDED = "indeterminate"
DECLARED = "schemas.json"
"""File of an output folder that holds what its study declares (`Schemas.declared`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeSchema:
    """A column of the tidy table that may be analysed: a feature of a map.

    Attributes
    ----------
    map
        The map.
    feature
        Column of features.schema.json; None for the mean, whose column has the map's name.
    """

    map: MapSchema
    feature: FieldSchema | None = None

    @property
    def unit(self) -> str:
        """Unit of the values; "1" where they have none."""
        if self.feature is None or self.feature.unit == "unit of the map":
            return self.map.unit
        return self.feature.unit or "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A lesion type or a class of pathology that a study declares.

    Attributes
    ----------
    title
        What pages and figures call it.
    colour
        ``#rrggbb``, or None for the next of the palette.
    spellings
        What else the tables write for it.
    rim
        Whether lesions of this type have a rim.
    """

    title: str
    colour: str | None = None
    spellings: tuple[str, ...] = ()
    rim: bool = False


@dataclass(frozen=True, kw_only=True)
class Schemas(Displayed):
    """The schemas of one study: those of data_schemas/, changed by what study.toml declares.

    Without arguments, those of data_schemas/ as they are.

    Attributes
    ----------
    own_maps
        Name -> map that data_schemas/ does not know.
    types, classes
        Lesion types and classes of the reference standard in place of those of data_schemas/, in
        their order, the reference first; empty to keep them.
    words
        Column -> word of the tables -> level that it stands for, beside the spellings of
        data_schemas/. "lesion_type" holds for every column of lesion types.

    Examples
    --------
    >>> qs.Schemas().lesion_types
    ('isointense', 'hypointense', 'hyperintense', 'hypointense_rim', 'paramagnetic_rim')
    """

    own_maps: Mapping[str, MapSchema] = field(default_factory=dict)
    types: Mapping[str, Level] = field(default_factory=dict)
    classes: Mapping[str, Level] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def maps(self) -> Mapping[str, MapSchema]:
        """The maps, by name: those of data_schemas/, then the study's own."""
        return {**map_schemas(), **self.own_maps}

    @cached_property
    def lesion_types(self) -> tuple[str, ...]:
        """The lesion types in their order; the first is the reference."""
        return self.table("lesions").column("lesion_type").levels

    @cached_property
    def rims(self) -> tuple[str, ...]:
        """The lesion types with a rim, in their order."""
        return tuple(name for name, of in (self.types or known_levels("lesions")).items() if of.rim)

    @cached_property
    def tissues(self) -> tuple[str, ...]:
        """The white matter of controls, that of patients, then the lesion types."""
        return self.table("tissue").column("tissue").levels

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """Level of any column -> its title."""
        tables = map(self.table, ("participants", "histology", "lesions", "tissue"))
        columns = [column for table in tables for column in table.fields]
        return {level: title for item in columns for level, title in item.level_titles.items()}

    @cached_property
    def outcomes(self) -> Mapping[str, OutcomeSchema]:
        """Column of the tidy table -> the feature that it holds, of every map."""
        found = {}
        for name, schema in self.maps.items():
            found[name] = OutcomeSchema(map=schema)
            for suffix, feature in map_features().items():
                found[f"{name}_{suffix}"] = OutcomeSchema(map=schema, feature=feature)
        return found

    @property
    def own_units(self) -> dict[str, str]:
        """Column of the tidy table -> unit, of the study's own maps."""
        of = self.outcomes.items()
        return {name: item.unit for name, item in of if item.map.name in self.own_maps}

    def table(self, name: str) -> TableSchema:
        """Return the schema of a table as `load_schema` does, with the levels of this study."""
        if name not in self._tables:
            self._tables[name] = self._changed(load_schema(name))
        return self._tables[name]

    def declared(self) -> dict[str, Any]:
        """Return what the study declares as JSON holds it; `from_declared` reads it."""
        maps = {
            name: {
                "title": schema.title,
                "unit": schema.unit,
                "plausible": [schema.low, schema.high] if schema.has_range else None,
            }
            for name, schema in self.own_maps.items()
        }
        levels = {
            key: {name: asdict(level) for name, level in of.items()}
            for key, of in (("lesion_types", self.types), ("classes", self.classes))
        }
        return {"maps": maps, **levels, "words": {name: {**of} for name, of in self.words.items()}}

    @classmethod
    def from_declared(cls, declared: Mapping[str, Any]) -> Schemas:
        """Return the schemas of a study that declares what `declared` returned."""
        levels = {
            key: {
                name: Level(**{**level, "spellings": tuple(level["spellings"])})
                for name, level in declared.get(key, {}).items()
            }
            for key in ("lesion_types", "classes")
        }
        return cls(
            own_maps={name: own_map(name, **own) for name, own in declared.get("maps", {}).items()},
            types=levels["lesion_types"],
            classes=levels["classes"],
            words=declared.get("words", {}),
        )

    @cached_property
    def _tables(self) -> dict[str, TableSchema]:
        return {}

    def _changed(self, schema: TableSchema) -> TableSchema:
        fields = []
        for column in schema.fields:
            if column.name == TYPES.get(schema.name):
                kept = [UNDECIDED] if UNDECIDED in column.levels else []
                column = _with_levels(column, self.types, after=kept)
                column = _with_words(column, self.words.get("lesion_type", {}))
            elif column.name == "reference_standard":
                column = _with_levels(column, self.classes, after=[UNDECIDED])
            elif column.name == "tissue":
                column = _with_levels(column, self.types, before=column.levels[:2])
            fields.append(_with_words(column, self.words.get(column.name, {})))
        levels = {column.name: column.levels for column in fields if column.levels}
        descriptor: dict[str, Any] = {**schema.descriptor}
        descriptor["fields"] = [
            raw | {"constraints": raw["constraints"] | {"enum": list(levels[raw["name"]])}}
            if raw["name"] in levels
            else raw
            for raw in descriptor["fields"]
        ]
        return replace(schema, fields=tuple(fields), descriptor=descriptor)


def known_levels(table: str) -> dict[str, Level]:
    """Return the levels of data_schemas/ that a study may replace by its own, by name.

    Parameters
    ----------
    table
        "lesions" for the lesion types, "histology" for the classes of the reference standard.
    """
    name = {"lesions": "lesion_type", "histology": "reference_standard"}[table]
    raw = next(item for item in load_schema(table).descriptor["fields"] if item["name"] == name)
    return {
        level: Level(title=told["title"], rim=told.get("rim", False))
        for level, told in raw["levels"].items()
    }


def _with_levels(
    column: FieldSchema,
    own: Mapping[str, Level],
    *,
    before: Iterable[str] = (),
    after: Iterable[str] = (),
) -> FieldSchema:
    """Return a column with a study's levels between those it keeps; as it is without any.

    A level of the same name as one of data_schemas/ keeps its spellings beside the study's.
    """
    if not own:
        return column
    levels = (*before, *own, *after)
    words = {word: level for word, level in column.spellings.items() if level in levels}
    taken = {word_key(word) for level in own.values() for word in level.spellings}
    words = {word: level for word, level in words.items() if word_key(word) not in taken}
    words |= {word: name for name, level in own.items() for word in level.spellings}
    titles = {**column.level_titles, **{name: level.title for name, level in own.items()}}
    return replace(
        column,
        levels=levels,
        level_titles={level: titles[level] for level in levels},
        level_descriptions={
            level: column.level_descriptions.get(level, titles[level]) for level in levels
        },
        spellings=words,
    )


def _with_words(column: FieldSchema, words: Mapping[str, str]) -> FieldSchema:
    # A word for "indeterminate" means nothing in a column that cannot hold it.
    own = {word: level for word, level in words.items() if level in column.levels}
    return replace(column, spellings={**column.spellings, **own}) if own else column


def own_map(
    name: str,
    *,
    unit: str,
    title: str | None = None,
    plausible: Iterable[float] | None = None,
) -> MapSchema:
    """Return the schema of a map that data_schemas/ does not know; its values stay as stored.

    Parameters
    ----------
    name
        Its name.
    unit
        Unit of its values, as text.
    title
        What pages and figures call it; by default its name in words.
    plausible
        Lowest and highest plausible value; without it no value is implausible.
    """
    low, high = plausible or (-math.inf, math.inf)
    # The absolute values of a range that holds 0 have no lower limit.
    lowest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    title = title or name.replace("_", " ")
    return MapSchema(
        name=name,
        title=title,
        description=title,
        unit=unit,
        units={unit: 1.0},
        low=low,
        high=high,
        median_abs_low=lowest,
        median_abs_high=max(abs(low), abs(high)),
    )
