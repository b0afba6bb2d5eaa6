"""The lines of Python and R: they run, and give the numbers of the run."""

import shutil
import subprocess

import pandas as pd
import pytest

from qsmstats import baseline_differences, trajectories, write_answer
from qsmstats.report.results.columns import needed
from qsmstats.report.results.output_folder import Results
from qsmstats.report.sections.context import Context
from qsmstats.report.sections.reproduce import python_lines, r_lines
from qsmstats.studies.answer_files import write_table
from qsmstats.studies.default_models import POOLED
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


def test_the_lines_of_python_are_python_and_name_each_study_and_map(drawn):
    lines = python_lines(Context(results=Results(folder=drawn), plates=None, study=None))
    compile(lines, "lines", "exec")
    # The made-up run adjusts by another method than the default.
    assert "settings = qs.ModelSettings(\n    adjust='holm',\n)" in lines
    for call, outcomes in (
        ("baseline_differences", ["mwf_percent", "ndi"]),
        ("trajectories", ["ndi"]),
    ):
        assert f"for outcome in {outcomes!r}:\n" in lines
        assert f"qs.{call}(tidy, outcome, settings=settings)" in lines


@pytest.fixture
def strata(tmp_path):
    """A model whose residual variance differs by type, two of which share one."""
    formula = f"{OUTCOME} ~ C(scanner) + lesion_type + log(age) + (1 | participant_id)"
    levels = ["isointense", "hypointense", "hypointense_rim"]
    terms = ["Intercept", "isointense and hypointense_rim", "hypointense"]
    about = {"outcome": OUTCOME, "n_obs": 9, "n_groups": "participant_id 3"}
    tables = {
        "means": pd.DataFrame({"level": levels, "outcome": OUTCOME}),
        "variances": pd.DataFrame({"term": terms, "group": ["participant_id", *["Residual"] * 2]}),
        "models": pd.DataFrame([{**about, "formula": formula}]),
    }
    for name, table in tables.items():
        columns = [*dict.fromkeys([*table, *needed(f"baseline/{name}")])]
        told = table.reindex(columns=columns).assign(outcome=OUTCOME)
        write_table(told, tmp_path / "baseline" / f"{name}.tsv")
    text = f"A model, {formula}, was fitted. The residual variance was estimated for each {POOLED}."
    (tmp_path / "baseline" / "methods.txt").write_text(text)
    return Context(results=Results(folder=tmp_path), plates=None, study=None)


def test_types_that_share_a_residual_variance_share_a_level_in_r(strata):
    lines = r_lines(strata)
    assert "library(glmmTMB)" in lines
    assert "lmer(" not in lines
    assert (
        f'levels(d${POOLED})[levels(d${POOLED}) %in% c("isointense", "hypointense_rim")] <-'
        ' "isointense and hypointense_rim"' in lines
    )
    assert f"{OUTCOME} ~ factor(scanner) + lesion_type" in lines  # R's C() wants a factor already
    assert f"+ log(age) + (1 | participant_id), dispformula = ~ {POOLED}, REML = TRUE" in lines


@needs_r
def test_the_lines_of_r_are_r(strata, drawn, tmp_path):
    path = tmp_path / "lines.R"
    plain = Context(results=Results(folder=drawn), plates=None, study=None)
    path.write_text("\n".join(map(r_lines, (strata, plain))), encoding="utf-8")
    call = ["Rscript", "--vanilla", "-e", f'cat(length(parse(file = "{path}")))']
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 20


@pytest.mark.slow
@needs_r
def test_the_lines_of_r_give_the_estimates_of_the_run(context, folder):
    lines = r_lines(context).split("\n")
    libraries = [line for line in lines if line.startswith("library(")]
    loaded = ["Rscript", "--vanilla", "-e", "; ".join(libraries)]
    if subprocess.run(loaded, capture_output=True, check=False).returncode:
        pytest.skip(f"R lacks one of {libraries}")
    told = [line.replace("summary(fit)", "show(fit)") for line in lines]
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
