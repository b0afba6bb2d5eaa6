"""Levels and units that a table brings with it, or that are known without it."""

from __future__ import annotations

import pandas as pd

from qsmstats.own_schemas import Schemas
from qsmstats.studies.answers import levels_of, observed_types
from qsmstats.studies.effects import outcome_unit

KNOWN = Schemas().lesion_types


def test_categories_of_a_table_are_its_levels_in_their_order():
    values = pd.Series(pd.Categorical(["b", None], categories=["b", "a"]))
    assert levels_of(values, KNOWN) == ("b", "a")


def test_text_has_the_known_levels_and_then_what_else_it_holds():
    values = pd.Series(["zz", "hypointense", None, "aa"])
    assert levels_of(values, KNOWN) == (*KNOWN, "aa", "zz")
    rows = observed_types(pd.DataFrame({"lesion_type": values}))
    assert rows["lesion_type"].tolist() == ["zz", "hypointense", "aa"]
    assert rows["lesion_type"].cat.categories.to_list() == ["hypointense", "aa", "zz"]


def test_a_table_of_tissues_keeps_white_matter_first():
    tissue = pd.DataFrame({"tissue": ["isointense", "nawm", "hc_white_matter"]})
    found = observed_types(tissue, "tissue")["tissue"].cat.categories
    assert found.to_list() == ["hc_white_matter", "nawm", "isointense"]


def test_the_unit_of_an_outcome_is_that_of_its_map_or_feature():
    rows = pd.DataFrame()
    rows.attrs["units"] = {"r2star_hz": "Hz"}
    assert outcome_unit("r2star_hz", rows) == "Hz"
    assert outcome_unit("mwf_percent_median", rows) == "percent"
    assert outcome_unit("mwf_percent_z", rows) == "standard deviations of NAWM"
    assert outcome_unit("mwf_percent_coverage", rows) == "1"
    assert outcome_unit("lesion_load", rows) == "lesion_load"
