"""Power of simulated trials: how long a curve takes, and whether the tests hold their level.

    python benchmarks/planning.py [--simulations 1000] [--zero 2000] [--jobs 2]

Two-arm trials with visits at 0, 1 and 2 years. Patients are drawn from 143 whose lesions follow the
published distribution (negative binomial, mean 35.5, size 1.08, at most 173; shares of types as in
the simulator), variances are those of a simulated study of 40 followed patients.

1. A power curve: ten sizes of the control arm from 10 to 200, three effects, `--simulations` trials
   per size, Satterthwaite's test, with and without losses. Seconds in all and per fit; power by
   simulation beside the power expected without.
2. Type I error with no effect over `--zero` simulations and its Monte-Carlo interval, for
   Satterthwaite's and Kenward and Roger's test, by the size of the arms; once with these lesions,
   once with the same number in every patient, where the theory is exact.
3. One trial in a loop of `MixedModel.fit` with the same test, as the ratio to the batch.

Set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from qsmstats import Dropout, TrialAssumptions, TrialDesign, trial_power
from qsmstats.studies.planning.analysis import analyse
from qsmstats.studies.planning.outcomes import draw_noise, outcomes
from qsmstats.studies.planning.patients import draw_trial

SIZES = (10, 15, 20, 30, 40, 60, 80, 120, 160, 200)
EFFECTS = (0.04, 0.08, 0.12)
SHARES = {
    "isointense": 0.72,
    "hypointense": 0.02,
    "hyperintense": 0.19,
    "hypointense_rim": 0.01,
    "paramagnetic_rim": 0.06,
}


def observed_counts() -> pd.DataFrame:
    """Numbers of lesions by type of 143 patients."""
    random = np.random.default_rng(143)
    size, mean = 1.08, 35.5
    totals = np.clip(random.negative_binomial(size, size / (size + mean), 143), 1, 173)
    counts = np.array([random.multinomial(total, list(SHARES.values())) for total in totals])
    return pd.DataFrame(counts, columns=list(SHARES))


def truth(lesions: object) -> TrialAssumptions:
    """Variances in % MWF, as a simulated study of 40 followed patients gave them."""
    return TrialAssumptions(
        patient_sd=0.445,
        slope_sd=0.064,
        correlation=-0.2,
        lesion_sd=0.704,
        residual_sd=0.3,
        lesions=lesions,
        slopes={"isointense": 0.16},
    )


def curve(simulations: int, jobs: int) -> None:
    """Time a power curve and print it beside the expected one."""
    assumed = truth(observed_counts())
    for dropout in (Dropout(), Dropout(annual_rate=0.1)):
        begin = time.perf_counter()
        made = trial_power(
            assumed,
            TrialDesign(dropout=dropout, df="satterthwaite"),
            patients=SIZES,
            effects=EFFECTS,
            simulations=simulations,
            seed=1,
            jobs=jobs,
        )
        seconds = time.perf_counter() - begin
        fits = simulations * len(SIZES)
        print(
            f"\nPower curve, dropout {dropout}: {len(SIZES)} sizes x {simulations} simulations, "
            f"{len(EFFECTS)} effects, {jobs} jobs: {seconds:.0f} s, "
            f"{1e3 * seconds * jobs / fits:.1f} ms per fit and job"
        )
        columns = ["patients", "effect", "power", "conf_low", "conf_high", "power_expected"]
        columns += ["type_i_error", "type_i_low", "type_i_high", "n_failed", "n_unconverged"]
        columns += ["n_singular", "n_refitted_singly", "mean_rows"]
        print(made.table[columns].to_string(index=False, float_format="{:.3f}".format))


def level(simulations: int, jobs: int) -> None:
    """Print the type I error of both tests."""
    print(f"\nType I error at 0.05 with no effect, {simulations} simulations")
    for name, lesions in (("as observed", observed_counts()), ("equal", {"isointense": 10})):
        target = ("isointense",) if name == "equal" else TrialDesign().target
        designs = [TrialDesign(df=df, target=target) for df in ("satterthwaite", "kenward-roger")]
        begin = time.perf_counter()
        table = trial_power(
            truth(lesions),
            designs,
            patients=[10, 20, 40],
            effects=0.08,
            simulations=simulations,
            seed=2,
            jobs=jobs,
        ).table
        columns = ["df_method", "patients", "type_i_error", "type_i_low", "type_i_high"]
        columns += ["power", "mean_df", "n_failed", "n_unconverged", "n_singular"]
        print(f"\nlesions {name}, {time.perf_counter() - begin:.0f} s")
        print(table[columns].to_string(index=False, float_format="{:.3f}".format))


def ratio(simulations: int) -> None:
    """Print the time of a loop of single fits over that of the batch, for one trial."""
    random = np.random.default_rng(4)
    trial = draw_trial(truth(observed_counts()), TrialDesign(df="satterthwaite"), 40, random)
    values = outcomes(trial, draw_noise(trial, simulations, random), 0.08)
    analyse(trial, values[:, :2])
    begin = time.perf_counter()
    batch = analyse(trial, values)
    middle = time.perf_counter()
    frame = trial.frame()
    alone = []
    for column in values.T:
        fit = trial.model.fit(frame.assign(outcome=column))
        alone.append(fit.wald(trial.contrast).estimates["df"].iloc[0])
    end = time.perf_counter()
    apart = float(np.max(np.abs(batch.df / np.array(alone) - 1)))
    print(
        f"\n{simulations} fits of one trial, 40 a side, {trial.n_rows} rows: batch "
        f"{1e3 * (middle - begin) / simulations:.1f} ms, loop "
        f"{1e3 * (end - middle) / simulations:.1f} ms per fit, ratio "
        f"{(end - middle) / (middle - begin):.0f}; df differ by at most {apart:.1e} of themselves"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--zero", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    curve(given.simulations, given.jobs)
    level(given.zero, given.jobs)
    ratio(100)


if __name__ == "__main__":
    main()
