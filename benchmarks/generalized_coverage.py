"""Bias and coverage of generalised mixed models: exact likelihood against Laplace's approximation.

    python benchmarks/generalized_coverage.py [--studies 500] [--patients 20 40 143] [--seed 1]

A study has 1 + Poisson(11) lesions in each patient and three visits of each lesion; an outcome of 0
or 1 depends on time, a predictor of the patient, one of the lesion, and normal effects of patient
and lesion (SD 1.3 and 1.9, as in tests/reference/generalized/data/prlong.csv.gz). Both
integrations fit the same data. Set OMP_NUM_THREADS=1.

Fits are kept in benchmarks/results/generalized_coverage.csv, and a second run goes on from there;
with a smaller --studies it prints what is done.

Columns: number of fits; bias of an estimate and its Monte-Carlo error; coverage of its 95 % Wald
interval, in per cent, with that error; for standard deviations the bias only. failed: fits that
raised an error (separation, most often) or did not converge; they are not in n.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
from scipy.special import expit

from qsmstats.errors import ModelError
from qsmstats.generalized.model import GeneralizedMixedModel
from qsmstats.generalized.specification import Integration

FORMULA = "y ~ year + age + volume + (1 | patient) + (1 | lesion)"
TRUE = {"Intercept": -1.0, "year": -0.3, "age": 0.5, "volume": 0.6, "patient": 1.3, "lesion": 1.9}
KEY = ["seed", "patients", "study", "integration"]
FILE = Path(__file__).parent / "results" / "generalized_coverage.csv"


def study(patients: int, random: np.random.Generator) -> pd.DataFrame:
    lesions = 1 + random.poisson(11, size=patients)
    patient = np.repeat(np.arange(patients), lesions)
    number = len(patient)
    age, volume = random.normal(size=patients), random.normal(size=number)
    eta = TRUE["Intercept"] + TRUE["age"] * age[patient] + TRUE["volume"] * volume
    eta += TRUE["patient"] * random.normal(size=patients)[patient]
    eta += TRUE["lesion"] * random.normal(size=number)
    year = np.tile([0.0, 1.0, 2.0], number)
    rows = np.repeat(np.arange(number), 3)
    return pd.DataFrame(
        {
            "y": random.binomial(1, expit(eta[rows] + TRUE["year"] * year)),
            "year": year,
            "age": age[patient][rows],
            "volume": volume[rows],
            "patient": patient[rows],
            "lesion": rows,
        }
    )


def fitted(data: pd.DataFrame, integration: Integration) -> list[dict[str, object]]:
    """Error of each estimate, and whether its interval holds the truth."""
    try:
        fit = GeneralizedMixedModel(FORMULA, integration=integration).fit(data)
    except ModelError as error:
        return [{"what": "failed", "message": str(error)}]
    if not fit.info.converged:
        return [{"what": "failed", "message": "; ".join(fit.info.messages)}]
    fixed = [
        {
            "what": row.term,
            "error": row.estimate - TRUE[row.term],
            "held": row.conf_low <= TRUE[row.term] <= row.conf_high,
        }
        for row in fit.coefficients().itertuples()
    ]
    return fixed + [
        {"what": f"SD {row.group}", "error": row.std_dev - TRUE[row.group]}
        for row in fit.variance_table().itertuples()
    ]


def table(found: pd.DataFrame) -> pd.DataFrame:
    """Bias and coverage of each number of patients, integration and parameter."""
    key = ["patients", "integration", "what"]
    failed = found[found["what"] == "failed"].groupby(key[:2]).size()
    groups = found[found["what"] != "failed"].astype({"held": float}).groupby(key, sort=False)
    made = groups.agg(
        n=("error", "size"), bias=("error", "mean"), sd=("error", "std"), coverage=("held", "mean")
    )
    made["mc_error"] = made.pop("sd") / np.sqrt(made["n"])
    share = made["coverage"].to_numpy()
    made["of_coverage"] = 100.0 * np.sqrt(share * (1.0 - share) / made["n"])
    made["coverage"] *= 100.0
    made["failed"] = failed.reindex(made.index.droplevel("what")).fillna(0).to_numpy(int)
    return made.sort_index(sort_remaining=False)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--patients", type=int, nargs="+", default=[20, 40, 143])
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    FILE.parent.mkdir(exist_ok=True)
    done = set()
    if FILE.exists():
        done = set(pd.read_csv(FILE, usecols=KEY)[KEY].itertuples(index=False, name=None))
    for number, patients in product(range(asked.studies), asked.patients):
        data = study(patients, np.random.default_rng([asked.seed, patients, number]))
        for integration in get_args(Integration):
            key = (asked.seed, patients, number, integration)
            if key not in done:
                rows = [dict(zip(KEY, key, strict=True)) | row for row in fitted(data, integration)]
                made = pd.DataFrame(rows, columns=[*KEY, "what", "error", "held", "message"])
                made.to_csv(FILE, mode="a", header=not FILE.exists(), index=False)
    found = pd.read_csv(FILE)
    print(table(found[found["seed"] == asked.seed]).round(3).to_string())


if __name__ == "__main__":
    main()
