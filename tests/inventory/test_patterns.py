"""Patterns from paths: identifiers of tables, of BIDS, and guesses."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmstats.inventory.patterns import Identifiers, guess_identifiers

BIDS = "sub-01/ses-02/anat/sub-01_ses-02_Chimap.nii.gz"


@pytest.mark.parametrize(
    ("participants", "sessions", "path", "expected"),
    [
        ((), (), BIDS, ("{p}/{s}/anat/{p}_{s}_Chimap.nii.gz", "sub-01", "ses-02")),
        # A table without prefixes: the pattern holds them.
        (
            ("01", "02"),
            ("02",),
            BIDS,
            ("sub-{p}/ses-{s}/anat/sub-{p}_ses-{s}_Chimap.nii.gz", "01", "02"),
        ),
        (("P1", "P1-2"), (), "P1-2_QSM.nii", ("{p}_QSM.nii", "P1-2", None)),
        (("MS_001",), ("V1",), "MS_001/V1/MS_001-V1.nii", ("{p}/{s}/{p}-{s}.nii", "MS_001", "V1")),
        # The value of another entity, or part of a word, is no participant.
        (("1",), ("2",), "1/2/QSM_run-1_T1w.nii", ("{p}/{s}/QSM_run-1_T1w.nii", "1", "2")),
        (("3",), (), "group_QSM3.nii", ("group_QSM3.nii", None, None)),
        # A table that lists others than the files: identifiers as in BIDS are found all the same.
        (("X9",), (), BIDS, ("{p}/{s}/anat/{p}_{s}_Chimap.nii.gz", "sub-01", "ses-02")),
    ],
)
def test_a_path_becomes_a_pattern(participants, sessions, path, expected):
    named = Identifiers(participants=participants, sessions=sessions).name(path)
    pattern = named.pattern.replace("{participant}", "{p}").replace("{session}", "{s}")
    assert (pattern, named.participant, named.session) == expected


WORDS = st.text(string.ascii_uppercase + string.digits, min_size=2, max_size=6)


@given(
    participants=st.lists(WORDS, min_size=2, max_size=5, unique=True),
    sessions=st.lists(WORDS, min_size=1, max_size=3, unique=True),
    pattern=st.sampled_from(
        ["{participant}/{session}/qsm.nii", "maps/{participant}_{session}_qsm.nii.gz"]
    ),
)
def test_a_pattern_gives_back_its_paths(participants, sessions, pattern):
    sessions = [f"v{word}" for word in sessions]  # or a participant may be called as a session
    identifiers = Identifiers(participants=participants, sessions=sessions)
    for participant in participants:
        for session in sessions:
            path = pattern.format(participant=participant, session=session)
            named = identifiers.name(path)
            assert (named.pattern, named.participant, named.session) == (
                pattern,
                participant,
                session,
            )


def test_what_differs_is_guessed_to_be_participant_and_session():
    paths = [f"data/{p}/{s}/QSM_{p}.nii" for p in ("AB", "CD") for s in ("base", "follow")]
    named = guess_identifiers(paths)
    assert {file.pattern for file in named} == {
        "data/{participant}/{session}/QSM_{participant}.nii"
    }
    assert [file.session for file in named[:2]] == ["base", "follow"]


@pytest.mark.parametrize(
    "paths",
    [
        ["AB/QSM.nii"],  # a single file
        ["AB/QSM.nii", "CD/base/QSM.nii"],  # of different build
        ["AB/2001.nii", "CD/2002.nii", "EF/2003.nii"],  # one more part that no pattern can hold
    ],
)
def test_nothing_is_guessed_where_nothing_can_be_told(paths):
    named = guess_identifiers(paths)
    assert [(file.pattern, file.participant) for file in named] == [(path, None) for path in paths]


def test_one_session_each_needs_no_session():
    named = guess_identifiers(["AB_QSM.nii", "CD_QSM.nii"])
    assert [(f.pattern, f.participant, f.session) for f in named] == [
        ("{participant}_QSM.nii", "AB", None),
        ("{participant}_QSM.nii", "CD", None),
    ]
