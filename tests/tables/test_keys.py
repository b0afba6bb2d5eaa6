"""Keys that another table lacks, of many rows."""

from __future__ import annotations

from collections import Counter

import pandas as pd

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
