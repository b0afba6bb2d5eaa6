"""Keys that another table lacks, of many rows."""

from __future__ import annotations

from collections import Counter

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from qsmstats.tables import keys
from qsmstats.tables.raw_table import RawTable


def raw(name: str, rows: list[tuple[str, ...]], columns: list[str]) -> RawTable:
    cells = pd.DataFrame(rows, columns=columns, dtype="str")
    places = pd.DataFrame({"file": f"{name}.tsv", "row": range(2, len(rows) + 2)})
    return RawTable(name=name, file=f"{name}.tsv", cells=cells, places=places)


def test_rows_of_a_session_that_lack_their_lesion_look_for_it_among_those_of_the_session(
    monkeypatch,
):
    columns = ["participant_id", "session_id", "lesion_id"]
    visits = [(f"sub-{who}", f"ses-{visit}") for who in range(5) for visit in range(3)]
    lesions = [(*visit, f"L{lesion}") for visit in visits for lesion in range(1, 5)]
    ratings = [(who, visit, lesion.replace("L", "l0")) for who, visit, lesion in lesions]
    made: Counter[int] = Counter()

    class Counted(keys.Sought):
        def __init__(self, names) -> None:
            made[len(names)] += 1
            super().__init__(names)

    monkeypatch.setattr(keys, "Sought", Counted)
    tables = {
        "lesions": raw("lesions", lesions, columns),
        "ratings": raw("ratings", ratings, columns),
    }
    found = list(keys.reference_problems(tables["ratings"], {"lesions": {}, "ratings": {}}, tables))
    assert [item.row for item in found] == list(range(2, len(ratings) + 2))
    assert str(found[4]) == (
        "ratings.tsv row 6, column 'lesion_id': lesions.tsv has no row with participant_id "
        "'sub-0', session_id 'ses-1', lesion_id 'l01'; did you mean 'L1'?"
    )
    # Once per session with its four lesions; not once per row.
    assert made == {4: len(visits)}


@given(st.data(), st.integers(1, 3))
def test_a_row_with_a_broken_key_may_be_the_one_that_another_table_looks_for(data, parts):
    word = st.text("ab", max_size=3)
    names = ["participant_id", "session_id", "lesion_id"][:parts]
    rows = data.draw(st.lists(st.tuples(*[word] * parts), min_size=1, max_size=6))
    sought = data.draw(st.tuples(*[word] * parts))
    places = st.tuples(st.integers(0, len(rows) - 1), st.sampled_from(names))
    broken = dict.fromkeys(data.draw(st.lists(places)), "is broken")
    target = keys._Target(raw("lesions", rows, names), names, broken)
    # As the rule says, row by row: a broken part agrees with all, a single one with what holds it.
    expected = any(
        all(
            part == other or ((number, name) in broken and (parts > 1 or part in other))
            for name, part, other in zip(names, row, sought, strict=True)
        )
        for number, row in enumerate(rows)
        if any((number, name) in broken for name in names)
    )
    assert target.may_mean(sought) == expected


def test_thousands_of_broken_keys_are_not_gone_through_for_each_row_that_lacks_its_own():
    class Counted(str):
        looked_at = 0

        def __eq__(self, other: object) -> bool:
            Counted.looked_at += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    names = ["participant_id", "session_id"]
    rows = [(f"sub-{number}", "ses-?") for number in range(2000)]
    broken = {(number, "session_id"): "is broken" for number in range(2000)}
    target = keys._Target(raw("sessions", rows, names), names, broken)
    assert not any(target.may_mean((Counted(f"sub-x{n}"), "ses-1")) for n in range(2000))
    assert target.may_mean((Counted("sub-7"), "ses-1"))
    assert Counted.looked_at < 2000
