"""From lesions to patients, and from type to type: python analyses/patients.py STUDY OUT."""

import sys
from pathlib import Path

import qsmstats as qs


def main(study_folder: str, out: str) -> None:
    """Relate the lesions of patients to clinical variables, and follow them over visits."""
    study = qs.open_study(study_folder)
    measured = qs.extract_cohort(study, jobs=2)
    lesions = qs.tidy_lesions(study, measured, matches=qs.match_visits(study, measured))
    tissue = qs.tissue_table(study, measured, lesions=lesions)
    patients = qs.patient_table(study, lesions, tissue=tissue, failures=measured.failures)

    answer = qs.patient_associations(
        patients,
        lesions,
        settings=study.patients,
        models=study.models,
        outcomes=study.outcomes,
        schemas=study.schemas,
    )
    qs.write_answer(answer, Path(out) / "patients")

    columns = ["question", "outcome", "variable", "estimate", "conf_low", "conf_high", "p_adjusted"]
    print(answer.groups.to_string(index=False, float_format="{:.3g}".format))
    print(answer.associations[columns].to_string(index=False, float_format="{:.3g}".format))
    for note in answer.notes:
        print(f"Note: {note}")

    followed = qs.type_transitions(
        lesions,
        qs.read_tables(study).ratings,
        patients=patients,
        models=study.models,
        raters=study.raters,
        schemas=study.schemas,
    )
    qs.write_answer(followed, Path(out) / "transitions")

    columns = ["from_type", "to_type", "n_events", "estimate", "conf_low", "conf_high", "unit"]
    print(followed.rates[columns].to_string(index=False, float_format="{:.3g}".format))
    for note in followed.notes:
        print(f"Note: {note}")
    print(f"\nTables: {out}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
