"""Notes of a fit about columns that are not what they seem."""

import numpy as np
import pandas as pd
import pytest

from qsmstats import MixedModel
from tests.mixed import designs


@pytest.fixture(scope="module")
def data():
    return designs.random_data(8, rows=120).assign(dose=np.arange(120) % 25 / 2 + 1.5)


def messages(data, formula="y ~ x + dose + (1 | g)", **options):
    return [note for note in MixedModel(formula).fit(data, **options).info.messages if "'" in note]


@pytest.mark.parametrize("dtype", [int, float, "Int64"])
def test_an_outcome_of_two_values_names_the_model_for_it(data, dtype):
    binary = data.assign(y=(data.y > data.y.median()).astype(dtype))
    assert messages(binary) == [
        "the outcome 'y' takes two values only (0 and 1), but the model assumes normal residuals: "
        "use GeneralizedMixedModel with family='binomial'"
    ]
    coded = binary.assign(y=binary.y + 1)
    assert "takes two values only (1 and 2)" in messages(coded)[0]
    assert messages(data.assign(y=data.y.rank() // 40)) == []  # three values or more


def convert(kind):
    return lambda values: values.astype(str).astype(kind)


@pytest.mark.parametrize(
    "made",
    [convert(object), convert("string"), convert("category"), lambda x: x.astype("category")],
    ids=["text", "string", "category of text", "category of numbers"],
)
def test_numbers_stored_as_text_are_noted(data, made):
    text = data.assign(dose=made(data.dose))
    assert messages(text) == [
        "column 'dose' holds numbers as text or categories and is fitted as a factor of 25 levels; "
        "if numbers are meant, convert it with pandas.to_numeric"
    ]
    assert messages(text.assign(dose=pd.to_numeric(text.dose.astype(str)))) == []
    assert messages(text, "y ~ x + C(dose) + (1 | g)") == []


def test_a_cell_that_is_no_number_is_named(data):
    text = data.assign(dose=data.dose.astype(str).replace("2.0", "<2"))
    assert messages(text)[0].endswith("convert it with pandas.to_numeric (not a number: <2)")


def test_random_terms_and_weights_are_looked_at_too(data):
    halves = data.assign(half=(data.dose // 4 + 0.5).astype(str))
    assert "'half' holds numbers" in messages(halves, "y ~ x + (0 + half | g)")[0]
    assert "'half' holds numbers" in messages(halves, "y ~ x + (1 | g)", weights="half")[0]


def test_codes_are_categories_without_a_note(data):
    codes = data.assign(code=(data.dose // 3).astype(int).astype(str), flag=data.x > 0)
    assert messages(codes, "y ~ x + code + flag + (1 | g:code)") == []
    floats = codes.assign(code=codes.code.astype(float).astype("category"))
    assert messages(floats, "y ~ x + code + (1 | g)") == []


def test_a_factor_of_a_level_a_row_is_noted(data):
    names = data.assign(name=[f"row {min(at, 70)}" for at in range(120)])
    assert messages(names, "y ~ x + name + (1 | g)") == [
        "column 'name' is fitted as a factor of 71 levels in 120 rows, fewer than two rows per "
        "level; omit it, or use it as a group: (1 | group)"
    ]
