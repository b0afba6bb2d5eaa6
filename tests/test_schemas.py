"""data_schemas/: valid for frictionless, complete, and of one mind about what they share."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from frictionless import Schema

from qsmstats.schemas import load_schema, map_schemas

READ = ("participants", "sessions", "lesions", "ratings", "histology")
FOLDER = Path(__file__).parents[1] / "data_schemas"
ALL = (*READ, "features", "tissue")


@pytest.mark.parametrize("name", ALL)
def test_a_schema_is_a_valid_table_schema(name):
    report = Schema.validate_descriptor(dict(load_schema(name).descriptor))
    assert report.valid, report.flatten(["message"])


@pytest.mark.parametrize("name", ALL)
def test_every_column_says_what_it_is(name):
    schema = load_schema(name)
    assert schema.name == name
    for column in schema.fields:
        assert column.title, column
        assert column.description.endswith("."), column
        if column.levels:
            assert tuple(column.level_titles) == column.levels
            assert tuple(column.level_descriptions) == column.levels
            assert set(column.spellings.values()) <= set(column.levels)
    names = [column.name for column in schema.fields]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", READ)
def test_numbers_of_tables_that_are_read_have_units(name):
    for column in load_schema(name).fields:
        if column.type == "number":
            assert column.unit, column.name


@pytest.mark.parametrize("name", READ)
def test_keys_name_columns_that_exist(name):
    schema = load_schema(name)
    names = {column.name for column in schema.fields}
    for key in (schema.primary_key, *schema.unique_keys):
        assert set(key) <= names
        assert all(schema.column(column).required for column in key), key
    for key in schema.descriptor.get("foreignKeys", ()):
        columns, table = key["fields"], key["reference"]["resource"]
        assert set(columns) <= names
        other = load_schema(table)
        assert set(columns) <= set(other.primary_key)


def test_columns_of_one_name_agree_between_tables():
    seen: dict[str, tuple[str, str | None]] = {}
    shared = ("participant_id", "session_id", "label", "mwf_percent")
    for name, column in itertools.product((*READ, "features"), shared):
        for item in load_schema(name).fields:
            if item.name == column:
                assert seen.setdefault(column, (item.type, item.unit)) == (item.type, item.unit)
    assert set(seen) == set(shared)


def test_lesion_types_are_the_same_in_every_table():
    column = load_schema("lesions").column("lesion_type")
    ratings = load_schema("ratings").column("lesion_type")
    index = load_schema("histology").column("index_test")
    tissue = load_schema("tissue").column("tissue")
    assert column.levels == ratings.levels == index.levels[:5] == tissue.levels[2:]
    assert column.levels == (
        "isointense",
        "hypointense",
        "hyperintense",
        "hypointense_rim",
        "paramagnetic_rim",
    )
    for other in (ratings, index, tissue):
        for level in column.levels:
            assert other.level_titles[level] == column.level_titles[level]
            assert other.level_descriptions[level] == column.level_descriptions[level]
    for other in (ratings, index):
        spellings = {word: to for word, to in other.spellings.items() if to in column.levels}
        assert spellings == column.spellings


def test_an_unknown_table_or_column_is_an_error():
    with pytest.raises(FileNotFoundError):
        load_schema("zebras")
    with pytest.raises(KeyError):
        load_schema("lesions").column("zebra")


@pytest.mark.parametrize("name", map_schemas())
def test_the_unit_is_part_of_a_maps_name_and_its_own_factor_is_one(name):
    schema = map_schemas()[name]
    assert schema.units[schema.unit] == 1
    assert name.endswith(schema.unit) or schema.unit == "fraction"
    assert schema.low < schema.high
    assert 0 < schema.median_abs_low < schema.median_abs_high


@pytest.mark.parametrize("name", map_schemas())
def test_a_wrong_unit_cannot_pass_for_the_right_one(name):
    """A typical median, read in each wrong unit, leaves the bounds of the schema."""
    schema = map_schemas()[name]
    middle = (schema.median_abs_low * schema.median_abs_high) ** 0.5
    typical = {"susceptibility_ppb": 20.0, "mwf_percent": 10.0, "ndi": 0.5}.get(name, middle)
    assert schema.median_abs_low <= typical <= schema.median_abs_high
    for stored, declared in itertools.permutations(schema.units, 2):
        read = typical / schema.units[stored] * schema.units[declared]
        assert not schema.median_abs_low <= read <= schema.median_abs_high, (stored, declared)


def test_spellings_of_units_are_units_of_maps():
    field = next(f for f in load_schema("features").descriptor["fields"] if f["name"] == "map")
    units = {unit for schema in map_schemas().values() for unit in schema.units}
    assert set(field["unit_spellings"]) == units
    words = list(itertools.chain.from_iterable(field["unit_spellings"].values()))
    assert len(words) == len(set(words))
    assert all(word == word.lower() for word in words)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_no_file_says_something_twice(path):
    """Of two entries of one name, JSON keeps the last without a word."""

    def unique(pairs):
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names)), names
        return dict(pairs)

    json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique)
