"""Data dictionaries: what the columns of a table hold, as the JSON file that BIDS has beside it.

Source: BIDS specification 1.10, "Tabular files": LongName, Description, Levels, Units. Columns of
the schemas are described there, features of maps under the names that the tidy tables give them,
and those of results in data_schemas/results.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from qsmstats.own_schemas import Schemas
from qsmstats.schemas import FieldSchema, TableSchema, result_columns

__all__ = ["data_dictionary", "result_dictionary"]

Entry = dict[str, Any]
MEASURED = ("features", "tidy", "tissue", "disputed", "patients")
"""Tables of the measured lesions, which hold the columns of the study's tables."""


def data_dictionary(schema: TableSchema) -> dict[str, Entry]:
    """Return the data dictionary of a table that has a schema."""
    return {column.name: _entry(column) for column in schema.fields}


def _entry(column: FieldSchema) -> Entry:
    entry: Entry = {"LongName": column.title, "Description": column.description}
    if column.levels:
        entry["Levels"] = {level: column.level_descriptions[level] for level in column.levels}
    if column.unit:
        entry["Units"] = column.unit
    return entry


def result_dictionary(
    name: str, columns: Iterable[str], schemas: Schemas | None = None
) -> dict[str, Entry]:
    """Return the data dictionary of a table of an output folder.

    Parameters
    ----------
    name
        Name of the table: that of its file without the suffix.
    columns
        Its columns.
    schemas
        Those of the study, where it has schemas of its own.

    Returns
    -------
    dict
        Column -> what it holds, in the order of `columns`.
    """
    told = result_columns()
    own = told["tables"].get(name, {})
    texts = {**told["columns"], **own.get("columns", {})}
    schemas = schemas or Schemas()
    known = {column: {"Description": text} for column, text in texts.items()}
    if name in MEASURED:
        known |= _measured(schemas)
    if name == "patients":
        known |= _of_patients(own, schemas)
    other = {"Description": own["other"]} if "other" in own else {}
    return {column: known.get(column, other) for column in columns}


def _of_patients(own: Mapping[str, Any], schemas: Schemas) -> dict[str, Entry]:
    """Return the columns of each lesion type and map, and their changes per year."""
    titles = schemas.table("lesions").column("lesion_type").level_titles
    units = {name: schema.unit for name, schema in schemas.maps.items()}
    found: dict[str, Entry] = {}
    for pattern, text in own["columns"].items():
        names = titles if "{type}" in pattern else units if "{map}" in pattern else [""]
        for name in names:
            entry: Entry = {"Description": text}
            if "{type}" in pattern:
                entry = {"LongName": f"{pattern.partition('_')[0]}: {titles[name]}"} | entry
            if "{map}" in pattern:
                entry |= {"Units": units[name]}
            found[pattern.format(type=name, map=name)] = entry
    changes = {
        f"{column}_per_year": {"Description": f"{own['per_year']}: {entry['Description']}"}
        for column, entry in found.items()
    }
    return found | changes


def _measured(schemas: Schemas) -> dict[str, Entry]:
    """Return the columns of the study's tables, and those of the features of its maps."""
    features = schemas.table("features")
    found: dict[str, Entry] = {}
    for column, raw in zip(features.fields, features.descriptor["fields"], strict=True):
        found[column.name] = entry = _entry(column)
        if "{map}" not in raw.get("tidy", "{map}"):
            found[raw["tidy"]] = entry
            continue
        tidy = raw.get("tidy", "{map}_" + column.name.removesuffix("_mean"))
        for key, schema in schemas.maps.items():
            units = schema.unit if column.unit == "unit of the map" else column.unit
            found[tidy.format(map=key)] = {
                "LongName": f"{schema.title}: {column.title}",
                "Description": column.description,
                **({"Units": units} if units else {}),
            }
    for name in ("participants", "sessions", "lesions", "tissue"):
        found |= data_dictionary(schemas.table(name))
    return found
