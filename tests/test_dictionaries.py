"""Data dictionaries beside the tables."""

from __future__ import annotations

import pytest

from qsmstats.dictionaries import data_dictionary, result_dictionary
from qsmstats.own_schemas import Schemas, own_map
from qsmstats.schemas import TABLES, load_schema


@pytest.mark.parametrize("name", TABLES)
def test_data_dictionaries_are_those_of_bids(name):
    schema = load_schema(name)
    dictionary = data_dictionary(schema)
    assert list(dictionary) == [column.name for column in schema.fields]
    for column in schema.fields:
        entry = dictionary[column.name]
        assert set(entry) <= {"LongName", "Description", "Levels", "Units"}
        assert tuple(entry.get("Levels", {})) == column.levels
        assert entry.get("Units") == column.unit


def test_columns_of_maps_carry_their_unit_and_those_of_the_study_are_said_to_be_its_own():
    schemas = Schemas(own_maps={"r2star_hz": own_map("r2star_hz", unit="Hz", title="R2*")})
    columns = ["age", "r2star_hz", "r2star_hz_shell_z", "mwf_percent_p95", "volume_mm3", "site"]
    found = result_dictionary("tidy", columns, schemas)
    assert list(found) == columns
    assert found["age"]["Units"] == "year"
    assert found["r2star_hz"] == {
        "LongName": "R2*: Mean",
        "Description": "Mean of the valid voxels.",
        "Units": "Hz",
    }
    assert found["r2star_hz_shell_z"]["Units"] == "standard deviations of NAWM"
    assert found["mwf_percent_p95"]["Units"] == "percent"
    assert found["volume_mm3"]["Units"] == "mm3"
    assert found["site"] == {"Description": "Column of the study's own tables."}


def test_a_column_means_what_its_table_says():
    texts = {
        name: result_dictionary(name, [column])[column]["Description"]
        for name, column in (("variances", "group"), ("matching", "group"), ("accuracy", "level"))
    }
    assert texts == {
        "variances": "Grouping factor of the random effect.",
        "matching": "Number of the lesions that are connected by overlap.",
        "accuracy": "Level of the confidence interval.",
    }
    assert "Levels" in result_dictionary("tissue", ["group"])["group"]
