"""Accuracy of the QSM type against histology: python analyses/histology_validation.py STUDY OUT."""

import sys
from pathlib import Path

import qsmstats as qs

PUBLISHED = {  # percentages of Rahmanzadeh et al. 2022, Ann Neurol 92:486-502, abstract; 63 lesions
    "remyelinated": {"sensitivity": "88.89", "specificity": "100"},
    "chronic_inactive": {"sensitivity": "71.43", "specificity": "92.00"},
    "chronic_active": {"sensitivity": "92.86", "specificity": "86.36"},
}
ROLES = ("recommended", "lesions assumed independent", "conservative bound")


def main(study_folder: str, out: str) -> None:
    """Write the accuracy of every class, then the counts that published percentages allow."""
    study = qs.open_study(study_folder)
    histology = qs.read_tables(study).histology
    if histology is None:
        sys.exit(f"{study_folder}: study.toml names no histology table")
    answer = qs.histology_accuracy(histology, settings=study.histology, level=study.models.level)
    qs.write_answer(answer, Path(out) / "histology")
    # The STARD diagram, the ROC curves and the other figures, beside the tables they show.
    qs.write_report(study_folder, out)

    rows = answer.accuracy.query("measure in ('sensitivity', 'specificity') and missing=='exclude'")
    columns = ["class_", "measure", "numerator", "denominator", "conf_low", "conf_high", "role"]
    print(rows[rows["role"].isin(ROLES)][columns].to_string(index=False))
    columns = ["feature", "class_", "rule", "threshold", "youden", "optimism", "corrected_youden"]
    print(f"\nBest cut-offs:\n{answer.cutoffs[columns].to_string(index=False)}\n")
    for note in answer.notes:
        print(f"Note: {note}")
    print(f"\nTables and figures: {out}\n\nSmallest counts that the published percentages allow:")
    for name, percentages in PUBLISHED.items():
        table = qs.feasible_tables(percentages, n=63)
        total = table.sum(axis=1)
        smallest = table.loc[total.idxmin()]
        print(f"{name}: {smallest.to_dict()}, {len(table)} tables, totals {total.min()} to 63")
        for found in ("sensitivity", "specificity"):
            right, wrong = ("tp", "fn") if found == "sensitivity" else ("tn", "fp")
            n = smallest[right] + smallest[wrong]
            low, high = (100 * x for x in qs.proportion_interval(smallest[right], n))
            share = f"{smallest[right]}/{n} = {100 * smallest[right] / n:.2f} %"
            print(f"  {found} {share}, Wilson {low:.2f} to {high:.2f} % (lesions independent)")
    joint = qs.feasible_joint_tables(PUBLISHED, n=63)
    verdict = "fit" if joint.possible else "cannot come from"
    first = f"the first total that allows it is {joint.nearest_joint_total}"
    print(f"Together they {verdict} one table of 63 lesions; {first}.")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
