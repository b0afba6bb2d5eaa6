"""What a study says reaches the terminal as text."""

from __future__ import annotations

import re

import pytest

from qsmstats.cli import main
from qsmstats.errors import UsageError, printable
from qsmstats.progress import logged, progress_bar, say, set_loudness, show
from tests.study_folder import TOML, tables, write_tables

COMMANDS = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b31m",
    "a\rb",
    "\x08",
    "\u202eabc",
    "\u2066",
    "\u200b",
]


@pytest.mark.parametrize("text", COMMANDS)
@pytest.mark.parametrize("write", [say, show])
def test_no_message_commands_the_terminal(capsys, write, text):
    write(f"first {text}\nMüller µm ± 二")
    said = capsys.readouterr()
    lines = (said.out + said.err).splitlines()
    assert lines == [f"first {printable(text)}", "Müller µm ± 二"]
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("text", COMMANDS)
def test_nothing_printable_is_lost(text):
    assert printable(text).isprintable()
    assert printable("Größe 3 µm²") == "Größe 3 µm²"


@pytest.mark.parametrize("text", ["\x1b[2J", "\u202e"])
def test_a_study_cannot_command_the_terminal(tmp_path, capfd, text):
    content = tables()
    for name, column in (("participants", 0), ("lesions", 2), ("ratings", 3), ("histology", 2)):
        content[name][1][column] = f"x{text}y"
    toml = TOML + '[lesion_types]\n"\\u202e" = "\\u001b[2J"\n'
    folder = write_tables(tmp_path / "study", content, toml)
    (folder / f"odd{text}.tsv").write_text(f"a{text}\n1\n")
    assert main(["check", str(folder)]) == 3
    (folder / "study.toml").unlink()
    assert main(["init", str(folder)]) == 0
    said = capfd.readouterr()
    assert all(line.isprintable() for line in (said.out + said.err).split("\n"))
    assert r"x\x1b[2Jy" in said.out or r"x\u202ey" in said.out
    written = (folder / "study.toml").read_text()
    assert all(line.isprintable() for line in written.split("\n"))


def said(capsys, loudness):
    set_loudness(loudness)
    try:
        for kind in ("problem", "note", "detail"):
            say(kind, kind)
    finally:
        set_loudness("normal")
    return capsys.readouterr().err.split()


def test_as_much_is_said_as_is_asked_for(capsys):
    assert said(capsys, "quiet") == ["problem"]
    assert said(capsys, "normal") == ["problem", "note"]
    assert said(capsys, "verbose") == ["problem", "note", "detail"]


def test_a_log_has_every_line_with_its_time_and_without_paths(capsys, tmp_path):
    log = tmp_path / "log.txt"

    def fail():
        with logged(log, {str(tmp_path): "OUT"}):
            said(capsys, "quiet")
            say(f"{tmp_path}/a\x1b[2J\nsecond")
            raise UsageError("no")

    for _ in range(2):  # the second is appended
        with pytest.raises(UsageError):
            fail()
    say("later")
    lines = log.read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 ", line) for line in lines)
    words = [line.split(" ", 1)[1] for line in lines]
    once = ["problem", "note", "detail", r"OUT/a\x1b[2J", "second", "stopped: UsageError: no"]
    assert words == once * 2


def test_a_log_that_cannot_be_written_stops_nothing(capsys, tmp_path):
    with logged(tmp_path / "no folder" / "log.txt", {}):
        say("goes on")
    assert capsys.readouterr().err == "goes on\n"


def test_lines_of_progress_tell_the_time_that_is_left(capsys, monkeypatch):
    times = iter([0.0, 5.0, 30.0, 40.0])
    monkeypatch.setattr("qsmstats.progress.time.monotonic", lambda: next(times))
    with progress_bar("measuring") as update:
        update(1, 4)  # too soon for a line
        update(3, 4)
        update(4, 4)
    assert capsys.readouterr().err.splitlines() == [
        "measuring: 3 of 4 after 30 s, about 10 s left",
        "measuring: 4 of 4 after 40 s",
    ]
