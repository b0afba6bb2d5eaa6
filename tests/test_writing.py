"""Files appear whole or not at all."""

from __future__ import annotations

import errno

import pytest

from qsmstats.writing import written_whole


def test_a_file_gets_its_name_when_it_is_written(tmp_path):
    path = tmp_path / "new" / "table.tsv"
    with written_whole(path) as unfinished:
        unfinished.write_text("a")
        assert not path.exists()
    assert [item.name for item in path.parent.iterdir()] == ["table.tsv"]
    assert path.read_text() == "a"


@pytest.mark.parametrize("end", [KeyboardInterrupt, ValueError])
def test_writing_that_ends_early_leaves_the_old_file_alone(tmp_path, end):
    path = tmp_path / "table.tsv"
    path.write_text("old")

    def stop_half_way():
        with written_whole(path) as unfinished:
            unfinished.write_text("half of the n")
            raise end

    with pytest.raises(end):
        stop_half_way()
    assert [item.name for item in tmp_path.iterdir()] == ["table.tsv"]
    assert path.read_text() == "old"


def test_a_full_disk_is_reported_with_the_file(tmp_path):
    path = tmp_path / "table.tsv"
    with pytest.raises(OSError, match="No space left on device") as caught, written_whole(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))


def test_a_folder_that_is_a_file_is_reported(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError) as caught, written_whole(tmp_path / "file" / "a.tsv"):
        pass
    assert caught.value.filename == str(tmp_path / "file" / "a.tsv")
