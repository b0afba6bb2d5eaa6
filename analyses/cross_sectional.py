"""How lesion types differ at the first session: python analyses/cross_sectional.py STUDY OUT."""

import sys
from pathlib import Path

import qsmstats as qs


def main(study_folder: str, out: str) -> None:
    """Compare the lesion types with one another and with white matter, for every map."""
    study = qs.open_study(study_folder)
    features = qs.extract_cohort(study, jobs=2)
    lesions = qs.tidy_lesions(study, features, matches=qs.match_visits(study, features))
    tissue = qs.tissue_table(study, features, lesions=lesions)

    types = [
        qs.baseline_differences(lesions, outcome, settings=study.models)
        for outcome in study.outcomes
    ]
    tissues = [
        qs.tissue_differences(tissue, outcome, settings=study.models) for outcome in study.outcomes
    ]
    qs.write_answer(types, Path(out) / "baseline")
    qs.write_answer(tissues, Path(out) / "tissue")

    columns = ["contrast", "estimate", "conf_low", "conf_high", "p_value", "p_adjusted", "hedges_g"]
    for answer in [*types, *tissues]:
        print(f"\n{answer.outcome} by {answer.factor}: {answer.fit.info.n_obs} rows")
        print(answer.contrasts[columns].to_string(index=False, float_format="{:.4g}".format))
        for note in answer.notes:
            print(f"Note: {note}")
    print(f"\nTables: {out}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
