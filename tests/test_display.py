"""What a prompt and a notebook show of records and tables."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest

import qsmstats as qs
from qsmstats.display import LINES, WIDTH, Displayed
from qsmstats.errors import UsageError


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inner(Displayed):
    formula: str = "y ~ x"
    rows: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Record(Displayed):
    opened = ("second", "first")

    values: np.ndarray
    first: pd.DataFrame
    second: pd.DataFrame
    inner: Inner
    notes: tuple[str, ...] = ()
    counts: dict[str, int] = dataclasses.field(default_factory=dict)


def table(rows, **columns):
    return pd.DataFrame({"level": [f"l{row}" for row in range(rows)], **columns}).assign(
        estimate=1.0
    )


def record(first=3, second=4):
    return Record(
        values=np.zeros((1000, 30)),
        first=table(first),
        second=table(second),
        inner=Inner(),
        notes=("one\ntwo", "<b>" * 100),
        counts={"a": 1, "b": 2},
    )


def test_a_record_is_shown_by_its_fields_and_its_tables():
    lines = repr(record()).splitlines()
    assert lines[:2] == ["Record", "  values: array, shape (1000, 30)"]
    assert "  inner: Inner(formula: y ~ x)" in lines
    assert "  counts: a: 1; b: 2" in lines
    assert lines.index("second:") < lines.index("first:")
    assert lines[lines.index("first:") + 1].split() == ["level", "estimate"]


@pytest.mark.parametrize("rows", [0, 1, 15, 25, 26, 27, 28, 29, 30, 31, 5000])
def test_no_record_is_longer_than_a_screen(rows):
    lines = repr(record(first=5000, second=rows)).splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= WIDTH
    shown = [line for line in lines if line.startswith("l") and line[1].isdigit()]
    told = [int(line.split()[1]) for line in lines if line.startswith("... ")]
    if rows < 20:
        assert sum(told) == 5000 + rows - len(shown)


def test_a_notebook_shows_text_as_text():
    html = record(first=100)._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>Record</b>" in html
    assert html.count("<table") == 3
    assert "(the first 40 of 100 rows)" in html


def test_a_record_keeps_its_values_through_a_pickle():
    made = pickle.loads(pickle.dumps(Inner(formula="z")))
    assert made.formula == "z"
    assert repr(made) == repr(Inner(formula="z"))


CONTRASTS = pd.DataFrame(
    {
        "contrast": ["hypointense_rim - paramagnetic_rim" * 2, "b"],
        "first": "a",
        "second": "b",
        "estimate": [0.123456, -12.0],
        "std_error": 1.0,
        "df": 10.0,
        "p_value": [0.5, 0.00001],
        "p_adjusted": [0.6, 0.00002],
        "conf_low": -1.0,
        "conf_high": 1.0,
        "conf_low_adjusted": [-2.0, np.nan],
        "conf_high_adjusted": 2.0,
        "adjust": "mvt",
    }
)


def test_a_table_of_contrasts_shows_estimate_interval_and_p_within_the_width(capsys):
    qs.show(CONTRASTS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        *("contrast", "estimate", "conf_low_adjusted", "conf_high_adjusted", "p_adjusted"),
    ]
    assert lines[1].split()[-4:] == ["0.1235", "-2.000", "2.000", "0.600"]
    assert lines[2].split() == ["b", "-12.00", "2.000", "<0.001"]
    assert max(map(len, lines)) <= WIDTH


def test_limits_that_were_not_adjusted_are_shown_beside_an_adjusted_p(capsys):
    qs.show(CONTRASTS.assign(conf_low_adjusted=np.nan))
    heads = capsys.readouterr().out.splitlines()[0].split()
    assert heads == ["contrast", "estimate", "conf_low", "conf_high", "p_adjusted"]


def test_of_other_tables_as_many_columns_are_shown_as_there_is_room_for(capsys):
    qs.show(pd.DataFrame({f"column_{number:02d}": [number] for number in range(40)}))
    heads = capsys.readouterr().out.splitlines()[0]
    assert heads.split() == [f"column_{number:02d}" for number in range(9)]
    limits = pd.DataFrame({0: [-1.0], 1: [2.0]}, index=pd.Index(["age"], name="term"))
    qs.show(limits)
    assert capsys.readouterr().out.split() == ["term", "0", "1", "age", "-1.000", "2.000"]
    with pytest.raises(UsageError, match="show prints a DataFrame, not int"):
        qs.show(1)


def test_what_is_noted_of_all_rows_stands_below_them(capsys):
    qs.show(CONTRASTS.assign(note="limits are Bonferroni's"))
    assert capsys.readouterr().out.splitlines()[-1] == "limits are Bonferroni's"
    qs.show(CONTRASTS.assign(note=["", "limits are Bonferroni's"]))
    assert "Bonferroni" not in capsys.readouterr().out
    assert "Bonferroni" in record_of(CONTRASTS.assign(note="limits are Bonferroni's"))._repr_html_()


def record_of(table):
    return dataclasses.replace(record(), first=table)


def test_intervals_of_one_proportion_are_told_apart_by_their_role(capsys):
    qs.show(qs.clustered_proportion([7, 4, 9], [8, 5, 9]))
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split()[-1] == "role"
    assert sum(line.endswith(" recommended") for line in shown) == 1
