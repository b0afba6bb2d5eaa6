"""Refits of the longitudinal model against their peers, and coverage of the bootstrap intervals.

    python benchmarks/resampling.py [--refits 1000] [--peers 5] [--coverage 500] [--jobs 1]

1. 40 patients x ~45 lesions x 2-3 visits (case b of `mixed.py`), one fit, outcomes simulated from
   it. Seconds per refit, in this one run, of the batch (simulation included), of a loop over
   `MixedModel.fit`, of statsmodels MixedLM with the same random effects in a loop, and of lme4's
   bootMer where Rscript finds lme4; ratios to the batch; the largest difference of the criterion
   between the batch and single fits; CPU seconds of Kenward and Roger's test of one coefficient in
   the batch, and alone.
2. Peak memory of a process that makes the refits, by the size of the batch.
3. With `--coverage N`: N simulated studies of 18 patients x 10 lesions, each bootstrapped; share of
   nominal 95 % intervals that cover the truth, by kind of bootstrap and of interval, for the
   difference of two types' slopes and for the standard deviation of the patients' slopes, with its
   Monte-Carlo error; and the intervals of Satterthwaite and of the curvature (delta) beside them.

Set OMP_NUM_THREADS=1. R, statsmodels and the batch use one core each unless --jobs says more.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from mixed import simulate as simulate_case

from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.model import MixedModel
from qsmstats.mixed.resampling.bootstrap_result import Bootstrap

FORMULA = "mwf ~ lesion_type * years + age + sex + (1 + years | patient) + (1 | patient:lesion)"
SMALL = "mwf ~ years * lesion_type + (1 + years | patient) + (1 | patient:lesion)"
# Percent of myelin water: intercept, per year, difference of types, difference of slopes.
TRUTH = {
    "Intercept": 5.0,
    "years": 0.10,
    "lesion_type[T.iso]": 0.6,
    "years:lesion_type[T.iso]": 0.20,
}
PATIENT = np.array([[0.49, -0.05], [-0.05, 0.09]])  # covariance of intercept and slope
LESION, RESIDUAL = 0.5, 0.3
KINDS = ("parametric", "cluster")
INTERVALS = ("percentile", "basic", "bca")


def batched(fit: MixedFit, refits: int, jobs: int) -> tuple[float, Bootstrap]:
    """Seconds per refit of the parametric bootstrap, simulation and all."""
    fit.bootstrap(8, seed=0)
    begin = time.perf_counter()
    made = fit.bootstrap(refits, seed=1, jobs=jobs)
    return (time.perf_counter() - begin) / refits, made


def singly(fit: MixedFit, outcomes: np.ndarray) -> tuple[float, list[float]]:
    """Seconds per refit of a loop over fits, and their criteria."""
    begin = time.perf_counter()
    criteria = [fit.refit(outcomes[:, one]).info.criterion for one in range(outcomes.shape[1])]
    return (time.perf_counter() - begin) / outcomes.shape[1], criteria


def statsmodels_loop(fit: MixedFit, outcomes: np.ndarray) -> float:
    """Seconds per refit of MixedLM: slope by patient, variance component by lesion."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    data = fit.frame.data
    begin = time.perf_counter()
    for one in range(outcomes.shape[1]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            MixedLM.from_formula(
                "mwf ~ lesion_type * years + age + sex",
                data.assign(mwf=outcomes[:, one]),
                groups="patient",
                re_formula="1 + years",
                vc_formula={"lesion": "0 + C(lesion)"},
            ).fit(reml=True)
    return (time.perf_counter() - begin) / outcomes.shape[1]


BOOT_MER = """
suppressPackageStartupMessages({library(lme4); library(jsonlite)})
d <- read.csv(commandArgs(TRUE)[1], stringsAsFactors = TRUE)
n <- as.integer(commandArgs(TRUE)[2])
m <- lmer(mwf ~ lesion_type * years + age + sex + (1 + years | patient) + (1 | patient:lesion), d)
s <- system.time(b <- suppressMessages(bootMer(m, fixef, nsim = n, seed = 1)))[["elapsed"]]
version <- as.character(packageVersion("lme4"))
cat(toJSON(list(seconds = s / n, version = version), auto_unbox = TRUE))
"""


def boot_mer(data: pd.DataFrame, refits: int) -> dict | None:
    """Seconds per refit of lme4's bootMer, or None where there is no lme4."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        script, table = Path(folder) / "boot.R", Path(folder) / "data.csv"
        script.write_text(BOOT_MER)
        data.to_csv(table, index=False)
        done = subprocess.run(
            ["Rscript", script, table, str(refits)], capture_output=True, text=True, check=False
        )
    return json.loads(done.stdout) if done.returncode == 0 else None


def speed(refits: int, peers: int, jobs: int) -> None:
    """Print seconds per refit and ratios."""
    data = simulate_case("b")
    fit = MixedModel(FORMULA).fit(data)
    print(f"{fit.info.n_obs} rows, {fit.info.n_groups}, {len(fit.estimates)} coefficients")
    ours, made = batched(fit, refits, jobs)
    outcomes = fit.simulate(peers, seed=1).to_numpy()
    alone, criteria = singly(fit, outcomes)
    test = {"test": {fit.fixed.names[-1]: 1.0}}
    many = fit.refit(fit.simulate(64, seed=2).to_numpy())
    begin = time.process_time()
    many.wald(test, df="kenward-roger")
    middle = time.process_time()
    fit.wald(test, df="kenward-roger")
    end = time.process_time()
    print(
        f"Kenward and Roger's test of a coefficient: {1e3 * (middle - begin) / 64:.2f} ms of CPU "
        f"each for 64 outcomes together, {1e3 * (end - middle):.2f} ms alone"
    )
    rows = [("batch", refits, ours), ("MixedModel in a loop", peers, alone)]
    rows.append(("statsmodels MixedLM", peers, statsmodels_loop(fit, outcomes)))
    mer = boot_mer(data, 20)
    if mer is not None:
        rows.append((f"lme4 {mer['version']} bootMer", 20, mer["seconds"]))
    print(f"\n{'':24}{'refits':>8}{'ms/refit':>12}{'ratio':>9}")
    for name, count, seconds in rows:
        print(f"{name:24}{count:>8}{1e3 * seconds:>12.2f}{seconds / ours:>9.0f}")
    worst = np.abs(fit.refit(outcomes).criterion - criteria).max()
    print(f"largest |criterion of the batch - of a single fit|: {worst:.1e} ({peers} refits)")
    print(
        f"failed {made.n_failed}, not converged {made.n_unconverged}, singular {made.n_singular}, "
        f"refitted singly {made.n_refitted_singly}"
    )


PEAK = """
import sys, resource
sys.path.insert(0, {here!r})
from resampling import FORMULA, simulate_case
from qsmstats.mixed.model import MixedModel
fit = MixedModel(FORMULA).fit(simulate_case("b"))
fit.bootstrap(8, seed=0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fit.bootstrap({refits}, seed=1, batch={batch})
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(after / 1024, (after - before) / 1024)
"""


def memory(refits: int) -> None:
    """Print the growth of peak memory with the size of the batch."""
    here = str(Path(__file__).parent)
    print(f"\npeak memory of {refits} refits, imports included, and how far it is above that of 8")
    for batch in (64, 256, 1024):
        script = PEAK.format(here=here, refits=refits, batch=batch)
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        peak, growth = map(float, done.stdout.split())
        print(f"  batch {batch:>5}: {peak:8.1f} MB {growth:8.1f} MB")


def study(rng: np.random.Generator, patients: int = 18) -> pd.DataFrame:
    """Simulate one small study: 10 lesions a patient, two types, 2 or 3 visits."""
    lesions = patients * 10
    visits = rng.integers(2, 4, lesions)
    row = np.repeat(np.arange(lesions), visits)
    visit = np.arange(len(row)) - np.repeat(np.cumsum(visits) - visits, visits)
    years = visit + rng.uniform(-0.1, 0.1, len(row)) * (visit > 0)
    iso = (row % 2).astype(float)
    effects = rng.multivariate_normal([0, 0], PATIENT, patients)[row // 10]
    noise = rng.normal(0, LESION, lesions)[row] + rng.normal(0, RESIDUAL, len(row))
    mean = TRUTH["Intercept"] + TRUTH["years"] * years + TRUTH["lesion_type[T.iso]"] * iso
    mean += TRUTH["years:lesion_type[T.iso]"] * iso * years
    return pd.DataFrame(
        {
            "patient": row // 10,
            "lesion": row % 10,
            "lesion_type": pd.Categorical(np.where(row % 2, "iso", "hyper")),
            "years": years,
            "mwf": mean + effects[:, 0] + effects[:, 1] * years + noise,
        }
    )


def covered(table: pd.DataFrame, term: str, truth: float) -> bool:
    """Whether a term's interval holds the truth; a missing limit does not."""
    row = table[table["term"] == term].iloc[0]
    return bool(row["conf_low"] <= truth <= row["conf_high"])


def coverage(studies: int, refits: int) -> None:
    """Print the coverage of all kinds of intervals."""
    slope, spread = "years:lesion_type[T.iso]", "sd(years | patient)"
    truths = {slope: TRUTH[slope], spread: float(np.sqrt(PATIENT[1, 1]))}
    hits: dict[tuple[str, str, str], int] = {}
    left_out = dict.fromkeys(KINDS, 0)
    begin = time.perf_counter()
    for number in range(studies):
        fit = MixedModel(SMALL).fit(study(np.random.default_rng([2022, number])))
        for kind in KINDS:
            made = fit.bootstrap(refits, kind=kind, seed=number, interval="bca")
            left_out[kind] += made.n_failed + made.n_unconverged
            for interval in INTERVALS:
                table = made.table(interval=interval)
                for term, truth in truths.items():
                    key = (kind, interval, term)
                    hits[key] = hits.get(key, 0) + covered(table, term, truth)
        for key, hit in beside(fit, slope, truths[slope], truths[spread]):
            hits[key] = hits.get(key, 0) + hit
    error = np.sqrt(0.95 * 0.05 / studies)
    print(
        f"\ncoverage of nominal 95 % over {studies} studies, {refits} refits each "
        f"(Monte-Carlo error {error:.3f}; {time.perf_counter() - begin:.0f} s)"
    )
    print(f"{'bootstrap':14}{'interval':14}{'difference of slopes':>22}{'sd of slopes':>14}")
    for kind, interval in dict.fromkeys(key[:2] for key in hits):
        shares = [hits.get((kind, interval, term), 0) / studies for term in truths]
        print(f"{kind:14}{interval:14}{shares[0]:>22.3f}{shares[1]:>14.3f}")
    print("refits left out (failed or not converged):", left_out)


def beside(fit: MixedFit, slope: str, effect: float, deviation: float) -> list:
    """Whether the intervals that need no refits cover."""
    coefficient = covered(fit.coefficients(), slope, effect)
    rows = fit.variance_table(interval="delta")
    row = rows[(rows["group"] == "patient") & (rows["term"] == "years")].iloc[0]
    inside = bool(row["conf_low"] <= deviation <= row["conf_high"])
    method = ("none", "t / delta")
    return [((*method, slope), coefficient), ((*method, "sd(years | patient)"), inside)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--refits", type=int, default=1000)
    parser.add_argument("--peers", type=int, default=5, help="refits of the slow peers")
    parser.add_argument("--coverage", type=int, default=0, metavar="STUDIES")
    parser.add_argument("--draws", type=int, default=200, help="refits of each of these studies")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    if given.refits:
        speed(given.refits, given.peers, given.jobs)
        memory(given.refits)
    if given.coverage:
        coverage(given.coverage, given.draws)


if __name__ == "__main__":
    main()
