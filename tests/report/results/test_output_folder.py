import pytest

from qsmstats.errors import InvalidDataError
from qsmstats.report.results.output_folder import Results


def test_what_is_absent_is_none_or_empty_and_never_an_error(bare):
    results = Results(folder=bare)
    assert results.table("baseline/means") is None
    assert results.rows("baseline/means", "ndi").empty
    assert results.text("baseline/methods.txt") == ""
    assert results.provenance() == {}
    assert results.names("histology") == []


def test_only_n_a_is_missing_and_identifiers_stay_text(bare):
    (bare / "t.tsv").write_text("participant_id\tgroup\tx\n007\tNA\tn/a\n008\tHC\t1\n")
    table = Results(folder=bare).rows("t")
    assert list(table["participant_id"]) == ["007", "008"]
    assert list(table["group"]) == ["NA", "HC"]
    assert list(table["x"].isna()) == [True, False]


def test_rows_of_one_outcome(bare):
    (bare / "t.tsv").write_text("outcome\tx\na\t1\nb\t2\na\t3\n")
    assert list(Results(folder=bare).rows("t", "a")["x"]) == [1, 3]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'a\tb\n"1\t2\n'])
def test_a_broken_table_names_the_file_and_the_remedy(bare, content):
    (bare / "t.tsv").write_bytes(content)
    with pytest.raises(InvalidDataError, match=r"t\.tsv: cannot be read .* run `qsmstats run`"):
        Results(folder=bare).table("t")


def test_broken_provenance_names_the_file(bare):
    (bare / "provenance.json").write_text("{")
    with pytest.raises(InvalidDataError, match=r"provenance\.json: cannot be read"):
        Results(folder=bare).provenance()


def test_identifiers_that_look_like_numbers_stay_as_they_are(tmp_path):
    (tmp_path / "t.tsv").write_text("class_\tcluster\tnumerator\n1\t007\t3\n")
    row = Results(folder=tmp_path).rows("t").iloc[0]
    assert (row["class_"], row["cluster"], row["numerator"]) == ("1", "007", 3)
