"""Mixed models against their peers: seconds, memory, criterion and degrees of freedom, in one run.

    python benchmarks/mixed.py [--cases a,b,c,d] [--limit 120]

Cases (simulated here, seeded):

  a  115 patients x ~40 lesions, random intercept
  b  40 patients x ~45 lesions x 2-3 visits, random slope, lesions nested in patients
  c  ten times b
  d  a hundred times a (~460,000 rows)

Every peer fits each case by REML in a process of its own with one thread; times start from the
data frame in memory, formula parsing included, imports and a first small fit (so that nothing is
loaded or compiled during the clock) excluded, best of up to 50 repetitions in two seconds. Peak is
the growth of the process's resident memory from then on. A step that takes longer
than the limit is stopped and shown as "> limit"; nothing is extrapolated. pbkrtest's
matrices are n x n, so it is only tried up to 10,000 rows; the same holds for lme-python's
Kenward-Roger. R's packages are tried where Rscript finds them.

A fit does not do the same everywhere. qsmstats and mixedlm 1.3.0 leave out rows with missing values
and columns that depend on others; qsmstats also refuses designs that cannot tell the parameters
apart. lme-python 0.2.7 refuses missing values, gives estimates of dependent columns in silence, and
stops where theta has six digits (in case a; its degrees of freedom have three to four). "fit" is
what a user waits for, "fit+Satt" the way to a table with p-values.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FORMULA_A = "mwf ~ lesion_type + age + sex + log_volume + (1 | patient)"
FORMULA_B = (
    "mwf ~ years * lesion_type + age + sex + log_volume + (1 + years | patient)"
    " + (1 | patient:lesion)"
)
CASES = {
    "a": (FORMULA_A, "115 patients, random intercept"),
    "b": (FORMULA_B, "40 patients, slope + nested lesions"),
    "c": (FORMULA_B, "10 x b"),
    "d": (FORMULA_A, "100 x a"),
}
PEERS = (
    "qsmstats",
    "lme4",
    "lmerTest",
    "pbkrtest",
    "statsmodels",
    "mixedlm",
    "lme-python",
)
STEPS = ("fit", "satterthwaite", "kenward-roger")
# Rows above which peers that build n x n matrices are not tried.
DENSE_LIMIT = 10_000
TARGETS = {"a": 5, "b": 10, "c": 30, "d": 15}


def simulate(case: str) -> pd.DataFrame:
    """One cohort; effects and spreads near those of myelin water fraction in percent."""
    rng = np.random.default_rng(20220601)
    patients = {"a": 115, "b": 40, "c": 400, "d": 11_500}[case]
    visits = case in "bc"
    per_patient = rng.negative_binomial(1.08 * 4, 1.08 * 4 / (1.08 * 4 + 40), patients) + 1
    patient = np.repeat(np.arange(patients), per_patient)
    lesion = np.arange(len(patient)) - np.repeat(np.cumsum(per_patient) - per_patient, per_patient)
    types = np.array(["iso", "hyper", "hypo", "prl", "rim"])
    kind = rng.choice(5, len(patient), p=[0.6, 0.2, 0.05, 0.1, 0.05])
    age = np.round(rng.normal(45, 11, patients), 1)
    sex = rng.choice(["F", "M"], patients, p=[0.65, 0.35])
    log_volume = rng.normal(4, 1, len(patient))
    times = rng.choice(2, len(patient)) + 2 if visits else np.ones(len(patient), int)
    row = np.repeat(np.arange(len(patient)), times)
    visit = np.arange(len(row)) - np.repeat(np.cumsum(times) - times, times)
    years = np.round(visit + rng.normal(0, 0.05, len(row)) * (visit > 0), 3)
    mean = 5.0 + np.array([0.0, -0.6, 0.4, -0.9, -0.5])[kind] - 0.02 * (age[patient] - 45)
    mean = (mean - 0.1 * log_volume)[row] + 0.15 * years * (np.isin(kind, [0, 2])[row] - 0.3)
    noise = rng.normal(0, 0.7, patients)[patient][row] + rng.normal(0, 0.6, len(row))
    if visits:
        noise += rng.normal(0, 0.8, len(patient))[row]
        noise += (rng.normal(0, 0.15, patients)[patient])[row] * years
    return pd.DataFrame(
        {
            "patient": [f"P{i:05d}" for i in patient[row]],
            "lesion": [f"L{i:03d}" for i in lesion[row]],
            "lesion_type": pd.Categorical(types[kind[row]], categories=sorted(types)),
            "age": age[patient][row],
            "sex": sex[patient][row],
            "log_volume": log_volume[row],
            "years": years,
            "mwf": mean + noise,
        }
    )


def _memory(field: str) -> float:
    """VmRSS or VmHWM of this process in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if field in line)


class Worker:
    """Runs the steps of one peer and prints a JSON line after each."""

    def __init__(self, repeats: int) -> None:
        self.repeats = repeats
        self.start = 0.0

    def ready(self) -> None:
        """Take memory as it is now, imports and first small fit included, as the base."""
        # Writing 5 resets the peak to what is resident now (see `man 5 proc`).
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self.start = _memory("VmRSS")

    def step(
        self, name: str, call: Callable[[], Any], tell: Callable[[Any], dict[str, Any]]
    ) -> Any:
        """Time a step and tell about it."""
        seconds, cpu, spent, value = np.inf, np.inf, 0.0, None
        for _ in range(self.repeats):
            begin, used = time.perf_counter(), time.process_time()
            value = call()
            took, cpu = time.perf_counter() - begin, min(cpu, time.process_time() - used)
            seconds, spent = min(seconds, took), spent + took
            if spent > 2:
                break
        peak = _memory("VmHWM") - self.start
        told = {"step": name, "seconds": seconds, "cpu": cpu, "peak": peak, **tell(value)}
        print(json.dumps(told), flush=True)
        return value


def _slope(names: list[str]) -> int:
    """Position of the coefficient whose df are compared."""
    return names.index("years") if "years" in names else names.index("age")


def run_qsmstats(frame: pd.DataFrame, small: pd.DataFrame, formula: str, worker: Worker) -> None:
    from qsmstats.mixed.model import MixedModel

    MixedModel(formula).fit(small).coefficients(df="kenward-roger")
    worker.ready()
    fit = worker.step(
        "fit",
        lambda: MixedModel(formula).fit(frame),
        lambda made: {"criterion": made.info.criterion},
    )

    def degrees(table: pd.DataFrame) -> dict[str, float]:
        return {"df": float(table["df"].iloc[_slope(table["term"].tolist())])}

    for method in ("satterthwaite", "kenward-roger"):
        worker.step(method, lambda method=method: fit.coefficients(df=method), degrees)


def run_statsmodels(frame: pd.DataFrame, small: pd.DataFrame, formula: str, worker: Worker) -> None:
    import statsmodels.formula.api as smf

    fixed = formula.split(" + (")[0]
    nested = "years" in formula
    options: dict[str, Any] = {"groups": "patient"}
    if nested:
        options |= {"re_formula": "1 + years", "vc_formula": {"lesion": "0 + C(lesion)"}}
    smf.mixedlm(fixed, small, **options).fit(reml=True)
    worker.ready()
    worker.step(
        "fit",
        lambda: smf.mixedlm(fixed, frame, **options).fit(reml=True),
        lambda made: {"criterion": -2 * made.llf},
    )


def run_mixedlm(frame: pd.DataFrame, small: pd.DataFrame, formula: str, worker: Worker) -> None:
    import mixedlm
    from mixedlm.inference.ddf import kenward_roger_df, satterthwaite_df

    satterthwaite_df(mixedlm.lmer(formula, small))
    worker.ready()
    fit = worker.step(
        "fit",
        lambda: mixedlm.lmer(formula, frame),
        lambda made: {"criterion": -2 * float(made.logLik())},
    )
    for name, method in (("satterthwaite", satterthwaite_df), ("kenward-roger", kenward_roger_df)):
        worker.step(
            name,
            lambda method=method: method(fit),
            lambda made: {"df": float(made.df[_slope(list(made.param_names))])},
        )


def run_lme_python(frame: pd.DataFrame, small: pd.DataFrame, formula: str, worker: Worker) -> None:
    import lme_python

    lme_python.lmer(formula, small).with_satterthwaite(small)
    worker.ready()
    fit = worker.step(
        "fit",
        lambda: lme_python.lmer(formula, frame),
        lambda made: {"criterion": made.reml_criterion},
    )
    names = list(fit.fixed_names)
    worker.step(
        "satterthwaite",
        lambda: fit.with_satterthwaite(frame),
        lambda _: {"df": fit.satterthwaite_dfs[_slope(names)]},
    )
    if len(frame) <= DENSE_LIMIT:
        worker.repeats = 1
        worker.step(
            "kenward-roger",
            lambda: fit.with_kenward_roger(frame),
            lambda _: {"df": fit.kenward_roger_dfs[_slope(names)]},
        )


RUNNERS = {
    "qsmstats": run_qsmstats,
    "statsmodels": run_statsmodels,
    "mixedlm": run_mixedlm,
    "lme-python": run_lme_python,
}


def work(peer: str, case: str, path: str) -> None:
    """Run one peer on one case in this process."""
    warnings.simplefilter("ignore")
    text = {"patient": str, "lesion": str}
    frame = pd.read_csv(path, dtype=text)
    frame["lesion_type"] = pd.Categorical(frame["lesion_type"])
    small = frame[frame["patient"].isin(frame["patient"].unique()[:12])].reset_index(drop=True)
    small["lesion_type"] = small["lesion_type"].cat.remove_unused_categories()
    RUNNERS[peer](frame, small, CASES[case][0], Worker(repeats=50))


def run(
    peer: str, case: str, path: Path, limit: float, threads: str = "1"
) -> dict[str, dict[str, Any]]:
    """Run one peer on one case in a child process; what it managed to say before the limit.

    `threads` of linear algebra; "" leaves them to the libraries.
    """
    formula = CASES[case][0]
    if peer in {"lme4", "lmerTest", "pbkrtest"}:
        script = Path(__file__).with_name("mixed_peers.R")
        command = ["Rscript", str(script), str(path), formula, peer, "3" if case in "ab" else "1"]
    else:
        command = [sys.executable, __file__, "--worker", peer, case, str(path)]
    settings = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in settings}
    if threads:
        environment |= dict.fromkeys(settings, threads)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(command, stdout=out, stderr=err, env=environment, text=True)
        try:
            child.wait(limit)
            ending = {} if child.returncode == 0 else {"note": "failed"}
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            ending = {"note": f"> {limit:.0f}"}
        out.seek(0)
        err.seek(0)
        said = [json.loads(line) for line in out.read().splitlines() if line.startswith("{")]
        if ending.get("note") == "failed":
            print(f"# {peer} on {case}: {err.read().strip()[-300:]}", file=sys.stderr)
    return {entry["step"]: entry for entry in said} | ({"ending": ending} if ending else {})


def tried(peer: str, rows: int) -> bool:
    """Whether a peer is there and can hold the case."""
    if peer == "pbkrtest" and rows > DENSE_LIMIT:
        return False
    return peer not in {"lme4", "lmerTest", "pbkrtest"} or shutil.which("Rscript") is not None


def _cell(results: dict[str, dict[str, Any]], step: str, key: str, form: str) -> str:
    if step not in results:
        return "-"
    value = results[step].get(key)
    return "-" if value is None else format(value, form)


def show(case: str, rows: int, table: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Print one case."""
    print(f"\ncase {case}: {CASES[case][1]}, {rows} rows")
    head = ("peer", "fit s", "+Satt s", "+KR s", "peak MB", "criterion", "df Satt", "df KR", "")
    print("{:<12}{:>9}{:>9}{:>9}{:>9}{:>18}{:>12}{:>12}  {}".format(*head))
    for peer, found in table.items():
        peaks = [entry["peak"] for entry in found.values() if "peak" in entry]
        criterion = next(
            (f"{e['criterion']:.6f}" for e in found.values() if e.get("criterion") is not None), "-"
        )
        cells = [_cell(found, step, "seconds", ".4f") for step in STEPS]
        cells += [f"{max(peaks):.0f}" if peaks else "-", criterion]
        cells += [_cell(found, step, "df", ".4f") for step in STEPS[1:]]
        note = found.get("ending", {}).get("note", "")
        print("{:<12}{:>9}{:>9}{:>9}{:>9}{:>18}{:>12}{:>12}  {}".format(peer, *cells, note))


def _total(found: dict[str, dict[str, Any]] | None, steps: tuple[str, ...]) -> float | None:
    if not found or any(step not in found for step in steps):
        return None
    return float(sum(found[step]["seconds"] for step in steps))


def ratios(case: str, table: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Print how many times longer each peer takes, and whether the aim is met."""
    ours = table["qsmstats"]
    for peer, found in table.items():
        parts = []
        for label, steps in (("fit", STEPS[:1]), ("fit+Satt", STEPS[:2]), ("KR", STEPS[2:])):
            theirs, mine = _total(found, steps), _total(ours, steps)
            if peer != "qsmstats" and theirs is not None and mine:
                verdict = ""
                if peer == "lmerTest" and label == "fit+Satt":
                    aim = TARGETS[case]
                    verdict = f" (aim {aim}: {'met' if theirs / mine >= aim else 'MISSED'})"
                parts.append(f"{label} {theirs / mine:.1f}x{verdict}")
        if parts:
            print(f"  {peer} / qsmstats: {', '.join(parts)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cases", default="a,b,c,d")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for one peer and case")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(*options.worker)
        return
    with tempfile.TemporaryDirectory() as folder:
        for case in options.cases.split(","):
            frame = simulate(case)
            path = Path(folder) / f"{case}.csv"
            frame.to_csv(path, index=False)
            peers = [peer for peer in options.peers.split(",") if tried(peer, len(frame))]
            table = {peer: run(peer, case, path, options.limit) for peer in peers}
            show(case, len(frame), table)
            if "qsmstats" in table:
                ratios(case, table)


if __name__ == "__main__":
    main()
