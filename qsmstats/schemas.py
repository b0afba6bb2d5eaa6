"""What data_schemas/ says: columns, types, units, levels and spellings of every table.

The files follow the Table Schema of Frictionless Data Package 2.0
(https://datapackage.org/standard/table-schema/) with six additions on a field: `unit`, `levels`
(title and description per level of the enum), `spellings` (what else the field writes for a level),
`names` (what else the column is called), `optional` (the column may be absent) and `plausible` (the
lowest and the highest value that need no confirmation). A table has `names` too, and a map
`file_names`: what files are called that hold it. They are the only place where these facts stand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

__all__ = [
    "FieldSchema",
    "MapSchema",
    "TableSchema",
    "data_dictionary",
    "load_schema",
    "map_schemas",
    "parcellation_labels",
    "plausible_ranges",
]

TABLES = ("participants", "sessions", "lesions", "ratings", "histology")
"""The tables that a study may have."""


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
        outside, the unit is contradicted.
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
def parcellation_labels() -> Mapping[str, int]:
    """Return name -> label of the parcellations of FreeSurfer and SynthSeg."""
    text = (_folder() / "parcellation.json").read_text(encoding="utf-8")
    labels: dict[str, int] = json.loads(text)["labels"]
    return labels


def data_dictionary(name: str) -> dict[str, dict[str, Any]]:
    """Return the BIDS data dictionary (JSON sidecar) of a table.

    Source: BIDS specification 1.10, "Tabular files": LongName, Description, Levels, Units.
    """
    dictionary: dict[str, dict[str, Any]] = {}
    for column in load_schema(name).fields:
        entry: dict[str, Any] = {"LongName": column.title, "Description": column.description}
        if column.levels:
            entry["Levels"] = {level: column.level_descriptions[level] for level in column.levels}
        if column.unit:
            entry["Units"] = column.unit
        dictionary[column.name] = entry
    return dictionary
