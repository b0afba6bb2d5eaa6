"""The command line: help that answers at once, versions, and true exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from qsmstats import __version__

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
