"""Bias and coverage of generalised mixed models: exact likelihood against Laplace's approximation.

    python benchmarks/generalized_coverage.py [--studies 500] [--patients 20 40 143] [--seed 1]

A study has 1 + Poisson(11) lesions in each patient and three visits of each lesion; an outcome of 0
or 1 depends on time, a predictor of the patient, one of the lesion, and normal effects of patient
and lesion (SD 1.3 and 1.9, as in tests/reference/generalized/data/prlong.csv.gz). Both
integrations fit the same data. Set OMP_NUM_THREADS=1.

Columns: bias of an estimate and its Monte-Carlo error; coverage of its 95 % Wald interval, in per
cent, with that error; for standard deviations the bias only. failed: fits that raised an error,
most by separation; unconverged ones are counted there too.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from scipy.special import expit

from qsmstats.errors import ModelError
from qsmstats.generalized.model import GeneralizedMixedModel

FORMULA = "y ~ year + age + volume + (1 | patient) + (1 | lesion)"
TRUE = {"Intercept": -1.0, "year": -0.3, "age": 0.5, "volume": 0.6, "patient": 1.3, "lesion": 1.9}


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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--patients", type=int, nargs="+", default=[20, 40, 143])
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for patients in asked.patients:
        found: dict[str, list[tuple[str, float, bool]]] = {"nested": [], "laplace": []}
        failed = dict.fromkeys(found, 0)
        for number in range(asked.studies):
            random = np.random.default_rng([asked.seed, patients, number])
            data = study(patients, random)
            for integration, rows in found.items():
                try:
                    fit = GeneralizedMixedModel(FORMULA, integration=integration).fit(data)
                except ModelError:
                    failed[integration] += 1
                    continue
                failed[integration] += not fit.info.converged
                for row in fit.coefficients().itertuples():
                    true = TRUE[row.term]
                    held = row.conf_low <= true <= row.conf_high
                    rows.append((row.term, row.estimate - true, held))
                for row in fit.variance_table().itertuples():
                    rows.append((row.group, row.std_dev - TRUE[row.group], np.nan))
        for integration, rows in found.items():
            table = pd.DataFrame(rows, columns=["what", "bias", "coverage"])
            grouped = table.astype({"coverage": float}).groupby("what", sort=False)
            made = grouped.mean()
            made.insert(1, "mc_error", grouped["bias"].std() / np.sqrt(grouped.size()))
            made["coverage"] *= 100.0
            made["of_coverage"] = 100.0 * np.sqrt(0.95 * 0.05 / grouped.size())
            print(f"\n{patients} patients, {integration}, failed {failed[integration]}")
            print(made.round(3).to_string(), flush=True)


if __name__ == "__main__":
    main()
