"""How well the QSM type tells the pathology: python analyses/histology_validation.py STUDY OUT."""

import sys
from pathlib import Path

import qsmstats as qs

PUBLISHED = {  # percentages of Rahmanzadeh et al. 2022, Ann Neurol 92:486-502, abstract; 63 lesions
    "remyelinated": {"sensitivity": "88.89", "specificity": "100"},
    "chronic_inactive": {"sensitivity": "71.43", "specificity": "92.00"},
    "chronic_active": {"sensitivity": "92.86", "specificity": "86.36"},
}


def main(study_folder: str, out: str) -> None:
    """Write the accuracy of every class, then what counts can lie behind published percentages."""
    study = qs.open_study(study_folder)
    histology = qs.read_tables(study).histology
    if histology is None:
        sys.exit(f"{study_folder}: study.toml names no histology table")
    answer = qs.histology_accuracy(histology, settings=study.histology, level=study.models.level)
    qs.write_answer(answer, Path(out) / "histology")

    wanted = "measure in ('sensitivity', 'specificity') and missing == 'exclude'"
    wanted += " and role in ('recommended', 'lesions assumed independent', 'conservative bound')"
    columns = ["class_", "measure", "numerator", "denominator", "conf_low", "conf_high", "role"]
    print(answer.accuracy.query(wanted)[columns].to_string(index=False))
    for note in answer.notes:
        print(f"Note: {note}")
    print(f"\nTables: {out}\n\nSmallest counts behind the published percentages:")
    for name, percentages in PUBLISHED.items():
        table = qs.feasible_tables(percentages, n=63)
        total = table.sum(axis=1)
        smallest = table.loc[total.idxmin()]
        print(f"{name}: {smallest.to_dict()}, {len(table)} tables, totals {total.min()} to 63")
        for found in ("sensitivity", "specificity"):
            right, wrong = ("tp", "fn") if found == "sensitivity" else ("tn", "fp")
            n = smallest[right] + smallest[wrong]
            low, high = qs.proportion_interval(smallest[right], n, method="wilson")
            print(f"  {found} {smallest[right]}/{n}: Wilson {100 * low:.2f} to {100 * high:.2f} %")
    joint = qs.feasible_joint_tables(PUBLISHED, n=63)
    verdict = "fit" if joint.possible else "cannot come from"
    print(
        f"Together they {verdict} one table of 63 lesions; the first total that allows it is",
        end="",
    )
    print(f" {joint.nearest_joint_total}.")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
