"""Thousands of outcomes of the same rows: outcomes per CPU second, and memory.

    python benchmarks/mixed_outcomes.py [--outcomes 4096] [--rounds 3] [--memory 20000]

40 patients x 3 visits, `group * years + age + sex + (1 + years | participant_id)`, REML, with
Satterthwaite's df, t and p of all coefficients. Visits are the same years for all patients, or
differ; outcomes have intercepts and slopes of patients that differ much, slopes that differ little
(about 40 % of the fits are singular), or nothing but noise (about 75 %). Seconds are of CPU, in one
thread, the best of all rounds. Memory is the growth of the peak of a process that fits so many
outcomes, beyond the outcomes themselves, by the side of the size of the result.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from dataclasses import fields

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from qsmstats.mixed.batch.outcomes import OutcomeDesign
from qsmstats.mixed.model import MixedModel

FORMULA = "y ~ group * years + age + sex + (1 + years | participant_id)"
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
    # In a process of its own, whose peak is not that of what came before.
    subprocess.run([sys.executable, __file__, "--peak", str(given.memory)], check=True)


if __name__ == "__main__":
    main()
