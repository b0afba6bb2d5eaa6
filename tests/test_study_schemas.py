"""What a study declares of its maps, types, classes and codes."""

from __future__ import annotations

import json

import pytest

from qsmstats.own_schemas import Schemas, own_map
from qsmstats.schemas import plausible_ranges
from qsmstats.study_file import open_study
from qsmstats.study_schemas import declared_schemas, range_problem
from qsmstats.tables.read import read_tables

from .study_folder import TOML, tables, write_tables

OWN = """
[maps.r2star_hz]
pattern = "{participant}/{session}/r2s.nii.gz"
unit = "Hz"
title = "R2*"
plausible = [0, 200]

[models]
outcomes = ["mwf_percent", "r2star_hz.layer_1", "mwf_percent.z"]

[lesion_types]
"?" = "indeterminate"
[lesion_types.no_rim]
spellings = ["0", "non-PRL"]
[lesion_types.paramagnetic_rim]
colour = "#D55E00"
spellings = ["1"]
reference = true

[histology.classes.lost]
title = "myelin lost"
[histology.classes.remyelinated]
[histology.mapping]
lost = "paramagnetic_rim"

[levels.sex]
"1" = "F"
"2" = "M"
[levels.group]
"RRMS" = "MS"
"PPMS" = "MS"
[levels.center]
"7" = "Basel"
"8" = "Bern"
"""


@pytest.fixture
def study(tmp_path):
    content = tables()
    for row in content["participants"][1:]:
        row[3] = {"F": "1", "M": "2"}[row[3]]
        row[1] = {"MS": "RRMS", "HC": "HC"}[row[1]]
        row[4] = "7"
    for name in ("lesions", "ratings"):
        for at, row in enumerate(content[name][1:]):
            row[4] = ("0", "non PRL", "1", "PRL")[at % 4]
    content["histology"][1:] = [["B1", "1", "?", "lost"], ["B1", "2", "1", "remyelinated"]]
    return open_study(write_tables(tmp_path, content, TOML + OWN))


def test_the_reference_stands_first_and_the_columns_of_types_agree(study):
    types = ("paramagnetic_rim", "no_rim")
    assert study.schemas.lesion_types == types
    assert study.schemas.tissues == ("hc_white_matter", "nawm", *types)
    histology = study.schemas.table("histology")
    assert histology.column("index_test").levels == (*types, "indeterminate")
    assert histology.column("reference_standard").levels == (
        "lost",
        "remyelinated",
        "indeterminate",
    )
    assert study.schemas.titles["paramagnetic_rim"] == "paramagnetic rim (PRL)"
    assert study.schemas.titles["no_rim"] == "no rim"
    # A default mapping would name types that the study does not have.
    assert study.histology.mapping == {"lost": ("paramagnetic_rim",)}
    assert study.histology.high_in == {}


def test_features_of_maps_are_columns_with_a_unit(study):
    assert study.outcomes == ("mwf_percent", "r2star_hz_layer_1", "mwf_percent_z")
    found = [study.schemas.outcomes[name] for name in study.outcomes]
    assert [one.unit for one in found] == ["percent", "Hz", "standard deviations of NAWM"]
    assert found[1].map.title == "R2*"
    assert found[1].feature.name == "layer_1_mean"


def test_words_of_the_tables_become_levels_and_subgroups_stay(study):
    read = read_tables(study)
    assert read.lesions["lesion_type"].cat.categories.to_list() == ["paramagnetic_rim", "no_rim"]
    assert read.lesions["lesion_type"].to_list()[:4] == ["no_rim"] * 2 + ["paramagnetic_rim"] * 2
    assert read.histology["index_test"].to_list() == ["indeterminate", "paramagnetic_rim"]
    people = read.participants
    assert people["sex"].to_list() == ["F", "M", "F", "M"]
    assert people["group"].to_list() == ["MS"] * 3 + ["HC"]
    assert people["group_recorded"].to_list() == ["RRMS"] * 3 + ["HC"]
    # Two declared codes of different levels lose nothing.
    assert people["center"].to_list() == ["Basel"] * 4
    assert "sex_recorded" not in people


def test_what_is_declared_survives_the_output_folder(study):
    told = json.loads(json.dumps(study.schemas.declared()))
    assert Schemas.from_declared(told) == study.schemas
    assert Schemas.from_declared({}) == Schemas()


def test_without_declarations_everything_is_as_in_the_schemas():
    found: list[tuple[str, str]] = []
    assert declared_schemas({}, found) == Schemas()
    assert not found
    assert Schemas().table("lesions") == Schemas().table("lesions")
    assert len(Schemas().lesion_types) == 5


@pytest.mark.parametrize(
    ("plausible", "lowest", "highest"),
    [((0, 200), 0, 200), ((300, 3000), 300, 3000), ((-50, 20), 0, 50), ((-9, -2), 2, 9)],
)
def test_a_range_bounds_absolute_values(plausible, lowest, highest):
    schema = own_map("x", unit="u", plausible=plausible)
    assert (schema.median_abs_low, schema.median_abs_high) == (lowest, highest)
    assert (schema.low, schema.high) == plausible
    assert not own_map("x", unit="u").has_range


def test_a_range_is_two_numbers_in_order():
    assert range_problem(list(plausible_ranges()["age"]), "") is None
    for wrong in ([1], [2, 1], [1, 1], ["1", 2], [True, 2], 3, [float("nan"), 1], [0, 10**400]):
        assert "as x = [0, 1]" in range_problem(wrong, "x = [0, 1]")
