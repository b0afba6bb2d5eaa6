"""The command line: help that answers at once, versions, and true exit codes."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from qsmstats import __version__
from qsmstats.cli import parse

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
    assert HEAVY.isdisjoint(done.stderr.strip().split(","))


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


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("run /home/anna/study /data/out --jobs 2", "qsmstats run STUDY OUT --jobs 2"),
        ("run ../study/ out", "qsmstats run STUDY out"),
        ("run study 'an out'", "qsmstats run study 'an out'"),
        ("report --anonymous /home/anna .", "qsmstats report --anonymous STUDY ."),
    ],
)
def test_the_recorded_command_names_no_place_outside(typed, kept):
    """Absolute paths hold names of users and machines, and travel with the results."""
    assert parse(shlex.split(typed)).command_line == kept
