"""What data_schemas/ says: columns, types, units, levels and spellings of every table.

The files follow the Table Schema of Frictionless Data Package 2.0
(https://datapackage.org/standard/table-schema/) with six additions on a field: `unit`, `levels`
(title and description per level of the enum, and whether a lesion type has a `rim`), `spellings`
(what else the field writes for a level), `names` (what else the column is called), `optional` (the
column may be absent) and `plausible` (the lowest and the highest value that need no confirmation).
A table has `names` too, and a map `file_names`: what files are called that hold it. They are the
only place where these facts stand.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

__all__ = [
    "FieldSchema",
    "MapSchema",
    "TableSchema",
    "load_schema",
    "map_features",
    "map_schemas",
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


def word_key(word: str) -> str:
    """Return a word without what does not tell words apart: case, space, underscore, hyphen.

    A hyphen at the end is kept, because ``rim-`` means "no rim" where ``rim+`` means a rim.

    >>> word_key("Hypo-intense_RIM "), word_key("rim -"), word_key("rim+")
    ('hypointenserim', 'rim-', 'rim+')
    """
    text = DASHES.sub("-", unicodedata.normalize("NFKC", word)).casefold()
    text = re.sub(r"[\s_]+", "", text)
    return re.sub(r"(?<=\w)-(?=\w)", "", text)


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
