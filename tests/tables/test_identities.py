"""One identifier per lesion over sessions, from matches written by hand and drawn at random."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmstats.errors import InvalidDataError, UsageError
from qsmstats.study_file import open_study
from qsmstats.tables.identities import describe_matches, identify_lesions, matching_table
from qsmstats.tables.read import read_tables
from qsmstats.tables.tidy import tidy_lesions, tissue_table
from tests.study_folder import TOML, tables, write_tables

RELATIONS = ("same", "split", "merged", "merged_and_split", "gone", "new")


def lesions_of(*sessions, participant="sub-01"):
    """Return rows of one participant; each session is a mapping label -> lesion_id."""
    rows = [
        (participant, f"ses-{number}", lesion_id, label, float(number))
        for number, those in enumerate(sessions)
        for label, lesion_id in those.items()
    ]
    columns = ["participant_id", "session_id", "lesion_id", "label", "years"]
    return pd.DataFrame(rows, columns=columns).astype({"label": "Int64"})


def matches_of(*rows, participant="sub-01"):
    """Return matches; each row is (earlier session, label_a, label_b, relation, continues)."""
    frame = pd.DataFrame(
        [
            (participant, f"ses-{session}", f"ses-{session + 1}", *rest, group)
            for group, (session, *rest) in enumerate(rows)
        ],
        columns=[
            *("participant_id", "session_id_a", "session_id_b", "label_a", "label_b"),
            *("relation", "continues", "group"),
        ],
    )
    frame["relation"] = pd.Categorical(frame["relation"], categories=RELATIONS)
    return frame.astype({"label_a": "Int64", "label_b": "Int64"})


def test_a_matched_lesion_keeps_the_identifier_of_its_first_session():
    tidy = lesions_of({1: "A", 2: "B", 3: "C"}, {1: "B", 2: "C", 3: "A"})
    matches = matches_of((0, 1, 3, "same", True), (0, 2, 1, "same", True), (0, 3, 2, "same", True))
    found = identify_lesions(tidy, matches)
    assert found["lesion_id"].tolist() == ["A", "B", "C", "B", "C", "A"]
    assert found["session_lesion_id"].tolist() == tidy["lesion_id"].tolist()
    assert found["match"].tolist() == ["first"] * 3 + ["same"] * 3
    assert list(found) == [
        *("participant_id", "session_id", "lesion_id", "label"),
        *("session_lesion_id", "match", "years"),
    ]


def test_a_chain_of_three_sessions_leads_back_to_the_first():
    tidy = lesions_of({1: "A", 2: "B"}, {1: "x", 2: "y"}, {7: "A", 8: "x", 9: "z"})
    matches = matches_of(
        (0, 1, 2, "same", True),
        (0, 2, None, "gone", False),
        (0, None, 1, "new", False),
        (1, 1, 7, "same", True),
        (1, 2, 9, "same", True),
        (1, None, 8, "new", False),
    )
    found = identify_lesions(tidy, matches)
    # B is gone; x is new at the second session and seen again at the third, where its label's own
    # identifier, A, means nothing.
    assert found["lesion_id"].tolist() == ["A", "B", "ses-1_x", "A", "ses-1_x", "ses-2_x", "A"]
    assert found["match"].tolist() == [*["first"] * 2, "new", "same", "same", "new", "same"]


def test_merged_and_split_lesions_go_on_where_the_matches_say_so_and_are_flagged():
    tidy = lesions_of({1: "A", 2: "B", 3: "C"}, {1: "p", 2: "q", 3: "r"})
    matches = matches_of(
        (0, 1, 1, "merged", True),
        (0, 2, 1, "merged", False),
        (0, 3, 2, "split", False),
        (0, 3, 3, "split", False),
    )
    found = identify_lesions(tidy, matches)
    assert found["lesion_id"].tolist() == ["A", "B", "C", "A", "ses-1_q", "ses-1_r"]
    assert found["match"].tolist()[3:] == ["merged", "split", "split"]


def test_a_new_identifier_is_none_that_the_participant_has():
    tidy = lesions_of({1: "A", 2: "ses-1_L", 3: "ses-1_L+"}, {5: "L", 6: "A"})
    found = identify_lesions(tidy, matches_of((0, None, 5, "new", False), (0, 1, 6, "same", True)))
    assert found["lesion_id"].tolist() == ["A", "ses-1_L", "ses-1_L+", "ses-1_L++", "A"]


def test_participants_do_not_meet():
    one, two = (lesions_of({1: "A"}, {1: "A"}, participant=name) for name in ("sub-01", "sub-02"))
    matches = [
        matches_of((0, 1, 1, "same", True), participant="sub-01"),
        matches_of((0, None, 1, "new", False), participant="sub-02"),
    ]
    found = identify_lesions(pd.concat([two, one]), pd.concat(matches))
    assert found["lesion_id"].tolist() == ["A", "ses-1_A", "A", "A"]


def test_a_session_that_no_match_reaches_is_an_error():
    tidy = lesions_of({1: "A"}, {1: "A"}, {1: "A"})
    with pytest.raises(InvalidDataError, match="sub-01 ses-2 is not matched with a session before"):
        identify_lesions(tidy, matches_of((0, 1, 1, "same", True)))


def test_a_label_without_a_row_is_an_error():
    tidy = lesions_of({1: "A"}, {1: "A"})
    with pytest.raises(InvalidDataError, match="label 9 of sub-01 ses-1 has no row with features"):
        identify_lesions(tidy, matches_of((0, 1, 9, "same", True), (0, 1, 1, "same", True)))


def test_the_table_of_matches_names_the_lesions_of_both_sessions():
    tidy = lesions_of({1: "A", 2: "B"}, {1: "p", 2: "q"})
    matches = matches_of(
        (0, 1, 2, "same", True), (0, 2, None, "gone", False), (0, None, 1, "new", False)
    )
    found = matching_table(identify_lesions(tidy, matches), matches)
    named = found[["lesion_id_a", "lesion_id_b", "lesion_id"]].astype(object)
    assert named.where(named.notna(), None).to_numpy().tolist() == [
        ["A", "q", "A"],
        ["B", None, "B"],
        [None, "p", "ses-1_p"],
    ]
    assert list(found)[:6] == [
        *("participant_id", "session_id_a", "session_id_b"),
        *("lesion_id_a", "lesion_id_b", "lesion_id"),
    ]


def test_relations_are_counted_by_group():
    matches = matches_of(
        *[(0, i, i, "same", True) for i in (1, 2, 3)],
        (0, 4, 4, "merged", False),
        (0, 5, 4, "merged", False),
        (0, 6, 6, "split", False),
        (0, 6, 7, "merged_and_split", False),
        (0, 8, 7, "merged", False),
        (0, 9, None, "gone", False),
    )
    matches["group"] = [1, 2, 3, 4, 4, 5, 5, 5, 6]
    assert describe_matches(matches) == "3 same, 1 merged, 1 merged and split, 1 gone"


def test_without_matches_independent_identifiers_are_refused(tmp_path):
    toml = TOML + '\n[matching]\nlesion_ids = "independent"\n'
    study = open_study(write_tables(tmp_path, toml=toml))
    read = read_tables(study)
    features = read.lesions[["participant_id", "session_id", "label"]]
    features = features.assign(region="lesion", map="ndi", mean=1.0)
    for source in (study, read):
        with pytest.raises(UsageError, match=r"matches=qsmstats\.match_visits"):
            tidy_lesions(source, features)
        with pytest.raises(UsageError, match=r"matches=qsmstats\.match_visits"):
            tissue_table(source, features)
    rows = [(1, n, n, "same", True) for n in range(1, 6)]
    matches = matches_of(*rows).replace({"ses-1": "ses-01", "ses-2": "ses-02"})
    tidy = tidy_lesions(read, features, matches=matches)
    assert tidy.attrs["matches"] == "5 same"
    assert tissue_table(read, features, lesions=tidy)["match"].notna().sum() == len(tidy)


def test_columns_of_the_users_own_do_not_take_the_names_that_matching_adds(tmp_path):
    content = tables()
    content["lesions"] = [
        [*row, "match" if at == 0 else "1"] for at, row in enumerate(content["lesions"])
    ]
    read_tables(open_study(write_tables(tmp_path, content)))
    toml = TOML + '\n[matching]\nlesion_ids = "independent"\n'
    with pytest.raises(InvalidDataError, match=r"column 'match'.*have this column too; rename"):
        read_tables(open_study(write_tables(tmp_path, content, toml)))


@st.composite
def histories(draw):
    """Draw the true lesions of each session, and how each session numbered and named them."""
    visits = draw(st.integers(2, 4))
    present = [
        draw(st.sets(st.integers(0, 5), min_size=1 if visit == 0 else 0, max_size=6))
        for visit in range(visits)
    ]
    names = [
        draw(st.permutations(["A", "B", "C", "ses-1_A", "ses-1_B", "ses-2_A"])) for _ in present
    ]
    labels = [draw(st.permutations(range(1, 7))) for _ in present]
    return present, names, labels


@settings(max_examples=60, deadline=None)
@given(histories())
def test_a_lesion_that_stays_keeps_one_name_and_no_two_share_one(history):
    present, names, labels = history
    tidy = lesions_of(
        *({labels[v][i]: names[v][i] for i in sorted(those)} for v, those in enumerate(present))
    )
    rows = []
    for v, (before, after) in enumerate(pairwise(present)):
        for i in sorted(before | after):
            a = labels[v][i] if i in before else None
            b = labels[v + 1][i] if i in after else None
            relation = "gone" if b is None else "new" if a is None else "same"
            rows.append((v, a, b, relation, relation == "same"))
    found = identify_lesions(tidy, matches_of(*rows))
    assert not found.duplicated(["session_id", "lesion_id"]).any()
    truth = []
    for row in found.itertuples():
        visit = int(row.session_id.removeprefix("ses-"))
        lesion = labels[visit].index(row.label)
        while visit > 0 and lesion in present[visit - 1]:
            visit -= 1
        truth.append((lesion, visit))  # a lesion that comes back is a new one
    pairs = set(zip(found["lesion_id"], truth, strict=True))
    assert len(pairs) == found["lesion_id"].nunique() == len(set(truth))
    first = found["session_id"] == "ses-0"
    np.testing.assert_array_equal(found.loc[first, "lesion_id"], tidy.loc[first, "lesion_id"])
