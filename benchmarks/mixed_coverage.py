"""Coverage of the mixed model's intervals, recovery of the truth, and optima at zero variance.

    python benchmarks/mixed_coverage.py [--sets 2000] [--zero-seeds 300]

1. The longitudinal design (lesions nested in patients, visits at about 0, 1 and 2 years, two
   lesion types, random intercept and slope by patient, random intercept by lesion) is simulated
   with known truth at 6, 15 and 40 patients. Printed for each fixed effect: bias in Monte-Carlo
   standard errors, and coverage of nominal 95 % intervals by Satterthwaite, Kenward-Roger and z;
   and the mean of each estimated variance over its truth.
2. At a between-group variance of zero, the criterion reached from the default start is compared
   with the best of 20 random starts, and `singular` with the sign of the criterion's slope at zero.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from qsmstats.mixed.model import MixedModel
from qsmstats.mixed.optimum.trust_region import minimise

FORMULA = "mwf ~ years * lesion_type + (1 + years | patient) + (1 | patient:lesion)"
# Percent of myelin water: intercept, per year, difference of types, difference of slopes.
TRUTH = {
    "Intercept": 5.0,
    "years": 0.10,
    "lesion_type[T.iso]": 0.6,
    "years:lesion_type[T.iso]": 0.20,
}
PATIENT = np.array([[0.49, -0.05], [-0.05, 0.09]])
LESION, RESIDUAL = 0.5, 0.3
METHODS = ("satterthwaite", "kenward-roger", "normal")


def design(patients: int, rng: np.random.Generator) -> pd.DataFrame:
    """One cohort's rows without the outcome: 8 lesions a patient, 2 or 3 visits each."""
    lesions = patients * 8
    visits = rng.integers(2, 4, lesions)
    row = np.repeat(np.arange(lesions), visits)
    visit = np.arange(len(row)) - np.repeat(np.cumsum(visits) - visits, visits)
    return pd.DataFrame(
        {
            "patient": row // 8,
            "lesion": row % 8,
            "lesion_type": pd.Categorical(np.where(row % 2, "iso", "hyper")),
            "years": visit + rng.uniform(-0.1, 0.1, len(row)) * (visit > 0),
        }
    )


def outcome(frame: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Draw the outcome of every row."""
    patient = frame["patient"].to_numpy()
    lesion = patient * 8 + frame["lesion"].to_numpy()
    years = frame["years"].to_numpy()
    iso = (frame["lesion_type"] == "iso").to_numpy(float)
    b = rng.multivariate_normal([0, 0], PATIENT, patient.max() + 1)[patient]
    a, slope, kind, both = TRUTH.values()
    return (
        a
        + slope * years
        + kind * iso
        + both * iso * years
        + b[:, 0]
        + b[:, 1] * years
        + rng.normal(0, LESION, lesion.max() + 1)[lesion]
        + rng.normal(0, RESIDUAL, len(frame))
    )


def coverage(patients: int, sets: int, seed: int) -> tuple[pd.DataFrame, pd.Series, float]:
    """Coverage and bias of each fixed effect; mean variances over truth; share of singular fits."""
    rng = np.random.default_rng(seed)
    frame = design(patients, rng)
    truth = np.array(list(TRUTH.values()))
    inside = np.zeros((len(METHODS), len(truth)))
    estimates, variances, singular = [], [], 0
    for _ in range(sets):
        fit = MixedModel(FORMULA).fit(frame.assign(mwf=outcome(frame, rng)))
        assert fit.info.converged
        singular += fit.info.singular
        for place, method in enumerate(METHODS):
            table = fit.coefficients(df=method)
            inside[place] += (table["conf_low"] <= truth) & (truth <= table["conf_high"])
        estimates.append(fit.estimates)
        patient, lesion = fit.random[0].covariance, fit.random[1].covariance
        variances.append([patient[0, 0], patient[1, 1], patient[0, 1], lesion[0, 0], fit.sigma**2])
    found = np.array(estimates)
    bias = (found.mean(axis=0) - truth) / (found.std(axis=0, ddof=1) / np.sqrt(sets))
    table = pd.DataFrame(100 * inside.T / sets, index=list(TRUTH), columns=list(METHODS))
    expected = [PATIENT[0, 0], PATIENT[1, 1], PATIENT[0, 1], LESION**2, RESIDUAL**2]
    names = ["var patient", "var patient years", "cov", "var lesion", "var residual"]
    ratio = pd.Series(np.mean(variances, axis=0) / expected, index=names)
    return table.assign(bias_in_mc_errors=bias), ratio, singular / sets


def zero_variance(seeds: int) -> tuple[float, int, int]:
    """Worst shortfall against 20 random starts; wrong `singular` flags; singular fits."""
    worst, wrong, flagged = 0.0, 0, 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        groups, size = int(rng.integers(4, 15)), int(rng.integers(3, 9))
        frame = pd.DataFrame({"g": np.repeat(np.arange(groups), size)})
        frame["x"] = rng.normal(size=len(frame))
        frame["y"] = 1 + frame["x"] + rng.normal(size=len(frame))
        fit = MixedModel("y ~ x + (1 | g)" if seed % 2 else "y ~ x + (1 + x | g)").fit(frame)
        engine = fit.engine()
        starts = rng.normal(0, 1, (20, len(fit.theta)))
        ends = [minimise(engine.objective.at, start).point for start in starts]
        worst = max(worst, fit.info.criterion - min(map(engine.criterion, ends)))
        flagged += fit.info.singular
        if seed % 2:
            # The criterion is even in theta: its curvature at zero is twice its slope in the
            # variance, so an upward curvature means that zero is the optimum.
            truth = bool(engine.objective.at(np.zeros(1)).hessian[0, 0] > 0)
        else:
            best = min(ends, key=engine.criterion)
            deviations = np.linalg.svd(engine.factors(best.theta)[0], compute_uv=False)
            truth = bool(deviations[-1] < 1e-4 * max(1.0, deviations[0]))
        wrong += fit.info.singular != truth
    return worst, wrong, flagged


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=2000)
    parser.add_argument("--zero-seeds", type=int, default=300)
    parser.add_argument("--patients", default="6,15,40")
    options = parser.parse_args()
    pd.set_option("display.width", 120)
    for patients in map(int, options.patients.split(",")):
        begin = time.perf_counter()
        table, ratio, singular = coverage(patients, options.sets, seed=patients)
        print(
            f"\n{patients} patients, {options.sets} data sets, "
            f"{100 * singular:.1f} % singular ({time.perf_counter() - begin:.0f} s)"
        )
        print(table.round(2).to_string())
        print("mean of estimated variance / truth: " + ratio.round(3).to_dict().__repr__())
    if options.zero_seeds:
        worst, wrong, flagged = zero_variance(options.zero_seeds)
        print(
            f"\nzero variance, {options.zero_seeds} seeds: criterion above the best of 20 random "
            f"starts by at most {worst:.2e}; singular in {flagged}, flag wrong in {wrong}"
        )


if __name__ == "__main__":
    main()
