"""The plan of a trial from a study's output folder: read, plan, write, draw, say.

What `run` left in the folder is used where it is there; else the study is measured first. Nothing
but the study's own tables and features is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from qsmstats.progress import progress_bar, say
from qsmstats.report.results import Results
from qsmstats.report.sections.planning import draw_power_curves
from qsmstats.studies.answers import write_answer
from qsmstats.studies.planning.design import TrialDesign
from qsmstats.studies.planning.study import FRACTIONS, PATIENTS, TrialPlan, plan_trial
from qsmstats.study import Study, open_study
from qsmstats.tables.tidy import tidy_lesions
from qsmstats.voxels.cohort import extract_cohort

__all__ = ["FOLDER", "plan_study"]

FOLDER = "planning"
DESIGN = TrialDesign()


def plan_study(
    folder: str | Path,
    out: str | Path,
    *,
    outcome: str = "mwf_percent",
    design: TrialDesign = DESIGN,
    patients: Sequence[int] = PATIENTS,
    effects: Sequence[float] | None = None,
    fractions: Sequence[float] = FRACTIONS,
    power: float = 0.8,
    maximum: int = 400,
    simulations: int = 1000,
    seed: int = 1,
    jobs: int = 1,
) -> TrialPlan:
    """Plan a trial from a study, and write ``planning/`` into its output folder.

    Parameters
    ----------
    folder
        Study folder; its trajectory formula and confidence level are used.
    out
        Output folder of a run; the study is measured into it where it holds no ``tidy.tsv``.
    outcome, design, patients, effects, fractions, power, maximum, simulations, seed, jobs
        As in `plan_trial`.

    Returns
    -------
    TrialPlan
        Also written: power, sizes, assumptions, sensitivity, models and notes (TSV), methods.txt
        and power_curves.svg.

    Raises
    ------
    InvalidDataError
        If the study or the output folder is broken.
    ModelError, UsageError
        As in `plan_trial`.
    """
    study, out = open_study(folder), Path(out)
    lesions = _lesions(study, out, jobs)
    with progress_bar("simulating trials") as progress:
        plan = plan_trial(
            lesions,
            outcome,
            design=design,
            patients=patients,
            effects=effects,
            fractions=fractions,
            power=power,
            maximum=maximum,
            simulations=simulations,
            seed=seed,
            settings=study.models,
            jobs=jobs,
            progress=progress,
        )
    write_answer(plan, out / FOLDER)
    draw_power_curves(out, study)
    return plan


def _lesions(study: Study, out: Path, jobs: int) -> pd.DataFrame:
    rows = Results(folder=out).rows("tidy")
    if not rows.empty:
        return rows
    say(f"{out} holds no tidy.tsv of a run; measuring the study first")
    with progress_bar("measuring sessions") as progress:
        measured = extract_cohort(study, jobs=jobs, out=out, progress=progress)
    return tidy_lesions(study, measured)
