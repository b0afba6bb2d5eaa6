"""The output folder is tried before anything is computed, and kept to one study and command."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import pytest

from qsmstats.errors import UsageError
from qsmstats.output import held, made_folder
from qsmstats.progress import say
from qsmstats.study_file import open_study
from qsmstats.version import __version__
from tests.study_folder import tables, write_tables


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
        with pytest.raises(UsageError, match="is the study folder; choose another one"):
            made_folder(out, study)
    assert made_folder(study / "derivatives" / "qsmstats", study).is_dir()


@pytest.mark.parametrize("below", ["file", "file/out", "a" * 300])
def test_what_cannot_be_made_is_named_with_its_reason(tmp_path, below):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match=r"cannot be written \(.+\); choose another") as error:
        made_folder(tmp_path / below, tmp_path / "study")
    assert str(tmp_path / below) in str(error.value)


def test_a_folder_that_may_not_be_written_is_named(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    # Whoever runs the tests may be allowed everything.
    monkeypatch.setattr("qsmstats.output.TemporaryFile", refuse)
    with pytest.raises(UsageError, match=r"cannot be written \(Permission denied\)"):
        made_folder(tmp_path / "out", tmp_path / "study")


@pytest.fixture
def once(monkeypatch):
    """Do not wait for a folder that is in use."""
    monkeypatch.setattr("qsmstats.output.PAUSE", 0)


@pytest.fixture
def study(tmp_path):
    return open_study(write_tables(tmp_path / "study"))


@pytest.fixture
def out(tmp_path):
    return made_folder(tmp_path / "out", tmp_path / "study")


HOLD = """\
import sys
from pathlib import Path
from qsmstats.output import held
from qsmstats.study_file import open_study
from qsmstats.version import __version__
with held(Path(sys.argv[2]), open_study(sys.argv[1]), shared=sys.argv[3] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding(study, out, kind):
    """Yield a process that holds the output folder as a command does."""
    command = [sys.executable, "-c", HOLD, str(study.folder), str(out), kind]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


@pytest.mark.usefixtures("once")
def test_one_command_at_a_time_works_in_a_folder_and_a_killed_one_no_longer(study, out):
    with holding(study, out, "alone") as process:
        for shared in (True, False):
            with pytest.raises(UsageError, match="another qsmstats command is working in this"):
                held(out, study, shared=shared).__enter__()
        process.kill()
        process.wait()
        with held(out, study):
            pass


@pytest.mark.usefixtures("once")
def test_commands_that_measure_participants_work_side_by_side_and_without_any_other(study, out):
    with holding(study, out, "shared") as process:
        with held(out, study, shared=True), pytest.raises(UsageError, match="is working in this"):
            held(out, study).__enter__()
        process.stdin.close()
        process.wait()
        with held(out, study):
            pass


def test_a_command_waits_while_another_writes_whose_folder_it_is(study, out, monkeypatch):
    with ExitStack() as first:
        first.enter_context(held(out, study))
        monkeypatch.setattr("qsmstats.output.time.sleep", lambda _: first.close())
        with held(out, study, shared=True):
            pass


def test_a_folder_belongs_to_one_study_wherever_that_is(study, out, tmp_path):
    other = open_study(write_tables(tmp_path / "other", tables(patients=4)))
    for first in (other, study):  # a folder without results is everybody's
        with held(out, first):
            pass
    with held(out, study, shared=True), pytest.raises(UsageError, match="of another study"):
        held(out, other, shared=True).__enter__()
    (out / "features").mkdir()
    for shared in (True, False):
        with pytest.raises(UsageError, match="contains results of another study, 'made'; choose"):
            held(out, other, shared=shared).__enter__()
    moved = open_study(study.folder.rename(tmp_path / "moved"))
    with held(out, moved, shared=True):
        pass
    people = moved.folder / "participants.tsv"
    people.write_text(people.read_text().replace("30.5", "31.5"))
    with held(out, open_study(moved.folder)):
        pass
    assert str(tmp_path) not in (out / "study.json").read_text()


def test_a_study_that_was_moved_and_changed_is_taken_when_the_user_says_so(study, out, tmp_path):
    (out / "features").mkdir()
    with held(out, study):
        pass
    moved = study.folder.rename(tmp_path / "moved")
    with (moved / "study.toml").open("a") as file:
        file.write("\n[features]\nring_mm = 3\n")
    with pytest.raises(UsageError, match=r"or delete study\.json there if it is this study, moved"):
        held(out, open_study(moved)).__enter__()
    (out / "study.json").unlink()
    with held(out, open_study(moved)):
        pass


def test_a_report_without_its_study_takes_the_folder_from_nobody(study, out):
    with held(out, study):
        pass
    before = (out / "study.json").read_bytes()
    with held(out, None):
        pass
    assert (out / "study.json").read_bytes() == before


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_record_that_a_kill_left_half_is_written_anew(study, out, content):
    (out / "study.json").write_text(content)
    with held(out, study):
        pass
    assert json.loads((out / "study.json").read_text())["name"] == "made"


def test_a_link_in_place_of_the_record_is_not_followed(study, out, tmp_path):
    (tmp_path / "theirs").write_text("theirs")
    (out / "study.json").symlink_to(tmp_path / "theirs")
    with pytest.raises(OSError, match=r"study\.json"):
        held(out, study).__enter__()
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_a_file_system_without_locks_is_said_once(study, out, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("qsmstats.output.fcntl.flock", refuse)
    with held(out, study, shared=True):
        pass
    said = f"{out}: cannot be locked (No locks available); start no other command on it\n"
    assert capsys.readouterr().err == said


def test_a_log_tells_versions_and_times_and_no_path_and_belongs_to_no_study(study, out, tmp_path):
    def fail():
        with held(out, study):
            say(f"{out}/a.tsv of {study.folder}")
            raise UsageError("no")

    with pytest.raises(UsageError):
        fail()
    lines = (out / "log.txt").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines[1:]] == [
        "OUT/a.tsv of STUDY",
        "stopped: UsageError: no",
    ]
    assert f"started with qsmstats {__version__}, python " in lines[0]
    (tmp_path / "other").mkdir()
    other = open_study(write_tables(tmp_path / "other", tables(patients=2)))
    with held(out, other):  # nothing but a log is there
        pass
    assert (out / "log.txt").read_text().splitlines()[-1].endswith(" ended after 0 s")
    (out / "log.txt").unlink()
    (out / "log.txt").symlink_to(tmp_path / "theirs")
    with held(out, other):
        pass
    assert not (tmp_path / "theirs").exists()
