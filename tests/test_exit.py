"""How a command ends: what the user reads, the exit code, and what is left behind."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qsmstats.cli import main
from qsmstats.errors import InvalidDataError, NotIdentifiedError, UsageError
from qsmstats.exit import FAULT, INTERRUPTED, PIPE_CLOSED, ended
from qsmstats.report.results.columns import needed
from tests.mixed.ways_out import WAYS_OUT
from tests.studies.conftest import make_lesions
from tests.study_folder import write_images, write_tables


def raises(error):
    def call():
        raise error

    return call


@pytest.fixture
def study(tmp_path):
    return write_images(write_tables(tmp_path / "a study of Zürich"))


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and path.name != "log.txt"  # which tells the time
    }


def test_a_command_that_ends_well_keeps_its_code(capsys):
    assert [ended(lambda code=code: code, "out") for code in (0, 1, 4)] == [0, 1, 4]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("error", [UsageError("a"), InvalidDataError("a"), NotIdentifiedError("a")])
def test_errors_of_ours_bring_their_sentence_and_code(capsys, error):
    assert ended(raises(error), "out") == error.exit_code
    assert capsys.readouterr().err == "a\n"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "out: No space left .*; free some"),
        (PermissionError(errno.EACCES, "Permission denied", "a.tsv"), "a.tsv: Permission .*; cho"),
        (OSError(errno.EROFS, "Read-only file system", "a"), "a: Read-only .*; choose a folder"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a"), "a: Not a .*; a file stands"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "a", None, "b"), "b: Is .*; a folder"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a"), "a: File name .*; choose a short"),
        (OSError(errno.EIO, "Input/output error", "a"), "a: Input/output error; check the disk"),
        (OSError("odd"), "out: odd; check the disk"),
        (MemoryError(), "out: memory ran out; use a machine with more memory$"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out: memory ran out; use a machine"),
    ],
)
def test_errors_of_the_system_bring_place_and_remedy(capsys, error, words):
    assert ended(raises(error), "out") == UsageError.exit_code
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert re.match(words, said)


def test_a_fault_of_ours_shows_its_traceback_and_a_code_of_its_own(capsys):
    assert ended(raises(ZeroDivisionError("a / b \x1b[31m")), "out") == FAULT
    said = capsys.readouterr().err
    assert "ZeroDivisionError: a / b \\x1b[31m\n" in said
    assert said.splitlines()[-1].startswith("this is an error in qsmstats, not in your data")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["plan", "s", "out", "--jobs", "2"], "out: memory ran out; lower --jobs where it is"),
        (["run", "s", "out", "group", "--jobs", "2"], "out: memory ran out; use a machine"),
        (["report", "s", "out"], "out: memory ran out; use a machine"),
    ],
)
def test_fewer_processes_are_advised_where_they_help(monkeypatch, capsys, command, words):
    for name in ("_plan", "_run", "_report"):
        monkeypatch.setattr(f"qsmstats.cli.{name}", lambda options: raises(MemoryError())())
    assert main(command) == UsageError.exit_code
    assert capsys.readouterr().err.startswith(words)


def test_ctrl_c_keeps_what_is_finished(study, tmp_path, monkeypatch, capsys):
    def interrupt_after_two(_):
        return lambda done, _: done == 2 and signal.raise_signal(signal.SIGINT)

    out = tmp_path / "out"
    command = ["run", str(study), str(out), "participant", "--jobs", "1"]
    # A shell starts what runs in its background with Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with monkeypatch.context() as patch:
        patch.setattr("qsmstats.progress._lines", interrupt_after_two)
        assert main(command) == INTERRUPTED
    signal.signal(signal.SIGINT, before)
    assert "interrupted; start the same command again" in capsys.readouterr().err
    first = contents(out)
    # Table and manifest of two sessions, what was read of their labels, and whose they are.
    results = {name for name in first if not name.endswith("_lesions.npz")}
    assert len(results) == 5
    assert main(command) == 0
    assert contents(out).items() >= first.items()


def test_a_full_disk_is_said_with_the_folder_and_leaves_nothing_half(
    study, tmp_path, monkeypatch, capsys
):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("qsmstats.writing.os.fsync", full)
    out = tmp_path / "out"
    assert main(["run", str(study), str(out), "participant", "--jobs", "1"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{out}/features/sub-01_ses-01_features.tsv: No space left on device; ")
    assert "free some space, then start the same command again: it goes on" in said
    assert set(contents(out)) == {"study.json"}


def test_nothing_is_written_into_the_study(study, tmp_path):
    before = contents(study)
    assert main(["check", str(study), "--jobs", "1"]) == 0
    assert main(["run", str(study), str(tmp_path / "out"), "participant", "--jobs", "1"]) == 0
    assert main(["run", str(study), str(study)]) == 2
    assert contents(study) == before


CHECK = [sys.executable, "-W", "error", "-m", "qsmstats", "check", "--jobs", "1"]
PROGRESS = b"reading images: 5 of 5 after "


FORMULA = "{{outcome}} ~ lesion_type * years + tissue + {} + (1 | participant_id)"


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """Return a study whose formulas would run code, end the process, and never end."""
    lines = [
        f"{name} = '''{FORMULA.format(WAYS_OUT[way])}'''"
        for name, way in (("baseline", "open"), ("tissue", "exit"), ("trajectory", "large power"))
    ]
    study = write_images(write_tables(tmp_path / "study"))
    with (study / "study.toml").open("a") as file:
        file.write("\n".join(["", "[models]", *lines]))
    monkeypatch.chdir(tmp_path)
    return study


def test_check_runs_no_code_of_a_formula(hostile, capsys):
    assert main(["check", str(hostile), "--jobs", "1"]) == InvalidDataError.exit_code
    said = capsys.readouterr()
    assert said.err.startswith("reading images: ")
    assert len(said.err.splitlines()) == 1
    for name in ("baseline", "tissue", "trajectory"):
        assert f"study.toml, setting 'models.{name}': '" in said.out
    assert [path.name for path in hostile.parent.iterdir()] == ["study"]


def test_run_runs_no_code_of_a_formula(hostile, capsys):
    assert main(["run", str(hostile), "out", "--jobs", "1"]) == InvalidDataError.exit_code
    assert "is not allowed in a formula" in capsys.readouterr().err
    assert not Path("made").exists()


@pytest.mark.parametrize("way", ["open", "exit", "large power"])
def test_plan_runs_no_code_of_a_formula(hostile, capsys, way):
    text = (hostile / "study.toml").read_text()
    text = text.replace(WAYS_OUT["large power"], WAYS_OUT[way])
    (hostile / "study.toml").write_text(text)
    Path("out").mkdir()
    lesions = make_lesions(patients=4, followed=4)
    columns = dict.fromkeys([*lesions, *needed("tidy")])
    lesions.reindex(columns=[*columns]).to_csv("out/tidy.tsv", sep="\t", index=False)
    assert main(["plan", str(hostile), "out", "--jobs", "1"]) == InvalidDataError.exit_code
    assert "in 'lesion_type * years + tissue + I(" in capsys.readouterr().err
    assert not Path("made").exists()


@pytest.mark.slow
def test_a_reader_who_goes_early_is_no_error(study):
    (study / "lesions.tsv").unlink()
    command = [*CHECK, str(study)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait() == PIPE_CLOSED
    assert said.startswith(PROGRESS)
    assert said.count(b"\n") == 1


@pytest.mark.slow
def test_a_poor_terminal_and_a_bare_environment_are_enough(study):
    (study / "lesions.tsv").unlink()
    people = study / "participants.tsv"
    people.write_text(people.read_text().replace("\tF\t", "\tgroß\t", 1), encoding="utf-8")
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "NO_COLOR": "1"}
    environment |= {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii"}
    command = [*CHECK, str(study)]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == InvalidDataError.exit_code
    assert b"lesions.tsv: no such file" in done.stdout
    assert done.stderr.startswith(PROGRESS)
    assert done.stderr.count(b"\n") == 1
    assert b"'gro\\xdf' is not one of F, M" in done.stdout


def shell(line, *arguments, **environment):
    """Run the command line from a shell that redirects its streams."""
    command = [sys.executable, "-W", "error", "-m", "qsmstats", *map(str, arguments)]
    return subprocess.run(
        ["bash", "-c", f'"$@" {line}', "bash", *command],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (">&-", ""),
        ("<&- 2>&-", "lesions.tsv: no such file"),
    ],
)
def test_closed_streams_change_neither_the_exit_code_nor_what_is_said(study, line, said):
    (study / "lesions.tsv").unlink()
    done = shell(line, "check", study)
    assert done.returncode == InvalidDataError.exit_code
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith(said)
    assert bool(done.stdout) == bool(said)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the full disk of Linux")
def test_a_full_disk_under_standard_output_is_said(study):
    (study / "lesions.tsv").unlink()
    done = shell("> /dev/full", "check", study)
    assert done.returncode == UsageError.exit_code
    assert "\nstandard output: No space left on device; free some space" in done.stderr
    assert len(done.stderr.splitlines()) == 2  # the progress, and this


def test_messages_that_nobody_reads_do_not_stop_a_command(monkeypatch):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        monkeypatch.setattr(sys, "stderr", gone)
        assert ended(raises(UsageError("a")), "out") == UsageError.exit_code
        assert ended(raises(ZeroDivisionError("a / b")), "out") == FAULT


@pytest.mark.slow
def test_the_backend_that_a_notebook_names_does_not_matter(tmp_path):
    (tmp_path / "features").mkdir()
    backend = "module://matplotlib_inline.backend_inline"
    done = shell("", "report", tmp_path / "no study", tmp_path, MPLBACKEND=backend)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").exists()
