"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from qsmstats.writing import sweep, written_whole


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


def test_a_link_that_lies_in_wait_is_not_written_through(tmp_path):
    other = tmp_path / "other"
    other.write_text("theirs")
    path = tmp_path / "report.html"
    for name in ("report.html", "report.html.part"):
        (tmp_path / name).symlink_to(other)
    with written_whole(path) as unfinished:
        assert not unfinished.is_symlink()
        unfinished.write_text("ours")
    assert other.read_text() == "theirs"
    assert (path.read_text(), path.is_symlink()) == ("ours", False)


def test_two_writers_of_one_file_do_not_share_their_unfinished_files(tmp_path):
    path = tmp_path / "a.tsv"
    with written_whole(path) as first, written_whole(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o007, 0o660)])
def test_a_file_has_the_permissions_that_the_user_gives_new_files(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        with written_whole(tmp_path / "a.tsv") as unfinished:
            unfinished.write_text("a")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.tsv").stat().st_mode) == mode


def test_what_a_kill_leaves_is_swept(tmp_path):
    (tmp_path / "a.part").touch()
    writing = written_whole(tmp_path / "a.tsv")
    writing.__enter__()
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.part"]
    with pytest.raises(FileNotFoundError):
        writing.__exit__(None, None, None)
