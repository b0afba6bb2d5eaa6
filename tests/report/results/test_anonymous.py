import pandas as pd

from qsmstats.report.results.anonymous import aliases_of, veiled, veiled_text

BRAINS = pd.DataFrame({"cluster": [f"brain-{letter}" for letter in "ABCDEFGH"]})
RATERS = pd.DataFrame({"raters": ["all", "Anna Li - B", "Anna Li - Chris"]})


def test_numbers_are_unrelated_to_the_order_of_identifiers():
    aliases = aliases_of([BRAINS], b"secret")
    order = [aliases["brain", name] for name in BRAINS["cluster"]]
    assert sorted(order) == [f"brain {number}" for number in range(1, 9)]
    assert order != sorted(order)
    # The same run gives the same page; another run gives other numbers.
    assert aliases_of([BRAINS.iloc[::-1]], b"secret") == aliases
    assert aliases_of([BRAINS], b"another") != aliases


def test_tables_hold_numbers_for_identifiers():
    aliases = aliases_of([BRAINS, RATERS], b"")
    hidden = veiled(RATERS, aliases)["raters"]
    assert hidden[0] == "all"
    first, second = hidden[1].split(" - ")
    assert hidden[2].split(" - ")[0] == first == aliases["rater", "Anna Li"]
    assert second == aliases["rater", "B"]
    # An identifier that no table of the run holds is not shown either.
    unknown = pd.DataFrame({"participant_id": ["sub-1", None]})
    assert veiled(unknown, aliases)["participant_id"].tolist()[0] == "participant"
    assert veiled(unknown, aliases)["participant_id"].isna().tolist() == [False, True]


def test_sentences_hold_numbers_for_identifiers_and_keep_their_words():
    aliases = aliases_of([BRAINS, RATERS, pd.DataFrame({"lesion_id": ["1", "L1"]})], b"")
    said = veiled_text("B: 1 lesion of brain-A, rated by Anna Li.", aliases)
    assert (
        said
        == f"B: 1 lesion of {aliases['brain', 'brain-A']}, rated by {aliases['rater', 'Anna Li']}."
    )
    assert veiled_text("brain-AB", aliases) == "brain-AB"
    # The name of a session may be a word; its date is none.
    sessions = aliases_of([pd.DataFrame({"session_id": ["baseline", "ses-20190312"]})], b"")
    assert veiled_text("Differences at baseline", sessions) == "Differences at baseline"
    assert "2019" not in veiled_text("scan ses-20190312", sessions)
    table = veiled(pd.DataFrame({"note": ["brain-A is alone", None], "n": [1, 2]}), aliases)
    assert table["note"].tolist()[0] == f"{aliases['brain', 'brain-A']} is alone"
    assert table["n"].tolist() == [1, 2]


def test_the_reason_of_a_refusal_may_name_files_and_is_left_out():
    text = "Could not be answered: /data/anna/participants.tsv, row 3: age is missing"
    assert "anna" not in veiled_text(text, {})
    assert veiled_text(text, {}).startswith("Could not be answered")
