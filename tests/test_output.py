"""The output folder is tried before anything is computed."""

from __future__ import annotations

import pytest

from qsmstats.errors import UsageError
from qsmstats.output import made_folder


def test_a_folder_is_made_with_those_above_it_and_stays_empty(tmp_path):
    out = made_folder(tmp_path / "a" / "b", tmp_path)
    assert out.is_dir()
    assert list(out.iterdir()) == []
    assert made_folder(str(out), tmp_path) == out


def test_the_study_itself_is_no_output_folder(tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    (tmp_path / "link").symlink_to(study)
    for out in (study, tmp_path / "link", study / ".." / "study"):
        with pytest.raises(UsageError, match="is the study folder; name another one"):
            made_folder(out, study)
    assert made_folder(study / "derivatives" / "qsmstats", study).is_dir()


@pytest.mark.parametrize("below", ["file", "file/out", "a" * 300])
def test_what_cannot_be_made_is_named_with_its_reason(tmp_path, below):
    (tmp_path / "file").write_text("x")
    with pytest.raises(
        UsageError, match=r"cannot be written \(.+\); name an output folder"
    ) as error:
        made_folder(tmp_path / below, tmp_path / "study")
    assert str(tmp_path / below) in str(error.value)


def test_a_folder_that_may_not_be_written_is_named(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    # Whoever runs the tests may be allowed everything.
    monkeypatch.setattr("qsmstats.output.TemporaryFile", refuse)
    with pytest.raises(UsageError, match=r"cannot be written \(Permission denied\)"):
        made_folder(tmp_path / "out", tmp_path / "study")
