"""The lines of Python and R: they run, and give the numbers of the run."""

import shutil
import subprocess

import pandas as pd
import pytest

from qsmstats import baseline_differences, trajectories, write_answer
from qsmstats.report.results.output_folder import Results
from qsmstats.report.sections.context import Context
from qsmstats.report.sections.reproduce import python_lines, r_lines
from qsmstats.studies.answer_files import write_table
from tests.studies.conftest import make_lesions

OUTCOME = "mwf_percent"
needs_r = pytest.mark.skipif(shutil.which("Rscript") is None, reason="no R on this machine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    lesions = make_lesions(patients=14, followed=8)
    write_table(lesions, out / "tidy.tsv")
    for name, ask in (("baseline", baseline_differences), ("trajectory", trajectories)):
        write_answer([ask(lesions, OUTCOME)], out / name)
    return out


@pytest.fixture(scope="module")
def context(folder):
    return Context(results=Results(folder=folder), plates=None, study=None)


def test_the_lines_of_python_are_python_and_name_each_study_and_map(context):
    lines = python_lines(context)
    compile(lines, "lines", "exec")
    assert "settings = qs.ModelSettings()" in lines
    for call in ("baseline_differences", "trajectories"):
        assert f"qs.{call}(tidy, outcome, settings=settings)" in lines
    assert lines.count(f"for outcome in ['{OUTCOME}']:") == 2


@needs_r
def test_the_lines_of_r_are_r(context, tmp_path):
    path = tmp_path / "lines.R"
    path.write_text(r_lines(context), encoding="utf-8")
    call = ["Rscript", "--vanilla", "-e", f'cat(length(parse(file = "{path}")))']
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 10


@pytest.mark.slow
@needs_r
def test_the_lines_of_r_give_the_estimates_of_the_run(context, folder):
    told = [line.replace("summary(fit)", "show(fit)") for line in r_lines(context).split("\n")]
    show = (
        "show <- function(fit) { b <- summary(fit)$coefficients; if (is.list(b)) b <- b$cond;"
        ' cat(sprintf("#%s\\t%.10g\\t%.10g\\n", rownames(b), b[, 1], b[, 2]), sep = "") }'
    )
    script = "\n".join([show, *(line for line in told if not line.startswith("em"))])
    done = subprocess.run(
        ["Rscript", "--vanilla", "-e", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    found = [line[1:].split("\t") for line in done.stdout.splitlines() if line.startswith("#")]
    ours = pd.concat(
        context.results.rows(f"{study}/coefficients", OUTCOME)
        for study in ("baseline", "trajectory")
    )
    assert len(found) == len(ours) > 10
    estimates = [float(row[1]) for row in found]
    # Two optimisers of one criterion; errors of glmmTMB allow for the estimated variances as well.
    assert estimates == pytest.approx(list(ours["estimate"]), rel=2e-3, abs=2e-3)
    errors = [float(row[2]) for row in found]
    assert errors == pytest.approx(list(ours["std_error"]), rel=5e-2)


@pytest.mark.slow
def test_the_lines_of_python_give_the_contrasts_of_the_run(context, folder, monkeypatch):
    monkeypatch.chdir(folder)
    made = {}
    exec(python_lines(context), made)  # our own lines
    told = context.results.rows("baseline/contrasts", OUTCOME)
    assert list(made["answers"]["baseline", OUTCOME].contrasts["estimate"]) == pytest.approx(
        list(told["estimate"])
    )
