"""Each problem once, with every row that has it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qsmstats.errors import Problem
from qsmstats.tables.problems import summarise


def at(
    row: int | None, text: str = "odd", table: str = "a.tsv", column: str | None = "c"
) -> Problem:
    return Problem(table=table, row=row, column=column, problem=text)


def test_rows_with_one_problem_are_counted_together():
    assert list(map(str, summarise([at(17), *map(at, range(18, 57))]))) == [
        "a.tsv row 17, column 'c': odd (and 39 more rows: 18-56)"
    ]
    assert str(summarise([at(4), at(9)])[0]) == "a.tsv row 4, column 'c': odd (and row 9)"


def test_many_scattered_rows_are_counted_and_the_first_named():
    found = str(summarise([at(row) for row in range(2, 42, 2)])[0])
    assert found.endswith("odd (and 19 more rows: 4, 6, 8, 10, 12, 14, 16, 18, ...)")


def test_the_order_is_that_of_files_then_rows():
    found = summarise([at(9, "x", "b"), at(3, "y", "a"), at(2, "z", "b"), at(None, "w", "b")])
    assert [(item.table, item.row) for item in found] == [("b", None), ("b", 2), ("b", 9), ("a", 3)]


@given(st.lists(st.tuples(st.integers(2, 30), st.sampled_from("xyz"), st.sampled_from("ab"))))
def test_nothing_is_lost_and_nothing_is_said_twice(items):
    found = summarise([at(row, text, table) for row, text, table in items])
    wanted = {(table, text) for _, text, table in items}
    assert {(item.table, item.problem[0]) for item in found} == wanted
    assert len(found) == len(wanted)
    for item in found:
        rows = {row for row, text, table in items if (table, text) == (item.table, item.problem[0])}
        assert {item.row, *item.also} == rows
        assert item.row == min(rows)
