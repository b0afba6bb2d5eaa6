"""How many patients a trial needs: python analyses/trial_planning.py STUDY OUT."""

import sys
from pathlib import Path

import qsmstats as qs

VISITS = {
    "once after two years": (0, 2),
    "every year": (0, 1, 2),
    "twice a year": (0, 0.5, 1, 1.5, 2),
}
LOSSES = qs.Dropout(annual_rate=0.1)  # low_mean_ratio=1.5: more losses among those who do worse
# One residual variance, and lesions without slopes of their own: what a plan rests on.
FORMULA = "{outcome} ~ lesion_type * years + age + sex + (1 + years | participant_id)"
FORMULA += " + (1 | participant_id:lesion_id)"
SIMULATIONS = 50  # enough to try the script; a protocol needs 1000 or more


def main(study_folder: str, out: str) -> None:
    """Plan a trial of the MWF slope of hypo- and isointense lesions from the followed patients."""
    study = qs.open_study(study_folder)
    lesions = qs.tidy_lesions(study, qs.extract_cohort(study, jobs=2))
    fit = qs.trajectories(lesions, "mwf_percent", formula=FORMULA).fit
    truth = qs.TrialAssumptions.from_fit(fit)
    print(truth.table().to_string(index=False, float_format="{:.3g}".format))

    designs = [qs.TrialDesign(visits=visits, dropout=LOSSES) for visits in VISITS.values()]
    curves = qs.trial_power(
        truth,
        designs,
        patients=[20, 60],
        effects=[0.25, 0.5],
        effect_scale="relative",
        simulations=SIMULATIONS,
        seed=1,
        jobs=2,
    )
    names = dict(enumerate(VISITS, start=1))
    table = curves.table.assign(visits=curves.table["design"].map(names))
    columns = ["visits", "patients", "effect", "power", "conf_low", "conf_high", "power_expected"]
    columns += ["type_i_error", "completed", "n_failed", "n_unconverged", "n_singular"]
    print(f"\n{table[columns].to_string(index=False, float_format='{:.3g}'.format)}\n")

    for name, design in zip(VISITS, designs, strict=True):
        first = qs.required_patients(
            truth, design, effect=0.25, effect_scale="relative", simulations=0, seed=1
        )
        print(f"Visits {name}: {first.answer}")
    folder = Path(out) / "planning"
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "designs.tsv", sep="\t", index=False, na_rep="n/a")
    truth.table().to_csv(folder / "assumptions.tsv", sep="\t", index=False, na_rep="n/a")
    print(f"\nTables: {folder}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
