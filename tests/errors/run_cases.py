"""Ways to ask the command line, a run, a report or a study for what it cannot do."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from qsmstats import (
    baseline_differences,
    example_lesions,
    histology_accuracy,
    lost_lesions,
    plot,
    rater_agreement,
    run_study,
    simulate_study,
    tissue_differences,
    trajectories,
    write_report,
)
from qsmstats.cli import main
from qsmstats.errors import (
    FormulaError,
    ImageError,
    InvalidDataError,
    ModelError,
    NoDataError,
    NotIdentifiedError,
    UsageError,
)
from qsmstats.output import held, made_folder
from qsmstats.plan import plan_study
from qsmstats.records import renewed, require_one_source
from qsmstats.report.images.margins import read_shown
from qsmstats.report.results.output_folder import Results
from qsmstats.run import _require_unchanged_labels
from qsmstats.studies.planning.design import TrialDesign
from qsmstats.study_file import open_study
from qsmstats.tables.read import read_tables
from qsmstats.voxels.cohort import extract_cohort
from qsmstats.voxels.executors import connected
from qsmstats.voxels.label_store import LabelStore
from tests.errors.walk import Case
from tests.study_folder import tables, write_images, write_tables

Act = Callable[[Path], Any]
LESIONS = pd.DataFrame(
    {
        "participant_id": ["a", "a", "b", "b"],
        "lesion_id": ["1", "2", "1", "2"],
        "lesion_type": pd.Categorical(["isointense"] * 4),
        "years": 0.0,
        "age": 40.0,
        "ndi": [0.5, 0.6, 0.7, 0.8],
    }
)
TYPED = LESIONS.assign(lesion_type=["isointense", "hypointense"] * 2)
FOLLOWED = pd.concat([TYPED, TYPED.assign(years=1.0)], ignore_index=True)
HALF = FOLLOWED["years"] == 0
READINGS = pd.DataFrame(
    {
        "brain_id": ["B1"],
        "lesion_id": ["1"],
        "index_test": [None],
        "reference_standard": ["remyelinated"],
    }
)
RATINGS = pd.DataFrame(
    {
        "participant_id": ["a"],
        "session_id": ["s"],
        "lesion_id": ["1"],
        "rater_id": ["Anna"],
        "lesion_type": ["isointense"],
    }
)


LABELLED = ["participant_id", "session_id", "label"]


def typed(*arguments: str) -> Act:
    """Return an act that types a command and reads what argparse prints."""

    def act(_: Path) -> list[str]:
        said = io.StringIO()
        try:
            with redirect_stderr(said):
                main(arguments)
        except SystemExit as end:
            return [said.getvalue(), f"exit {end.code}"]
        return [said.getvalue()]

    return act


def study(folder: Path) -> Path:
    return write_images(write_tables(folder / "study"))


def without_images(folder: Path) -> Any:
    read = open_study(write_tables(folder / "study"))
    return read_shown(read, ("sub-01", "ses-01"), LabelStore(folder / "out", read.name_of))


def other_lesions(_: Path) -> Any:
    lesions = example_lesions(6)
    formula = "{outcome} ~ lesion_type * years + (1 | participant_id)"
    return lost_lesions(trajectories(lesions, formula=formula), lesions.assign(mwf_percent=1.0))


def scheduler(module: object) -> Act:
    """Return an act that asks a scheduler which does not answer, with or without distributed."""

    def act(_: Path) -> Any:
        silent = patch("socket.create_connection", side_effect=OSError("timed out"))
        installed = patch.dict(sys.modules, {"distributed": module})
        with installed, silent, connected("tcp://x:1"):
            return None

    return act


def in_a_file(folder: Path) -> Any:
    (folder / "file").touch()
    return made_folder(folder / "file" / "out", folder)


def in_use(folder: Path) -> Any:
    with patch("qsmstats.output.PAUSE", 0), held(folder, None), held(folder, None):
        return None


def taken_by_another(folder: Path) -> Any:
    (folder / "tidy.tsv").touch()
    for name in ("first", "second"):
        content = tables(patients=3 if name == "first" else 4)
        with held(folder, open_study(write_tables(folder / name, content))):
            pass


def stopped(folder: Path) -> Any:
    (folder / "made_from.json").write_text('{"source": null, "files": []}')
    require_one_source(folder)


def foreign(folder: Path) -> Any:
    with renewed(folder, [], "new"):
        (folder / "raters").mkdir()
    (folder / "raters" / "agreement.tsv").touch()
    require_one_source(folder)


def mixture(folder: Path) -> Any:
    for place, source in ((folder, "new"), (folder / "baseline", "old")):
        with renewed(place, ["means.tsv"], source):
            (place / "means.tsv").touch()
    require_one_source(folder)


def labels_changed(folder: Path) -> Any:
    made = open_study(study(folder))
    measured = extract_cohort(made, participants=["01"], out=folder / "out")
    path = made.folder / "sub-01/ses-02/sub-01_ses-02_dseg.nii.gz"
    path.write_bytes(path.read_bytes() + b"0")
    _require_unchanged_labels(made, read_tables(made), measured)


def result(name: str, content: bytes) -> Act:
    def act(folder: Path) -> Any:
        (folder / name).write_bytes(content)
        results = Results(folder=folder)
        return results.provenance() if name.endswith("json") else results.table(Path(name).stem)

    return act


def taken(folder: Path) -> Any:
    (folder / "sim").touch()
    return simulate_study(folder / "sim")


WRONG_USE: list[tuple[str, Act, str, str, str]] = [
    (
        "lost lesions of another table",
        other_lesions,
        "lesions",
        "it has another row, or value",
        "give the table that the answer was made from",
    ),
    (
        "level of a run",
        lambda _: run_study("s", "o", level="x"),
        "level",
        "'x'",
        'must be None, "participant" or "group"',
    ),
    (
        "some participants analysed",
        lambda _: run_study("s", "o", participants=["7"]),
        "--participant-label",
        "7",
        "use level `participant`",
    ),
    ("dask that is not installed", scheduler(None), "--dask", "the extra", "pip install"),
    (
        "scheduler that does not answer",
        scheduler(SimpleNamespace(Client=None)),
        "'tcp://x:1'",
        "timed out",
        "start one",
    ),
    ("output in a file", in_a_file, "file/out", "Not a directory", "choose another output folder"),
    (
        "output in the study",
        lambda folder: made_folder(folder, folder),
        "/",
        "is the study folder",
        "choose another one",
    ),
    ("output in use", in_use, "/", "another qsmstats command", "wait until it has ended"),
    (
        "output of another study",
        taken_by_another,
        "/",
        "results of another study, 'made'",
        "choose another output folder",
    ),
    (
        "style of a report",
        lambda folder: (folder / "features").mkdir() or write_report(folder, folder, style="x"),
        "style",
        "'x'",
        "use one of screen",
    ),
    (
        "font of a report",
        lambda folder: write_report(folder, folder, font="No Such Font"),
        "font",
        "'No Such Font' is not installed",
        "install it, or use another one",
    ),
    (
        "resolution of a report",
        lambda folder: write_report(folder, folder, dpi=1),
        "dpi",
        "1 is out of range",
        "use a number from 50",
    ),
    (
        "format of a report",
        lambda folder: write_report(folder, folder, formats="svg,eps"),
        "format",
        "'eps'",
        "use one of svg, pdf, png",
    ),
    (
        "voxels too large",
        lambda folder: simulate_study(folder / "s", resolution=9.0),
        "resolution",
        "9 mm",
        "choose a value within",
    ),
    ("folder without a name", lambda _: simulate_study("/"), "'/'", "no name", "name a new folder"),
    ("name that is taken", taken, "sim", "already exists", "name a new folder"),
    (
        "patients",
        lambda folder: simulate_study(folder / "s", patients=0),
        "patients",
        "0",
        "give at least that",
    ),
    (
        "followed patients",
        lambda folder: simulate_study(folder / "s", patients=1, followed=2),
        "followed",
        "2 patients",
        "give at most that many",
    ),
    (
        "scanners",
        lambda folder: simulate_study(folder / "s", patients=5, followed=0, scanners=3),
        "scanners",
        "3 scanners",
        "give at most 2",
    ),
    (
        "plan without a run",
        lambda folder: plan_study(study(folder), folder / "out"),
        "out",
        "no such folder",
        "`qsmstats run ",
    ),
    (
        "target that is no type",
        lambda folder: plan_study(
            study(folder), folder / "out", design=TrialDesign(target=("prl",))
        ),
        "target",
        "no lesion type prl",
        "--target",
    ),
]
INVALID: list[tuple[str, Act, str, str, str]] = [
    (
        "figure of no table",
        lambda _: plot.contrasts(3),
        "int",
        "holds no table",
        "give a DataFrame, or an answer",
    ),
    (
        "figure of a table without its columns",
        lambda _: plot.residuals(pd.DataFrame({"fitted": [1.0]})),
        "'residual'",
        "is missing",
        "the table has fitted",
    ),
    (
        "diagram of flows whose order lacks a state",
        lambda _: plot.alluvial(
            pd.DataFrame({"from_type": ["a"], "to_type": ["b"], "n_intervals": [1]}), order=["a"]
        ),
        "column 'from_type, to_type'",
        "holds b",
        "add it to order",
    ),
    (
        "means of other data",
        lambda _: plot.rainclouds(
            TYPED.assign(ndi=0.4),
            "ndi",
            means=pd.DataFrame(
                {"level": ["a"], "estimate": 1.0, "conf_low": 0.0, "conf_high": 2.0}
            ),
        ),
        "means, column 'level'",
        "holds a, the data",
        "give the means of an answer from these data",
    ),
    (
        "layers of another map",
        lambda _: plot.layer_profiles(
            pd.DataFrame(0, [0], [*LABELLED, "region", "median", "n_core"]).assign(map="ndi"),
            pd.DataFrame(columns=[*LABELLED, "lesion_type"]),
            outcome="fa",
            layer_mm=1.0,
            level=0.95,
        ),
        "features, column 'map'",
        "holds no 'fa'",
        "it holds ndi",
    ),
    (
        "figure of several outcomes",
        lambda _: plot.residuals(
            pd.DataFrame({"fitted": 1.0, "residual": 1.0, "outcome": ["ndi", "mwf_percent"]})
        ),
        "'outcome'",
        "holds ndi, mwf_percent",
        "choose the rows of one",
    ),
    (
        "nothing measured",
        lambda folder: run_study(study(folder), folder / "out", level="group"),
        "out",
        "no session could be measured",
        "run level `participant` again",
    ),
    (
        "report of nothing",
        lambda folder: write_report(folder, folder),
        "/",
        "holds no results",
        "run `qsmstats run STUDY OUT` first",
    ),
    (
        "run that was stopped",
        stopped,
        "/",
        "was stopped",
        "complete them with `qsmstats run STUDY OUT group`",
    ),
    (
        "answer from other data",
        mixture,
        "/baseline",
        "not made from the data of the other answers",
        "write it again with `qsmstats run STUDY OUT group`",
    ),
    (
        "answer from nowhere",
        foreign,
        "/raters",
        "tables that no command wrote",
        "move them elsewhere",
    ),
    (
        "labels changed since they were measured",
        labels_changed,
        "sub-01/ses-02/sub-01_ses-02_dseg.nii.gz",
        "was changed",
        "run level `participant` again",
    ),
    (
        "record that is none",
        result("provenance.json", b"{"),
        "provenance.json",
        "line 1 column 2",
        "run `qsmstats run` again",
    ),
    (
        "schemas that are none",
        lambda folder: (
            (folder / "schemas.json").write_text('{"maps": {"a": {}}}')
            and Results(folder=folder).schemas()
        ),
        "schemas.json",
        "unit",
        "run `qsmstats run` again",
    ),
    (
        "results that are none",
        result("a.tsv", b"\xff\n"),
        "a.tsv",
        "0xff",
        "run `qsmstats run` again",
    ),
    (
        "results of another version",
        result("failures.tsv", b"participant_id\tsession_id\tfile\n1\t1\ta\n"),
        "failures.tsv",
        "column 'reason'",
        "run `qsmstats run STUDY OUT` again",
    ),
]
NO_ANSWER: list[tuple[str, Act, str, str, str]] = [
    (
        "first sessions that were not measured",
        lambda _: baseline_differences(TYPED.assign(years=1.0), "ndi"),
        "first session",
        "nothing was measured",
        "correct what failures.tsv says",
    ),
    (
        "map without values",
        lambda _: baseline_differences(TYPED.assign(ndi=np.nan), "ndi"),
        "ndi",
        "in any of 4 rows",
        "check the images of its map",
    ),
    (
        "histology without a reading",
        lambda _: histology_accuracy(READINGS),
        "index test",
        "no lesion has both",
        "fill in",
    ),
    (
        "one rater",
        lambda _: rater_agreement(RATINGS, LESIONS.assign(session_id="s")),
        "raters",
        "Anna",
        "add the ratings of another",
    ),
]
NO_DATA: list[tuple[str, Act, str, str, str]] = [
    (
        "one type of lesion",
        lambda _: baseline_differences(LESIONS, "ndi"),
        "lesion type",
        "isointense",
        "add data of another",
    ),
    (
        "lesions without a type",
        lambda _: baseline_differences(TYPED.assign(lesion_type=None), "ndi"),
        "none of 4 lesions",
        "has a type",
        "enter types in the lesions table",
    ),
    (
        "lesions without white matter",
        lambda _: tissue_differences(TYPED.assign(tissue=TYPED["lesion_type"]), "ndi"),
        "study.toml ([tissue])",
        "no white matter",
        "name its images",
    ),
    (
        "one visit",
        lambda _: trajectories(TYPED, "ndi"),
        "sessions",
        "no participant has lesions at two",
        "add follow-up",
    ),
    (
        "followed lesions without a type",
        lambda _: trajectories(FOLLOWED.assign(lesion_type=None), "ndi"),
        "no lesion of the 2 participants",
        "has a type",
        "enter types in the lesions table",
    ),
]
TYPED_WRONGLY: list[tuple[str, Act, str, str, str]] = [
    (
        "negative count",
        typed("simulate", "s", "--patients", "-3"),
        "--patients",
        "-3",
        "give 0 or more",
    ),
    ("no process of a run", typed("run", "s", "o", "--jobs", "0"), "--jobs", "0", "give 1 or more"),
    ("command that is none", typed("dance"), "COMMAND", "'dance'", "choose from"),
]
CASES = [
    *(
        Case(name=name, act=act, kind=kind, place=p, value=v, remedy=r)
        for kind, group in (
            (UsageError, WRONG_USE),
            (InvalidDataError, INVALID),
            (ModelError, NO_ANSWER),
            (NoDataError, NO_DATA),
            (None, TYPED_WRONGLY),
        )
        for name, act, p, v, r in group
    ),
    Case(
        name="page of lesions whose images are gone",
        act=without_images,
        kind=ImageError,
        place="sub-01/ses-01/sub-01_ses-01_dseg.nii.gz",
        value="no such file",
        remedy="check the pattern in study.toml",
    ),
    Case(
        name="outcome that is no column",
        act=lambda _: baseline_differences(TYPED, "fa"),
        kind=FormulaError,
        place="'fa'",
        value="no column",
        remedy="name one of",
    ),
    Case(
        name="values at one visit",
        act=lambda _: trajectories(FOLLOWED.assign(ndi=FOLLOWED["ndi"].where(HALF)), "ndi"),
        kind=NotIdentifiedError,
        place="values of ndi",
        value="no participant has values",
        remedy="check the images of this map",
    ),
]
