"""Feasible counts: the study's six numbers, rounding, round trips, bad input."""

import itertools
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmstats.accuracy.feasible import feasible_joint_tables, feasible_tables
from qsmstats.errors import UsageError

# Rahmanzadeh et al. 2022, Ann Neurol 92:486, abstract.
PUBLISHED = {
    "remyelinated": {"sensitivity": "88.89", "specificity": "100"},
    "chronic_inactive": {"sensitivity": "71.43", "specificity": "92.00"},
    "chronic_active": {"sensitivity": "92.86", "specificity": "86.36"},
}


def printed(x, m, decimals, rounding):
    exact = Decimal(100 * x) / Decimal(m)
    # Exact ties need exact arithmetic: 100 x / m has a finite expansion whenever it ties.
    return str(exact.quantize(Decimal(1).scaleb(-decimals), rounding=rounding))


@pytest.fixture(scope="module")
def joint():
    return feasible_joint_tables(PUBLISHED, 63)


def test_totals_of_each_class(joint):
    totals = joint.per_class.groupby("class_")["total"].unique().map(lambda v: sorted(map(int, v)))
    assert totals["chronic_inactive"] == [32, 39, 46, 53, 57, 60]
    assert totals["chronic_active"] == [36, 50, 58]
    assert totals["remyelinated"] == list(range(10, 64))


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("remyelinated", (8, 1, 1, 0)),
        ("chronic_inactive", (5, 2, 23, 2)),
        ("chronic_active", (13, 1, 19, 3)),
    ],
)
def test_smallest_table_of_each_class(joint, name, cells):
    rows = joint.per_class[joint.per_class["class_"] == name]
    assert tuple(rows.iloc[0][["tp", "fn", "tn", "fp"]]) == cells
    single = feasible_tables(PUBLISHED[name], n=63)
    assert list(single.columns) == ["tp", "fn", "tn", "fp"]
    assert np.array_equal(single.to_numpy(), rows[["tp", "fn", "tn", "fp"]].to_numpy())


def test_no_total_is_shared_and_the_first_matrix_has_102_lesions(joint):
    assert joint.shared_totals == ()
    assert not joint.possible
    assert joint.nearest_joint_total == 102
    assert joint.verdict == (
        "impossible: no single table of up to 63 lesions gives all percentages; nearest total: 102"
    )


def confusion_exists(total, tables):
    """Whether a 4 x 4 matrix exists, by brute force over the cells between three classes."""
    true = [tp + fn for tp, fn, _, _ in tables]
    said = [tp + fp for tp, _, _, fp in tables]
    if sum(true) > total or sum(said) > total:
        return False
    off = [(i, j) for i in range(3) for j in range(3) if i != j]
    ranges = [range(min(tables[i][3], tables[j][1]) + 1) for i, j in off]
    for values in itertools.product(*ranges):
        cells = dict(zip(off, values, strict=True))
        rows = [
            said[i] - tables[i][0] - sum(cells[i, j] for j in range(3) if j != i) for i in range(3)
        ]
        cols = [
            true[j] - tables[j][0] - sum(cells[i, j] for i in range(3) if i != j) for j in range(3)
        ]
        corner = total - sum(true) - sum(rows)
        if min(*rows, *cols, corner) >= 0:
            return True
    return False


@pytest.mark.slow
def test_every_smaller_shared_total_fails_by_brute_force():
    joint = feasible_joint_tables(PUBLISHED, 101)
    assert not joint.possible
    for total in joint.shared_totals:
        rows = joint.per_class[joint.per_class["total"] == total]
        groups = [
            rows.loc[rows["class_"] == name, ["tp", "fn", "tn", "fp"]].to_numpy().tolist()
            for name in PUBLISHED
        ]
        assert not any(confusion_exists(total, tables) for tables in itertools.product(*groups))


@st.composite
def confusion(draw):
    cell = st.integers(0, 4)
    table = np.array(draw(st.lists(cell, min_size=9, max_size=9))).reshape(3, 3)
    table += np.eye(3, dtype=int)
    return table


@settings(deadline=None)
@given(table=confusion(), other=st.booleans())
def test_a_matrix_drawn_at_random_is_found_jointly(table, other):
    classes = 2 if other else 3
    total = int(table.sum())
    published, cells = {}, []
    for k in range(classes):
        tp = int(table[k, k])
        fn, fp = int(table[:, k].sum()) - tp, int(table[k].sum()) - tp
        tn = total - tp - fn - fp
        cells.append((tp, fn, tn, fp))
        published[f"class {k}"] = {
            "sensitivity": printed(tp, tp + fn, 3, ROUND_HALF_UP),
            "specificity": printed(tn, tn + fp, 3, ROUND_HALF_UP),
        }
    found = feasible_joint_tables(published, total, other=other)
    assert found.possible
    assert total in found.shared_totals
    rows = found.joint[found.joint["total"] == total]
    sets = rows[["tp", "fn", "tn", "fp"]].to_numpy().reshape(-1, classes, 4).tolist()
    assert [list(cell) for cell in cells] in sets


@settings(deadline=None)
@given(
    cells=st.tuples(*[st.integers(0, 12)] * 4),
    decimals=st.integers(0, 4),
    rounding=st.sampled_from([ROUND_HALF_UP, ROUND_HALF_EVEN]),
)
def test_a_table_drawn_at_random_is_among_the_feasible_ones(cells, decimals, rounding):
    tp, fn, tn, fp = cells
    shares = {
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
        "accuracy": (tp + tn, sum(cells)),
    }
    published = {
        name: printed(x, m, decimals, rounding) for name, (x, m) in shares.items() if m > 0
    }
    if "sensitivity" not in published or "specificity" not in published:
        return
    found = feasible_tables(published, n=sum(cells))
    assert list(cells) in found.to_numpy().tolist()


@pytest.mark.parametrize("measure", ["sensitivity", "specificity"])
def test_both_roundings_of_a_tie(measure):
    # 1 of 8 is 12.5 %: half up gives 13, half to even 12; 3 of 8 is 37.5 %: 38 both ways.
    for text, hits, feasible in (
        ("13", 1, True),
        ("12", 1, True),
        ("38", 3, True),
        ("37", 3, False),
    ):
        first = ("tp", "fn") if measure == "sensitivity" else ("tn", "fp")
        table = feasible_tables({measure: text}, n=8)
        rows = table[(table[first[0]] == hits) & (table[first[1]] == 8 - hits)]
        assert (len(rows) > 0) == feasible


def test_every_row_gives_the_percentages_and_none_is_missed():
    published = {"sensitivity": "80.0", "specificity": "75"}
    found = {tuple(row) for row in feasible_tables(published, n=14).to_numpy().tolist()}
    every = {
        cells
        for cells in itertools.product(range(15), repeat=4)
        if 0 < sum(cells) <= 14
        and cells[0] + cells[1] > 0
        and cells[2] + cells[3] > 0
        and printed(cells[0], cells[0] + cells[1], 1, ROUND_HALF_UP) == "80.0"
        and printed(cells[2], cells[2] + cells[3], 0, ROUND_HALF_UP) == "75"
    }
    assert found == every


def test_impossible_percentage_gives_an_empty_frame():
    assert feasible_tables({"sensitivity": "33.34", "specificity": "100"}, n=20).empty


@pytest.mark.parametrize(
    ("published", "n", "message"),
    [
        ({"sensitivity": "100.01"}, 63, "above 100"),
        ({"sensitivity": 88.89}, 63, "as text"),
        ({"sensitivity": "8.8e1"}, 63, "as text"),
        ({"sensitivity": "-3"}, 63, "as text"),
        ({"sensitivity": "8" + "." + "8" * 17}, 63, "too many"),
        ({"kappa": "50"}, 63, "kappa"),
        ({}, 63, "none"),
        ({"sensitivity": "50"}, 0, "whole number"),
        ({"sensitivity": "50"}, 6.5, "whole number"),
        ({"accuracy": "50"}, 400, "tables to try"),
    ],
)
def test_bad_input(published, n, message):
    with pytest.raises(UsageError, match=message):
        feasible_tables(published, n)


def test_joint_needs_two_classes():
    with pytest.raises(UsageError, match="feasible_tables"):
        feasible_joint_tables({"a": {"sensitivity": "50"}}, 10)
