"""How each lesion type changes over time: python analyses/longitudinal.py STUDY OUT."""

import sys
from pathlib import Path

import qsmstats as qs


def main(study_folder: str, out: str) -> None:
    """Estimate the change per year and over two years of each lesion type, for every map."""
    study = qs.open_study(study_folder)
    features = qs.extract_cohort(study, jobs=2)
    lesions = qs.tidy_lesions(study, features, matches=qs.match_visits(study, features))

    answers = [
        qs.trajectories(lesions, outcome, settings=study.models) for outcome in study.outcomes
    ]
    qs.write_answer(answers, Path(out) / "trajectory")

    for answer in answers:
        print(f"\n{answer.outcome}: change per year, {answer.fit.info.n_obs} rows")
        for table in (answer.slopes, answer.changes, answer.slope_contrasts):
            print(table.to_string(index=False, float_format="{:.4g}".format))
        for note in answer.notes:
            print(f"Note: {note}")
    print(f"\nTables: {out}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
