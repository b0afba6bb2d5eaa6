"""Coverage of differences between lesion types whose raters disagree: plain, and imputed.

    python benchmarks/rater_uncertainty.py [--studies 100] [--patients 20] [--error 0.12] [--seed 1]

Five types of unequal frequency, 12 lesions a patient; residual SD 1, SD of patients 0.7, truth as
in benchmarks/mixed_coverage.py. Two raters err independently of one another with the probability
`--error`, every other type alike, and where they differ a third, as good as they, decides. At 0.12
Cohen's kappa is about 0.69. The model is lesion_type + (1 | participant_id), 20 imputations.

Columns, in per cent: coverage of the unadjusted 95 % intervals of the 10 differences, the lowest
and the mean; studies in which all 10 adjusted ("mvt") intervals hold; beside them the largest bias
of a difference (residual SDs) and the mean width. "true types" is the model with the types as they
are. Results are appended to benchmarks/results/rater_uncertainty.csv; a study that is there already
is not computed again. A study in which a type is missing is not counted. Set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

import qsmstats as qs
from qsmstats.settings import ModelSettings

TYPES = ("isointense", "hypointense", "hyperintense", "hypointense_rim", "paramagnetic_rim")
SHARES = (0.55, 0.10, 0.20, 0.05, 0.10)
MEANS = np.array([0.0, 0.3, -0.8, -0.5, -1.2])
LESIONS = 12
KEY = ["patients", "error", "seed", "study"]
RESULTS = Path(__file__).parent / "results" / "rater_uncertainty.csv"
SETTINGS = ModelSettings(baseline="{outcome} ~ lesion_type + (1 | participant_id)")


def simulated(
    patients: int, error: float, seed: tuple[int, ...]
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Return lesions with the consensus of their ratings, the ratings, and the true types."""
    random = np.random.default_rng(seed)
    n = patients * LESIONS
    patient = np.repeat(np.arange(patients), LESIONS)
    truth = random.choice(5, n, p=SHARES)
    y = MEANS[truth] + 0.7 * random.normal(size=patients)[patient] + random.normal(size=n)
    wrong = (truth[:, None] + random.integers(1, 5, (n, 3))) % 5
    said = np.where(random.random((n, 3)) < error, wrong, truth[:, None])
    agree = said[:, 0] == said[:, 1]
    consensus = np.where(agree, said[:, 0], said[:, 2])
    keys = pd.DataFrame(
        {
            "participant_id": [f"sub-{k:03}" for k in patient],
            "session_id": "ses-1",
            "lesion_id": [f"lesion-{k:04}" for k in range(n)],
        }
    )
    kinds = pd.Categorical.from_codes(consensus, list(TYPES))
    lesions = keys.assign(lesion_type=kinds, years=0.0, y=y)
    seen = [np.ones(n, bool), np.ones(n, bool), ~agree]
    parts = [
        keys[seen[k]].assign(rater_id=name, lesion_type=np.array(TYPES)[said[seen[k], k]])
        for k, name in enumerate(("rater-1", "rater-2", "adjudicator"))
    ]
    return lesions, pd.concat(parts, ignore_index=True), truth


def study(patients: int, error: float, seed: int, number: int) -> pd.DataFrame:
    """Return one row for each analysis of one study; none where a type is missing."""
    lesions, ratings, truth = simulated(patients, error, (seed, number))
    if lesions["lesion_type"].nunique() < len(TYPES) or len(np.unique(truth)) < len(TYPES):
        return pd.DataFrame()
    known = lesions.assign(lesion_type=pd.Categorical.from_codes(truth, list(TYPES)))
    plain = qs.baseline_differences(lesions, "y", settings=SETTINGS)
    tables = {
        "true types": qs.baseline_differences(known, "y", settings=SETTINGS).contrasts,
        "plain": plain.contrasts,
        "imputed": qs.impute_types(
            plain, lesions, ratings, settings=SETTINGS, seed=number
        ).contrasts,
    }
    wanted = np.array([MEANS[a] - MEANS[b] for a, b in combinations(range(5), 2)])
    rows = []
    for name, table in tables.items():
        inside, all_inside = (
            ((table[f"conf_low{kind}"] < wanted) & (table[f"conf_high{kind}"] > wanted)).to_numpy()
            for kind in ("", "_adjusted")
        )
        row = {"analysis": name, "family": all_inside.all()}
        row |= {f"inside_{k}": value for k, value in enumerate(inside)}
        row |= {f"error_{k}": value for k, value in enumerate(table["estimate"] - wanted)}
        row["width"] = (table["conf_high"] - table["conf_low"]).mean()
        rows.append(row)
    pair = ratings.pivot(index=["participant_id", "lesion_id"], columns="rater_id")["lesion_type"]  # noqa: PD010
    agreed = (pair["rater-1"] == pair["rater-2"]).mean()
    shares = [pair[name].value_counts(normalize=True) for name in ("rater-1", "rater-2")]
    chance = (shares[0] * shares[1]).sum()
    return pd.DataFrame(rows).assign(
        kappa=(agreed - chance) / (1 - chance),
        patients=patients,
        error=error,
        seed=seed,
        study=number,
    )


def summary(done: pd.DataFrame) -> pd.DataFrame:
    """Return the table of the coverage."""
    inside, error = ([f"{name}_{k}" for k in range(10)] for name in ("inside", "error"))
    rows = []
    for (patients, rate, name), part in done.groupby(["patients", "error", "analysis"]):
        covered = 100 * part[inside].astype(float).mean()
        rows.append(
            {
                "patients": patients,
                "kappa": part["kappa"].mean(),
                "analysis": name,
                "studies": len(part),
                "worst": covered.min(),
                "mean": covered.mean(),
                "family": 100 * part["family"].astype(float).mean(),
                "bias": part[error].mean().abs().max(),
                "width": part["width"].mean(),
                "error": rate,
            }
        )
    return pd.DataFrame(rows).drop(columns="error")


def main() -> None:
    """Add the studies that are not there yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--patients", type=int, nargs="+", default=[20])
    parser.add_argument("--error", type=float, default=0.12)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    RESULTS.parent.mkdir(exist_ok=True)
    done = pd.read_csv(RESULTS) if RESULTS.is_file() else pd.DataFrame(columns=KEY)
    there = set(done[KEY].itertuples(index=False, name=None))
    for patients in asked.patients:
        for number in range(asked.studies):
            if (patients, asked.error, asked.seed, number) in there:
                continue
            rows = study(patients, asked.error, asked.seed, number)
            if len(rows):
                new = not RESULTS.is_file()
                rows.to_csv(RESULTS, mode="a", header=new, index=False, float_format="%.6g")
    print(summary(pd.read_csv(RESULTS)).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
