"""ComBat and longitudinal ComBat beside neuroCombat and longcombat-py: seconds and differences.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/harmonise.py [--features 50 1000]

Simulated: 60 participants x 3 visits on 4 scanners, with age and group preserved. The peers are in
the lock (requirements/dev.txt). All run in this process, with the threads that are printed; CPU
seconds, the better of two calls after a first small one (of one that takes more than 5 s, that
one). A peer that is not installed is named and left out; so is one that would take more than
--limit seconds, in proportion to the size before. What is shown as difference is neuroCombat's
rounding of data to single precision, and the tolerance of the optimum in longcombat-py: R's
longCombat differs from ours by 3e-7, and from longcombat-py by 2e-5, in the stored numbers of
tests/harmonise.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import time
import warnings
from collections.abc import Callable
from importlib import import_module

import numpy as np
import pandas as pd

from qsmstats import combat, longcombat


def simulate(features: int) -> tuple[pd.DataFrame, list[str]]:
    rng = np.random.default_rng(20261127)
    people, visits, scanners = 60, 3, 4
    person = np.repeat(np.arange(people), visits)
    scanner = rng.integers(0, scanners, len(person))
    years = np.tile(np.arange(visits, dtype=float), people)
    age = rng.integers(20, 70, people)[person]
    group = rng.integers(0, 2, people)[person]
    shift = rng.normal(0, 0.5, (scanners, features))
    scale = np.sqrt(rng.gamma(20, 1 / 20, (scanners, features)))
    values = rng.normal(0, 1, (people, features))[person] + 0.02 * age[:, None]
    values += 0.1 * (group * years)[:, None] + shift[scanner]
    values += 0.7 * scale[scanner] * rng.normal(size=values.shape)
    names = [f"f{place}" for place in range(features)]
    columns = {"id": person, "years": years, "scanner": scanner, "age": age, "group": group}
    data = pd.DataFrame(columns).assign(scanner=lambda d: d["scanner"].map("ABCD".__getitem__))
    return pd.concat([data, pd.DataFrame(values, columns=names)], axis=1), names


def ours(data: pd.DataFrame, names: list[str]) -> np.ndarray:
    return combat(data, names, preserve="age + group").table[names].to_numpy()


def ours_long(data: pd.DataFrame, names: list[str]) -> np.ndarray:
    made = longcombat(data, names, random="(1 | id)", preserve="age + group * years")
    return made.table[names].to_numpy()


def neurocombat(data: pd.DataFrame, names: list[str]) -> np.ndarray:
    made = import_module("neuroCombat").neuroCombat(
        dat=data[names].T,
        covars=data[["scanner", "age", "group"]],
        batch_col="scanner",
        continuous_cols=["age", "group"],
    )
    return made["data"].T


def longcombat_py(data: pd.DataFrame, names: list[str]) -> np.ndarray:
    made = import_module("longcombat").long_combat(
        data,
        batch_col="scanner",
        id_col="id",
        time_col="years",
        features=names,
        formula="age + group * years",
        ranef="(1|id)",
        verbose=False,
    )
    return made.data_combat[[f"{name}.combat" for name in names]].to_numpy()


Adjust = Callable[[pd.DataFrame, list[str]], np.ndarray]
PAIRS: list[tuple[str, Adjust, str, Adjust, str]] = [
    ("combat", ours, "neuroCombat", neurocombat, "neuroCombat"),
    ("longcombat", ours_long, "longcombat-py", longcombat_py, "longcombat"),
]


def timed(adjust: Adjust, data: pd.DataFrame, names: list[str]) -> tuple[float, np.ndarray]:
    adjust(data, names[:3])
    best, made = np.inf, np.empty(0)
    for _ in range(2):
        begin = time.process_time()
        made = adjust(data, names)
        best = min(best, time.process_time() - begin)
        if best > 5:
            break
    return best, made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", nargs="+", type=int, default=[50, 1000])
    parser.add_argument("--limit", type=float, default=400.0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "all")
    print(f"60 participants x 3 visits, 4 scanners; {threads} thread(s); CPU seconds")
    for name, own, peer, theirs, module in PAIRS:
        rate = 0.0
        for features in options.features:
            data, names = simulate(features)
            seconds, made = timed(own, data, names)
            line = f"{name:11} {features:6} features {seconds:8.3f} s"
            try:
                import_module(module)
            except ImportError:
                print(f"{line}; {peer} is not installed")
                continue
            if rate * features > options.limit:
                print(f"{line}; {peer} not asked: about {rate * features:.0f} s")
                continue
            with contextlib.redirect_stdout(io.StringIO()):
                other, reference = timed(theirs, data, names)
            rate = other / features
            gap = np.abs(made - reference).max()
            print(
                f"{line}; {peer} {other:8.3f} s: ratio {other / seconds:6.1f}, differ by {gap:.1e}"
            )


if __name__ == "__main__":
    main()
