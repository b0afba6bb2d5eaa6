"""The command line: help that answers at once, versions, and true exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from qsmstats import __version__, errors
from qsmstats.cli import EXIT_CODES
from qsmstats.exit import FAULT, INTERRUPTED, PIPE_CLOSED
from qsmstats.run import SOME_FAILED

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


def test_a_folder_without_study_toml_exits_with_3(qsmstats, tmp_path):
    done = qsmstats("check", tmp_path)
    assert done.returncode == 3
    assert "study.toml" in done.stderr


def test_an_unknown_participant_is_named(qsmstats, small_study, tmp_path):
    done = qsmstats("run", small_study, tmp_path, "participant", "--participant-label", "nobody")
    assert done.returncode == 2
    assert "nobody" in done.stderr
