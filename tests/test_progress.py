"""What a study says reaches the terminal as text."""

from __future__ import annotations

import pytest

from qsmstats.cli import main
from qsmstats.errors import printable
from qsmstats.progress import say, show
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
