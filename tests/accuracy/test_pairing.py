"""Two-by-two counts and confusion matrices against a loop over the lesions."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmstats.accuracy.pairing import POLICIES, confusion_matrices, one_vs_rest, pair_classes

OWN = {"x1": "x", "x2": "x", "y1": "y", "rim": "none"}
REFERENCE = {"x": "x", "y": "y", "other": "none"}


def counted_by_loop(rows, class_, missing, indeterminate):
    """What the module's docstring says, lesion by lesion: TP, FP, FN, TN."""
    cells = {"tp": 0, "fp": 0, "fn": 0, "tn": 0}
    for _, index, reference in rows:
        if "drop" in (index, reference):
            continue
        policy = {None: missing, "unclear": indeterminate}.get(index, "read")
        if policy != "read" and reference is None:
            continue
        if policy == "read" and reference is None:
            policy = missing
            said = OWN[index] == class_
            true = said if policy == "best" else not said
        else:
            true = REFERENCE[reference] == class_
            if policy == "read":
                said = OWN[index] == class_
            else:
                said = true if policy == "best" else not true
        if policy == "exclude":
            continue
        cells[("t" if said == true else "f") + ("p" if said else "n")] += 1
    return tuple(cells.values())


lesions = st.lists(
    st.tuples(
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from([*OWN, "drop", "unclear", None]),
        st.sampled_from([*REFERENCE, "drop", None]),
    ),
    min_size=1,
    max_size=40,
)


def paired(rows):
    return pair_classes(
        pd.DataFrame(rows, columns=["brain", "index", "reference"], dtype=object),
        index_test="index",
        reference_standard="reference",
        mapping={"x": ["x1", "x2"], "y": ["y1"]},
        cluster="brain",
        unmapped={"rim": "negative", "other": "negative", "drop": "exclude"},
        indeterminate_levels=["unclear"],
    )


@pytest.mark.parametrize("missing", POLICIES)
@pytest.mark.parametrize("indeterminate", POLICIES)
@settings(deadline=None, max_examples=40)
@given(rows=lesions)
def test_counts_under_every_policy(missing, indeterminate, rows):
    pairs = paired(rows)
    for class_ in ("x", "y"):
        table = one_vs_rest(pairs, class_, missing=missing, indeterminate=indeterminate)
        assert table.totals == counted_by_loop(rows, class_, missing, indeterminate)
        for k, brain in enumerate(pairs.clusters):
            own = [row for row in rows if row[0] == brain]
            cells = tuple(int(cell[k]) for cell in (table.tp, table.fp, table.fn, table.tn))
            assert cells == counted_by_loop(own, class_, missing, indeterminate)


@settings(deadline=None)
@given(rows=lesions)
def test_confusion_matrices_hold_the_complete_pairs(rows):
    matrices, extra = confusion_matrices(paired(rows))
    total = matrices.sum(axis=0)
    complete = [(OWN[i], REFERENCE[r]) for _, i, r in rows if i in OWN and r in REFERENCE]
    assert extra == any("none" in pair for pair in complete)
    names = ["x", "y", "none"][: total.shape[0]]
    for i, said in enumerate(names):
        for j, true in enumerate(names):
            assert total[i, j] == complete.count((said, true))
