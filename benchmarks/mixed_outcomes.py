"""Thousands of outcomes of the same rows: outcomes per CPU second, and memory.

    python benchmarks/mixed_outcomes.py [--outcomes 4096] [--rounds 3] [--memory 20000] [--peers 40]

40 patients x 3 visits, `group * years + age + sex + (1 + years | participant_id)`, REML, with
Satterthwaite's df, t and p of all coefficients. Visits are the same years for all patients, or
differ; outcomes have intercepts and slopes of patients that differ much, slopes that differ little
(about 40 % of the fits are singular), or nothing but noise (about 75 %). Seconds are of CPU, in one
thread, the best of all rounds. Memory is the growth of the peak of a process that fits so many
outcomes, beyond the outcomes themselves, by the side of the size of the result.

The first `--peers` outcomes of each kind are fitted by peers in the same run, as ratios to ours,
with the largest difference of a coefficient in its standard errors, and how far their criteria lie
above ours: lme4's `refit` (no tests) and lmerTest with its tests where Rscript finds them, and the
estimation of BLMM (pSFS3D, tolerance 1e-6, REML, no tests, 1,024 outcomes at once) where it is
installed: its requirements contradict ours, so ``pip install --no-deps pyblmm``.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from qsmstats.mixed.batch.outcomes import OutcomeDesign
from qsmstats.mixed.model import MixedModel

RIGHT = "group * years + age + sex + (1 + years | participant_id)"
FORMULA = f"y ~ {RIGHT}"
SLOPES = {"slopes differ": (1.0, 0.5), "slopes differ little": (1.0, 0.15), "noise": (0.0, 0.0)}


def rows(jitter: float) -> pd.DataFrame:
    """40 patients x 3 visits, these at 0, 1 and 2 years or near them."""
    rng = np.random.default_rng(0)
    patient, visit = np.repeat(np.arange(40), 3), np.tile(np.arange(3.0), 40)
    return pd.DataFrame(
        {
            "participant_id": patient,
            "years": visit + rng.normal(0, jitter, 120) * (visit > 0),
            "group": np.where(patient % 2, "ms", "hc"),
            "age": rng.normal(45, 11, 40)[patient],
            "sex": rng.choice(["F", "M"], 40)[patient],
        }
    )


def outcomes(data: pd.DataFrame, count: int, intercept: float, slope: float) -> np.ndarray:
    """Outcomes with patients that differ by so much, shape (rows, count)."""
    rng = np.random.default_rng(1)
    patient, years = data["participant_id"].to_numpy(), data["years"].to_numpy()[:, None]
    made = 10.0 + 0.6 * rng.normal(size=(len(data), count))
    made += intercept * rng.normal(size=(40, count))[patient]
    return made + slope * rng.normal(size=(40, count))[patient] * years


def seconds(design: OutcomeDesign, values: np.ndarray, rounds: int) -> tuple[float, float]:
    """CPU seconds of fits with tests, and the share of singular fits."""
    best = np.inf
    for _ in range(rounds):
        begin = time.process_time()
        fits = design.fit_outcomes(values)
        fits.wald()
        best = min(best, time.process_time() - begin)
    return best, float(fits.singular.mean())


def blmm(design: OutcomeDesign, values: np.ndarray) -> tuple[float, np.ndarray]:
    """CPU seconds of BLMM's estimation, and its coefficients, shape (outcomes, p)."""
    from blmm.src.est3d import pSFS3D

    x = design.layout.fixed.matrix(design.layout.frame.data)
    years = design.layout.frame.data["years"].to_numpy()
    patient = design.layout.frame.data["participant_id"].astype("category").cat.codes.to_numpy()
    groups = patient.max() + 1
    z = np.zeros((len(x), groups, 2))
    z[np.arange(len(x)), patient] = np.column_stack([np.ones(len(x)), years])
    blocks = np.einsum("ngi,ngj->igj", z, z).reshape(1, 2, -1)  # of Z'Z, the diagonal ones alone
    z = z.reshape(len(x), -1)
    begin = time.process_time()
    xy, zy = (x.T @ values).T[..., None], (z.T @ values).T[..., None]
    yy = np.einsum("nm,nm->m", values, values)[:, None, None]
    turned = xy.swapaxes(1, 2), zy.swapaxes(1, 2)
    found = pSFS3D(
        (x.T @ x)[None], xy, (z.T @ x)[None], zy, blocks, (x.T @ z)[None], turned[1], yy, turned[0],
        np.array([groups]), np.array([2]), 1e-6, len(x), reml=True,
    )  # fmt: skip
    return time.process_time() - begin, found[:, : x.shape[1], 0]


def in_r(peer: str, data: pd.DataFrame, values: np.ndarray) -> tuple[float, np.ndarray] | None:
    """Seconds, coefficients and criteria by lme4 or lmerTest; None where R has neither."""
    script = Path(__file__).with_name("mixed_outcomes_peers.R")
    with tempfile.TemporaryDirectory() as folder:
        table, outcome, out = (Path(folder) / name for name in ("x.csv", "y.csv", "found.csv"))
        data.to_csv(table, index=False)
        pd.DataFrame(values).to_csv(outcome, index=False)
        done = subprocess.run(
            ["Rscript", script, table, outcome, RIGHT, peer, out],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return (float(done.stdout), pd.read_csv(out).to_numpy()) if not done.returncode else None


def beside(design: OutcomeDesign, values: np.ndarray, count: int, ours: float) -> None:
    """Print the peers' outcomes a second, their ratios, and how far their coefficients are off."""
    found = {}
    if shutil.which("Rscript"):
        data = design.layout.frame.data
        found |= {peer: in_r(peer, data, values[:, :count]) for peer in ("lme4", "lmerTest")}
    if importlib.util.find_spec("blmm"):
        found["BLMM"] = blmm(design, values[:, :1024])
    for peer, result in found.items():
        if result is None:
            continue
        took, coefficients = result
        fits = design.fit_outcomes(values[:, : len(coefficients)])
        tests, criterion = fits.wald(), ""
        if peer != "BLMM":
            worse = coefficients[:, -1] - fits.criterion
            coefficients = coefficients[:, :-1]
            criterion = f", criterion {worse.min():+.1e} to {worse.max():+.1e}"
        off = np.abs(tests.estimate - coefficients) / tests.std_error
        each = took / len(coefficients)
        print(
            f"{'':14}{peer:22}{1e6 * each:7.0f} us each, {1 / each:6.0f} a second, "
            f"{each / ours:.0f} times ours, coefficients off by {off.max():.1e} SE{criterion}",
            flush=True,
        )


def memory(count: int) -> None:
    """Print the growth of the peak of this process, and the size of the result, in MB."""
    design = MixedModel(FORMULA).design(rows(0.0))
    values = outcomes(rows(0.0), count, *SLOPES["slopes differ"])
    design.fit_outcomes(values[:, :4096])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fits = design.fit_outcomes(values)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    arrays = (getattr(fits, field.name) for field in fields(fits))
    size = sum(one.nbytes for one in arrays if isinstance(one, np.ndarray))
    print(
        f"{count} outcomes: {values.nbytes / 2**20:.0f} MB, result {size / 2**20:.0f} MB, "
        f"peak grows by {(after - before) / 1024:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--outcomes", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=20_000)
    parser.add_argument("--peers", type=int, default=40)
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        memory(given.peak)
        return
    for label, jitter in (("same years", 0.0), ("years differ", 0.05)):
        data = rows(jitter)
        design = MixedModel(FORMULA).design(data)
        for name, spreads in SLOPES.items():
            values = outcomes(data, given.outcomes, *spreads)
            took, singular = seconds(design, values, given.rounds)
            print(
                f"{label:14}{name:22}{1e6 * took / given.outcomes:7.0f} us each, "
                f"{given.outcomes / took:6.0f} a second, {singular:.0%} singular",
                flush=True,
            )
            beside(design, values, given.peers, took / given.outcomes)
    # In a process of its own, whose peak is not that of what came before.
    subprocess.run([sys.executable, __file__, "--peak", str(given.memory)], check=True)


if __name__ == "__main__":
    main()
