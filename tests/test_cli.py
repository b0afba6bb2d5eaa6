"""The command line: help that answers at once, versions, and true exit codes."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from qsmstats import __version__, errors
from qsmstats.arguments import EXAMPLES, EXIT_CODES
from qsmstats.cli import main, parse
from qsmstats.exit import FAULT, INTERRUPTED, PIPE_CLOSED
from qsmstats.run import SOME_FAILED
from tests.study_folder import tables, write_images, write_tables

HEAVY = {"numpy", "pandas", "scipy", "matplotlib", "nibabel", "formulaic", "rich", "frictionless"}


def test_version(qsmstats):
    done = qsmstats("--version")
    assert (done.returncode, done.stdout) == (0, f"qsmstats {__version__}\n")


@pytest.mark.parametrize("command", ["", "init", "run", "simulate", "check", "plan", "demo"])
def test_help_loads_nothing_heavy(command):
    code = (
        "import sys; from qsmstats.cli import main\n"
        "try: main([*sys.argv[1:], '--help'])\n"
        "except SystemExit: pass\n"
        "print(','.join(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command.split()], capture_output=True, text=True, check=True
    )
    assert "usage: qsmstats" in done.stdout
    assert "Exit codes: 0 all well; 1 " in done.stdout
    assert HEAVY.isdisjoint(done.stderr.strip().split(","))


def test_help_and_documentation_list_every_exit_code():
    kinds = (getattr(errors, name) for name in errors.__all__ if name.endswith("Error"))
    codes = {kind.exit_code for kind in kinds} | {0, SOME_FAILED, FAULT, INTERRUPTED, PIPE_CLOSED}
    listed = {int(number) for number in re.findall(r"(?:: |; )(\d+) ", EXIT_CODES)}
    text = (Path(__file__).parent.parent / "docs/output.md").read_text()
    table = text.partition("## Exit codes")[2].partition("\n## ")[0]
    rows = {
        int(code)
        for row in re.findall(r"^\| (\d[\d, ]*) \|", table, re.M)
        for code in row.split(", ")
    }
    assert codes == listed == rows


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("dance",),
        ("run", "STUDY"),
        ("run", "STUDY", "OUT", "nobody"),
        ("run", "STUDY", "OUT", "--jobs", "0"),
        ("simulate", "STUDY", "--patients", "-3"),
        ("simulate", "STUDY", "--patients", "2", "--followed", "5"),
    ],
)
def test_wrong_usage_exits_with_2(qsmstats, arguments, tmp_path):
    arguments = [str(tmp_path / a) if a in {"STUDY", "OUT"} else a for a in arguments]
    done = qsmstats(*arguments)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_study_toml_exits_with_3(tmp_path, capsys):
    assert main(["check", str(tmp_path)]) == 3
    assert "study.toml" in capsys.readouterr().err


def test_an_unknown_participant_is_named(tmp_path, capsys):
    study = str(write_images(write_tables(tmp_path / "study")))
    command = ["run", study, str(tmp_path / "out"), "participant", "--participant-label", "nobody"]
    assert main([*command, "--jobs", "1"]) == 2
    assert "nobody" in capsys.readouterr().err


def test_every_command_shows_examples_that_parse(capsys):
    listed = parse_help([], capsys)
    assert set(EXAMPLES) == set(re.findall(r"^    (\w+)", listed, re.M))
    for command, examples in EXAMPLES.items():
        assert f"Examples:\n  {examples}\n" in parse_help([command], capsys)
        for line in examples.split("\n"):
            parse(shlex.split(line.split(">")[0])[1:])


def parse_help(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        parse([*command, "--help"])
    return capsys.readouterr().out


def test_a_quiet_command_says_what_went_wrong_only(tmp_path, capsys):
    study = write_images(write_tables(tmp_path / "study", tables()))
    assert main(["check", str(study)]) == 0
    assert "no problem found" in capsys.readouterr().err
    assert main(["check", str(study), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["check", str(tmp_path / "nowhere"), "-q"]) == 3
    assert "nowhere" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["check", str(study), "-q", "-v"])


def test_completion_is_written_for_a_shell(capsys):
    pytest.importorskip("shtab")
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("--participant-label", "init", "--style"))


def test_completion_without_its_package_names_it(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "zsh"]) == 2
    assert "pip install 'qsmstats[completion]'" in capsys.readouterr().err
