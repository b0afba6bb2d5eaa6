"""Hold the whole path, from voxels to intervals, against the truth that was simulated.

Simulates complete study folders (images and tables), measures and analyses them with the public
functions, and counts how often the 95 % intervals hold the truth of the simulation. The truth is
read here, after the analysis, and nowhere else. Intervals of one study share its data, so the
standard error of a share is taken over studies. With --scanners, differences between scanners are
asked for, too: as the default models have them, among the terms beside lesion types and tissues.

    python benchmarks/recovery.py [--seeds 24] [--patients 24] [--followed 20] [--jobs 2]
        [--scanners 3]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

import qsmstats as qs

RISING = ("isointense", "hypointense")
OTHERS = ("hyperintense", "hypointense_rim", "paramagnetic_rim")


def compare(name, quantity, table, key, truth):
    """Return one row per estimate, with whether its interval holds the truth."""
    rows = []
    for row in table.itertuples():
        label = getattr(row, key)
        value = truth[label]
        rows.append(
            {
                "study": name,
                "quantity": quantity,
                "label": label,
                "covered": row.conf_low <= value <= row.conf_high,
                "error": (row.estimate - value) / row.std_error,
            }
        )
    return rows


def one_study(job):
    seed, options = job
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study"
        qs.simulate_study(
            path,
            seed=seed,
            patients=options.patients,
            controls=options.controls,
            followed=options.followed,
            resolution=options.resolution,
            scanners=options.scanners,
        )
        study = qs.open_study(path)
        tables = qs.read_tables(study)
        features = qs.extract_cohort(study, tables=tables).features
        lesions, tissue = qs.tidy_lesions(tables, features), qs.tissue_table(tables, features)
        truth = json.loads((path.parent / "study_truth.json").read_text())
    rows = []
    for outcome in study.outcomes:
        known = truth["maps"][outcome]
        baseline = qs.baseline_differences(lesions, outcome)
        white = qs.tissue_differences(tissue, outcome)
        change = qs.trajectories(lesions, outcome)
        found = compare(
            "baseline", "contrast", baseline.contrasts, "contrast", known["baseline"]["contrasts"]
        )
        found += compare(
            "tissue", "contrast", white.contrasts, "contrast", known["tissue"]["contrasts"]
        )
        found += compare(
            "trajectory", "slope", change.slopes, "lesion_type", known["trajectory"]["slopes"]
        )
        found += compare(
            "trajectory",
            "slope contrast",
            change.slope_contrasts,
            "contrast",
            known["trajectory"]["slope_contrasts"],
        )
        answers = {"baseline": baseline, "tissue": white, "trajectory": change}
        if options.scanners > 1:
            planted = truth["scanners"]["maps"][outcome]["contrasts"]
            for name, answer in answers.items():
                table = answer.fit.contrasts("scanner")
                found += compare(name, "scanner", table, "contrast", planted)
        for row in found:
            row |= {"outcome": outcome, "seed": seed}
            row["singular"] = answers[row["study"]].fit.info.singular
        rows += found
        if outcome == "mwf_percent":
            ordered = ordering(baseline, change)
    return rows, ordered | {"seed": seed}


def ordering(baseline, change):
    """Say whether hypo- and isointense lesions come out above the others, and rising."""
    means = baseline.means.set_index("level")["estimate"]
    slopes = change.slopes.set_index("lesion_type")["estimate"]
    low = means[[name for name in OTHERS if name in means]].max()
    return {
        "above": bool(all(means[name] > low for name in RISING if name in means)),
        "rising": bool(all(slopes[name] > 0 for name in RISING if name in slopes)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--patients", type=int, default=24)
    parser.add_argument("--controls", type=int, default=12)
    parser.add_argument("--followed", type=int, default=20)
    parser.add_argument("--resolution", type=float, default=3.0)
    parser.add_argument("--scanners", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()

    started = time.time()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    with ProcessPoolExecutor(options.jobs) as pool:
        results = list(pool.map(one_study, [(seed, options) for seed in seeds]))
    table = pd.DataFrame([row for rows, _ in results for row in rows])
    ordered = pd.DataFrame([row for _, row in results])

    def summarise(group):
        per_study = group.groupby("seed")["covered"].mean()
        return pd.Series(
            {
                "intervals": len(group),
                "covered": group["covered"].mean(),
                "std_error": per_study.std() / np.sqrt(len(per_study)),
                "bias_in_se": group["error"].mean(),
                "singular_studies": int(group.groupby("seed")["singular"].any().sum()),
            }
        )

    keys = ["study", "quantity", "outcome"]
    print(
        f"{options.seeds} studies of {options.patients} patients ({options.followed} followed), "
        f"seeds {seeds[0]} to {seeds[-1]}, {time.time() - started:.0f} s"
    )
    print(table.groupby(keys).apply(summarise, include_groups=False).round(3).to_string())
    total = summarise(table)
    print(
        f"\nall: {total['covered']:.3f} of {total['intervals']:.0f} intervals hold the truth "
        f"(standard error {total['std_error']:.3f})"
    )
    print(
        "hypo- and isointense above all other types in mean MWF:"
        f" {ordered['above'].mean():.2f} of studies"
    )
    print(f"hypo- and isointense rising in MWF: {ordered['rising'].mean():.2f} of studies")


if __name__ == "__main__":
    main()
