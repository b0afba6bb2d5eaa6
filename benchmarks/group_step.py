"""What the group step of a large cohort costs, part by part, from its tables to the page.

No image is needed: the study's tables are written directly, and its measurements as level
`participant` leaves them in the output folder (random numbers in every column of the features).
Of three sessions of each patient, with a lesion count around 28 each, two raters rated every
lesion; where they disagree (`--disagree`) types are drawn anew, which costs more than all else.
Every part is timed in CPU seconds of this process (with one BLAS thread where
OPENBLAS_NUM_THREADS=1 is set), beside the peak of resident memory during the part.

    OPENBLAS_NUM_THREADS=1 python benchmarks/group_step.py [SESSIONS] [--report]

`--report` answers the questions and draws the page too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qsmstats import run
from qsmstats.checks import study as study_checks
from qsmstats.checks.labels import LabelRows
from qsmstats.provenance import source_sum
from qsmstats.report.page import draw_report
from qsmstats.schemas import load_schema
from qsmstats.studies.answer_files import write_table
from qsmstats.study import Study
from qsmstats.study_file import open_study
from qsmstats.tables.identities import identify_lesions, matching_table
from qsmstats.tables.read import StudyTables, load_tables, read_tables, typed_tables
from qsmstats.tables.tidy import tidy_lesions
from qsmstats.voxels.cohort import collect_cohort, session_jobs
from qsmstats.voxels.feature_table import feature_types
from qsmstats.voxels.label_store import LabelStore
from qsmstats.voxels.session_store import FeatureStore
from qsmstats.voxels.sessions import SessionJob, SessionResult

VISITS, LESIONS, CONTROLS = 3, 28, 10
MAPS = {"susceptibility_ppb": ("ppb", 10, 15), "mwf_percent": ("percent", 10, 2.5)}
TOML = """
[labels]
pattern = "{participant}/{session}/dseg.nii.gz"
[tissue]
white_matter = "{participant}/{session}/wm.nii.gz"
[tables]
participants = "participants.tsv"
sessions = "sessions.tsv"
lesions = "lesions.tsv"
ratings = "ratings.tsv"
"""


def write_study(folder: Path, sessions: int, disagree: float) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    maps = [
        f'[maps.{name}]\npattern = "{{participant}}/{{session}}/{name}.nii.gz"\nunit = "{unit}"\n'
        for name, (unit, _, _) in MAPS.items()
    ]
    (folder / "study.toml").write_text("".join(maps) + TOML)
    patients = [f"sub-{number:05d}" for number in range(sessions // VISITS)]
    controls = [f"sub-HC{number:03d}" for number in range(CONTROLS)]
    people = pd.DataFrame({"participant_id": [*patients, *controls]})
    people["group"] = ["MS"] * len(patients) + ["HC"] * CONTROLS
    people["age"] = rng.uniform(20, 70, len(people)).round(1)
    people["sex"] = rng.choice(["F", "M"], len(people))
    visits = pd.DataFrame(
        [(name, f"ses-{visit}", visit) for name in patients for visit in range(VISITS)]
        + [(name, "ses-0", 0) for name in controls],
        columns=["participant_id", "session_id", "years"],
    )
    types = load_schema("lesions").column("lesion_type").levels
    counts = 1 + rng.poisson(LESIONS - 1, len(patients))
    lesions = pd.DataFrame(
        [
            (name, f"ses-{visit}", f"L{label}", label, types[kind])
            for name, count in zip(patients, counts, strict=True)
            for kinds in [rng.integers(len(types), size=count)]
            for visit in range(VISITS)
            for label, kind in enumerate(kinds, start=1)
        ],
        columns=["participant_id", "session_id", "lesion_id", "label", "lesion_type"],
    )
    raters = [lesions.drop(columns="label").assign(rater_id=rater) for rater in ("r1", "r2")]
    if disagree:
        other = rng.random(len(lesions)) < disagree
        raters[1].loc[other, "lesion_type"] = rng.choice(types, other.sum())
    tables = {"participants": people, "sessions": visits, "lesions": lesions}
    for name, table in {**tables, "ratings": pd.concat(raters)}.items():
        table.to_csv(folder / f"{name}.tsv", sep="\t", index=False)


def session_features(job: SessionJob, labels: list[int], rng: np.random.Generator) -> pd.DataFrame:
    """Return random features of the lesions of a session and of its white matter.

    Means differ between participants, their changes and lesions, as models expect: of noise alone
    every variance would be estimated as zero, after many attempts at another minimum.
    """
    regions = ["lesion"] * len(labels) + ["nawm"] * bool(labels) + ["white_matter"]
    rows, maps = len(regions), len(job.maps)
    made: dict[str, Any] = {}
    for name, kind in feature_types().items():
        if kind == "float64":
            made[name] = rng.normal(10, 2, rows * maps)
        elif kind == "Int64":
            made[name] = rng.integers(1, 200, rows * maps)
        elif kind == "boolean":
            made[name] = rng.random(rows * maps) < 0.1
        else:
            made[name] = "partial_coverage"
    own = np.random.default_rng(list(job.participant_id.encode())).normal(
        0, 1.5, 2 + max([0, *labels])
    )
    level = own[0] + own[1] / 3 * int(job.session_id.removeprefix("ses-"))
    lesions = level + own[np.array(labels, dtype=np.int64) + 1]
    made["mean"] += np.repeat([*lesions, *[level] * (rows - len(labels))], maps)
    made |= {"participant_id": job.participant_id, "session_id": job.session_id}
    made["region"] = np.repeat(regions, maps)
    made["label"] = pd.array(np.repeat([*labels, *[pd.NA] * (rows - len(labels))], maps), "Int64")
    made["map"] = [*job.maps] * rows
    made["volume_mm3"] = np.repeat(rng.lognormal(4, 1, rows), maps)
    made |= {"n_left_out": pd.NA} if "n_left_out" in made else {}
    made |= {"left_out_mm3": np.nan} if "left_out_mm3" in made else {}
    return pd.DataFrame(made).astype(feature_types())


def write_features(study: Study, tables: StudyTables, out: Path) -> None:
    rng = np.random.default_rng(2)
    store = FeatureStore(out, study.name_of)
    labels = tables.lesions.groupby(["participant_id", "session_id"])["label"].agg(list).to_dict()
    for job in session_jobs(study, tables):
        found = list(map(int, labels.get((job.participant_id, job.session_id), [])))
        sums = {study.name_of(path): f"{hash(path) % 2**256:064x}" for path in job.inputs}
        store.write(job, SessionResult(features=session_features(job, found, rng)), sums)


def made_matches(lesions: pd.DataFrame) -> pd.DataFrame:
    """Return matches, as of sessions that were labelled on their own, by which all lesions last."""
    keys = ["participant_id", "session_id", "label"]
    ordered = lesions.sort_values(["participant_id", "lesion_id", "session_id"])
    later = ordered[keys].rename(columns={"session_id": "session_id_b", "label": "label_b"})
    before = ordered.groupby(["participant_id", "lesion_id"])[["session_id", "label"]].shift()
    table = later.assign(session_id_a=before["session_id"], label_a=before["label"])
    table = table.dropna(subset="session_id_a").reset_index(drop=True)
    table = table.assign(relation=pd.Categorical(["same"] * len(table)), continues=True)
    return table.assign(group=table.groupby(["participant_id", "session_id_b"]).cumcount() + 1)


class Clock:
    """Times each part of the step, and prints it."""

    def __init__(self) -> None:
        self.total = 0.0

    def __call__(self, name: str, call: Callable[[], Any]) -> Any:
        """Return what `call` returns."""
        # Writing 5 resets the peak to what is resident now (see `man 5 proc`).
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        start = time.process_time()
        result = call()
        seconds = time.process_time() - start
        self.total += seconds
        status = Path("/proc/self/status").read_text(encoding="ascii")
        peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if "VmHWM" in line)
        print(f"{name:44}{seconds:9.2f}{peak:9.0f}", flush=True)
        return result


def compare_labels(loaded: Any) -> None:
    """Do what `check` does with the labels of images, of which there are none here."""
    rows = LabelRows.of(loaded)
    for visit, labels in rows.rows.items():
        assert not list(rows.compare(visit, set(labels), "labels"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sessions", type=int, nargs="?", default=600)
    parser.add_argument("--report", action="store_true", help="answer the questions; draw the page")
    parser.add_argument(
        "--disagree", type=float, default=0.0, help="share of lesions that one rater typed anew"
    )
    parser.add_argument("--folder", type=Path, help="where to keep the study for another time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = options.folder or Path(temporary)
        folder, out = root / f"study{options.sessions}", root / f"out{options.sessions}"
        if not folder.exists():
            write_study(folder, options.sessions, options.disagree)
            write_features(open_study(folder), read_tables(open_study(folder)), out)
        study, clock = open_study(folder), Clock()
        print(f"{'part':44}{'CPU s':>9}{'peak MB':>9}")
        tables = measure(study, out, clock)
        print(f"{'in all':44}{clock.total:9.2f}")
        if options.report:
            answer = run._answer
            run._answer = lambda question, *rest: clock(
                f"answering: {question[0]}", lambda: answer(question, *rest)
            )
            run._group(study, tables, out, "", anonymous=False)
            clock("page again", lambda: draw_report(study, out, anonymous=False))


def measure(study: Study, out: Path, clock: Clock) -> StudyTables:
    """Return the tables of the study; what the parts make is let go."""
    loaded = clock("load_tables", lambda: load_tables(study))
    clock(
        "checks of settings and formulas",
        lambda: study_checks._findings(study, loaded, lambda *_, **__: []),
    )
    clock("labels against rows", lambda: compare_labels(loaded))
    tables = clock("typed_tables", lambda: typed_tables(study, loaded))
    measured = clock("collect_cohort", lambda: collect_cohort(study, out, tables=tables))
    print(f"{'':4}{len(tables.lesions)} lesions, {len(measured.features)} rows of features")
    assert measured.failures.empty, measured.failures
    lesions = clock("tidy_lesions", lambda: tidy_lesions(tables, measured))
    matches = made_matches(lesions)
    named = clock("identify_lesions", lambda: identify_lesions(lesions, matches))
    clock("matching_table", lambda: matching_table(named, matches))
    results = clock(
        "tidy, tissue, patients, cohort, types",
        lambda: run._result_tables(study, tables, measured, LabelStore(out, study.name_of)),
    )
    clock(
        "writing them",
        lambda: [write_table(one, out / f"{name}.tsv") for name, one in results.items()],
    )
    clock("sum of all inputs", lambda: source_sum(study, tables, measured))
    return tables


if __name__ == "__main__":
    main()
