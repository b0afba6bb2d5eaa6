"""Reading and checking the tables of a large study, beside what its parts cost alone.

A made cohort: 250 patients with 40 lesions each (10,000 rows), two raters (20,000 rows), one
sessions file per participant. In one run:

- `read_tables`: every file read, every schema, key and rule checked, columns typed;
- `load_tables` of the same study with 1,000 wrong cells;
- peers: frictionless validating the lesions file alone from disk, and pandas reading the same
  three tables without any check.

Run: python benchmarks/tables.py [--patients 250] [--repeats 3]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from frictionless import Schema
from frictionless.resources import TableResource

from qsmstats.schemas import load_schema
from qsmstats.study_file import open_study
from qsmstats.tables.read import load_tables, read_tables

LESIONS = 40
TOML = """
[labels]
pattern = "{participant}/{session}/labels.nii.gz"
[maps.mwf_percent]
pattern = "{participant}/{session}/mwf.nii.gz"
unit = "percent"
[tables]
participants = "participants.tsv"
sessions = "{participant}/sessions.tsv"
lesions = "lesions.tsv"
ratings = "ratings.tsv"
"""


def write_study(folder: Path, patients: int) -> None:
    folder.mkdir()
    (folder / "study.toml").write_text(TOML)
    levels = load_schema("lesions").column("lesion_type").levels
    names = [f"sub-{number:04d}" for number in range(patients)]
    rows = [
        (name, "ses-01", f"L{label}", label, levels[label % len(levels)])
        for name in names
        for label in range(1, LESIONS + 1)
    ]
    columns = ["participant_id", "session_id", "lesion_id", "label", "lesion_type"]
    lesions = pd.DataFrame(rows, columns=columns)
    people = pd.DataFrame({"participant_id": names, "group": "MS", "age": 40.5, "sex": "F"})
    raters = [lesions.drop(columns="label").assign(rater_id=rater) for rater in ("r1", "r2")]
    for name, table in (
        ("participants", people),
        ("lesions", lesions),
        ("ratings", pd.concat(raters)),
    ):
        table.to_csv(folder / f"{name}.tsv", sep="\t", index=False)
    for name in names:
        (folder / name).mkdir()
        (folder / name / "sessions.tsv").write_text("session_id\tyears\nses-01\t0\n")


def break_cells(folder: Path, number: int) -> None:
    path = folder / "lesions.tsv"
    table = pd.read_csv(path, sep="\t", dtype="str")
    step = len(table) // number
    table.loc[::step, "lesion_type"] = [f"type {at}" for at in range(len(table.loc[::step]))]
    table.to_csv(path, sep="\t", index=False)


def frictionless_alone(folder: Path) -> None:
    descriptor = dict(load_schema("lesions").descriptor)
    for key in ("foreignKeys", "uniqueKeys"):
        descriptor.pop(key)
    schema = Schema.from_descriptor(descriptor)
    resource = TableResource(path="lesions.tsv", basepath=str(folder), schema=schema)
    assert resource.validate().valid


def pandas_alone(folder: Path) -> None:
    for name in ("participants", "lesions", "ratings"):
        pd.read_csv(folder / f"{name}.tsv", sep="\t")


def seconds(call: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=250)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        sound, broken = Path(temporary) / "sound", Path(temporary) / "broken"
        write_study(sound, options.patients)
        write_study(broken, options.patients)
        break_cells(broken, 1000)
        study, wrong = open_study(sound), open_study(broken)
        assert len(read_tables(study).lesions) == options.patients * LESIONS
        assert len(load_tables(wrong).problems) >= 1000
        times = {
            "read_tables, 10,000 lesions and 20,000 ratings": seconds(
                lambda: read_tables(study), options.repeats
            ),
            "load_tables, 1,000 wrong cells": seconds(lambda: load_tables(wrong), options.repeats),
            "frictionless, lesions.tsv alone": seconds(
                lambda: frictionless_alone(sound), options.repeats
            ),
            "pandas, no checks": seconds(lambda: pandas_alone(sound), options.repeats),
        }
    first = next(iter(times.values()))
    print(f"{'what':50} {'seconds':>8} {'ratio':>7}")
    for what, value in times.items():
        print(f"{what:50} {value:8.3f} {value / first:7.3f}")


if __name__ == "__main__":
    main()
