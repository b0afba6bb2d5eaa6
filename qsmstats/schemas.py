"""What data_schemas/ says: columns, types, units, levels and spellings of every table.

The files follow the Table Schema of Frictionless Data Package 2.0
(https://datapackage.org/standard/table-schema/) with six additions on a field: `unit`, `levels`
(title and description per level of the enum, and whether a lesion type has a `rim`), `spellings`
(what else the field writes for a level), `names` (what else the column is called), `optional` (the
column may be absent) and `plausible` (the lowest and the highest value that need no confirmation).
A table has `names` too, and a map `file_names`: what files are called that hold it. They are the
only place where these facts stand.

A study may declare maps, lesion types and classes of pathology of its own, and its own words for
levels: its `Schemas` are these schemas with what it declares in place of theirs.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from qsmstats.display import Displayed

__all__ = [
    "FieldSchema",
    "Level",
    "MapSchema",
    "OutcomeSchema",
    "Schemas",
    "TableSchema",
    "known_levels",
    "load_schema",
    "map_features",
    "map_schemas",
    "own_map",
    "parcel_words",
    "parcellation_labels",
    "plausible_ranges",
    "result_columns",
    "word_key",
]

TABLES = ("participants", "sessions", "lesions", "ratings", "histology")
"""The tables that a study may have."""
TYPES = {"lesions": "lesion_type", "ratings": "lesion_type", "histology": "index_test"}
"""Table -> its column of lesion types."""
UNDECIDED = "indeterminate"
DECLARED = "schemas.json"
"""File of an output folder that holds what its study declares (`Schemas.declared`)."""
DASHES = re.compile("[\u2010-\u2015\u2212]")
MAP = "{map}"
LAST_PARCEL = 99_999
"""The largest label of a parcellation that study.toml may name."""
PARCELS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSchema:
    """One column of a table."""

    name: str
    title: str
    type: str
    description: str
    unit: str | None = None
    optional: bool = False
    required: bool = False
    levels: tuple[str, ...] = ()
    level_titles: Mapping[str, str] = field(default_factory=dict)
    level_descriptions: Mapping[str, str] = field(default_factory=dict)
    spellings: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    plausible: tuple[float, float] | None = None
    pattern: str = ".*"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema:
    """One table: its columns, keys and the descriptor as frictionless reads it."""

    name: str
    title: str
    description: str
    fields: tuple[FieldSchema, ...]
    primary_key: tuple[str, ...]
    unique_keys: tuple[tuple[str, ...], ...]
    missing_values: tuple[str, ...]
    names: tuple[str, ...]
    descriptor: Mapping[str, Any]

    def column(self, name: str) -> FieldSchema:
        """Return the column called `name`; KeyError where the schema has none."""
        for column in self.fields:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSchema:
    """One quantitative map in its canonical unit.

    Attributes
    ----------
    name
        Canonical name; the column that carries the map's values.
    units
        Accepted unit -> factor to the canonical unit.
    low, high
        Values outside cannot occur in tissue (canonical unit).
    median_abs_low, median_abs_high
        The median absolute value in white matter lies between these where the unit is as declared;
        outside, the unit is contradicted. 0 and infinity contradict none.
    file_names
        Words in the names of files that hold the map.
    """

    name: str
    title: str
    description: str
    unit: str
    units: Mapping[str, float]
    low: float
    high: float
    median_abs_low: float
    median_abs_high: float
    file_names: tuple[str, ...] = ()

    @property
    def has_range(self) -> bool:
        """Whether a range of plausible values is known."""
        return math.isfinite(self.low) or math.isfinite(self.high)


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
    raw = next(item for item in _descriptor(table)["fields"] if item["name"] == name)
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


def word_key(word: str) -> str:
    """Return a word without what does not tell words apart: case, space, underscore, hyphen.

    A hyphen at the end is kept, because ``rim-`` means "no rim" where ``rim+`` means a rim.

    >>> word_key("Hypo-intense_RIM "), word_key("rim -"), word_key("rim+")
    ('hypointenserim', 'rim-', 'rim+')
    """
    text = DASHES.sub("-", unicodedata.normalize("NFKC", word)).casefold()
    text = re.sub(r"[\s_]+", "", text)
    return re.sub(r"(?<=\w)-(?=\w)", "", text)


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


def _folder() -> Path:
    # A wheel carries the schemas inside the package; a checkout keeps them beside it.
    packaged = Path(str(files("qsmstats"))) / "data_schemas"
    return packaged if packaged.is_dir() else packaged.parents[1] / "data_schemas"


def _descriptor(name: str) -> dict[str, Any]:
    text = (_folder() / f"{name}.schema.json").read_text(encoding="utf-8")
    descriptor: dict[str, Any] = json.loads(text)
    return descriptor


def _field(raw: Mapping[str, Any]) -> FieldSchema:
    constraints = raw.get("constraints", {})
    levels = raw.get("levels", {})
    plausible = raw.get("plausible")
    return FieldSchema(
        name=raw["name"],
        title=raw["title"],
        type=raw["type"],
        description=raw["description"],
        unit=raw.get("unit"),
        optional=raw.get("optional", False),
        required=constraints.get("required", False),
        levels=tuple(constraints.get("enum", ())),
        level_titles={key: level["title"] for key, level in levels.items()},
        level_descriptions={key: level["description"] for key, level in levels.items()},
        spellings={
            word: level for level, words in raw.get("spellings", {}).items() for word in words
        },
        names=tuple(raw.get("names", ())),
        plausible=(plausible["low"], plausible["high"]) if plausible else None,
        pattern=constraints.get("pattern", ".*"),
    )


@cache
def load_schema(name: str) -> TableSchema:
    """Read the schema of the table called `name` (``participants``, ``lesions``, ...).

    Raises
    ------
    FileNotFoundError
        If data_schemas/ has no such table.
    """
    raw = _descriptor(name)
    return TableSchema(
        name=raw["name"],
        title=raw["title"],
        description=raw["description"],
        fields=tuple(map(_field, raw["fields"])),
        primary_key=tuple(raw.get("primaryKey", ())),
        unique_keys=tuple(map(tuple, raw.get("uniqueKeys", ()))),
        missing_values=tuple(raw["missingValues"]),
        names=tuple(raw.get("names", ())),
        descriptor=raw,
    )


@cache
def plausible_ranges() -> Mapping[str, tuple[float, float]]:
    """Return the range of plausible values of each column that has one, of all tables read."""
    columns = [column for name in TABLES for column in load_schema(name).fields]
    return {column.name: column.plausible for column in columns if column.plausible}


@cache
def map_schemas() -> Mapping[str, MapSchema]:
    """Return the maps that features.schema.json knows, by canonical name."""
    fields = _descriptor("features")["fields"]
    raw = next(item["maps"] for item in fields if item["name"] == "map")
    return {
        name: MapSchema(
            name=name,
            title=item["title"],
            description=item["description"],
            unit=item["unit"],
            units=item["units"],
            **item["plausible"],
            file_names=tuple(item["file_names"]),
        )
        for name, item in raw.items()
    }


@cache
def map_features() -> Mapping[str, FieldSchema]:
    """Return the numeric features of a map other than its mean, by what their column ends in.

    ``median`` for the column ``mwf_percent_median``. Some of them stand in every tidy table, under
    the name that features.schema.json gives them, the others where a study analyses them.
    """
    schema = load_schema("features")
    found = {}
    for raw, column in zip(schema.descriptor["fields"], schema.fields, strict=True):
        tidy = raw.get("tidy", MAP + "_" + column.name.removesuffix("_mean"))
        # What not every study has, such as left_out_mm3, is of a session and not of a lesion.
        of_map = column.type == "number" and not column.optional
        if of_map and tidy.startswith(MAP + "_"):
            found[tidy.removeprefix(MAP + "_")] = column
    return found


@cache
def parcellation_labels() -> Mapping[str, int]:
    """Return name -> label of the parcellations of FreeSurfer and SynthSeg."""
    text = (_folder() / "parcellation.json").read_text(encoding="utf-8")
    labels: dict[str, int] = json.loads(text)["labels"]
    return labels


def parcel_words(parcels: Sequence[tuple[int, int]]) -> str:
    """Return the first few of some ranges of labels, a single label with its name if it has one.

    >>> parcel_words([(2, 2), (3000, 4999)])
    '2 (Left-Cerebral-White-Matter), 3000-4999'
    """
    # Of several names of a label, the first is that of the present version.
    names = {label: f" ({name})" for name, label in reversed([*parcellation_labels().items()])}
    words = [
        f"{first}-{last}" if first < last else f"{first}{names.get(first, '')}"
        for first, last in parcels[:PARCELS_SHOWN]
    ]
    return ", ".join(words + ["..."] * (len(parcels) > PARCELS_SHOWN))


@cache
def result_columns() -> Mapping[str, Any]:
    """Return what data_schemas/results.json says of the columns of tables of results."""
    text = (_folder() / "results.json").read_text(encoding="utf-8")
    told: dict[str, Any] = json.loads(text)
    return told
