"""The scripts of a paper's reader: short, public names only, and they run."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

import pytest

import qsmstats

SCRIPTS = sorted((Path(qsmstats.__file__).parents[1] / "analyses").glob("*.py"))
WRITES = {
    "cross_sectional": ["baseline/contrasts.tsv", "tissue/contrasts.tsv"],
    "longitudinal": ["trajectory/slopes.tsv"],
    "histology_validation": [
        *("histology/accuracy.tsv", "histology/crosstab.tsv", "histology/stard.tsv"),
        *("histology/cutoffs.tsv", "histology/flow.svg", "histology/roc.svg", "report.html"),
    ],
    "patients": ["patients/associations.tsv", "patients/groups.tsv", "transitions/rates.tsv"],
    "trial_planning": ["planning/designs.tsv", "planning/assumptions.tsv"],
}
SAYS = {
    "cross_sectional": "isointense - hypointense",
    "longitudinal": "change per year",
    "histology_validation": "the first total that allows it is 102",
    "patients": "Not answered, question counts",
    "trial_planning": "Visits twice a year: A power of 80%",
}


def run_script(script, monkeypatch, *arguments):
    """Run a script as `python SCRIPT ARGUMENTS` would, in this process."""
    monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
    runpy.run_path(str(script), run_name="__main__")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_is_short_and_uses_public_names_only(script):
    text = script.read_text()
    assert len(text.splitlines()) <= 60
    used = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            assert all(n.name == "qsmstats" or "." not in n.name for n in node.names)
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("qsmstats")
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "qs":
            used.add(node.attr)
    assert used
    assert used <= set(qsmstats.__all__)


@pytest.mark.parametrize(
    "script",
    [
        # The studies themselves are tested elsewhere; one script shows that scripts run.
        pytest.param(path, marks=[] if path.stem == "patients" else [pytest.mark.slow])
        for path in SCRIPTS
    ],
    ids=lambda path: path.stem,
)
def test_script_runs_on_a_study_folder(script, study_copy, tmp_path, monkeypatch, capsys):
    settings = study_copy / "study.toml"  # which asks nothing about patients
    settings.write_text(settings.read_text().replace("questions = []", ""))
    run_script(script, monkeypatch, study_copy, tmp_path)
    assert SAYS[script.stem] in capsys.readouterr().out
    for name in WRITES[script.stem]:
        assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_without_arguments_says_how_to_call_it(script, monkeypatch):
    # A text is printed, and the code of the process is 1.
    with pytest.raises(SystemExit, match=f"python analyses/{script.name} STUDY OUT"):
        run_script(script, monkeypatch)
