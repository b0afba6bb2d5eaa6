"""The plan of a trial from a study's output folder.

The results of `run` are used where the folder, which must be there, has them; else the study is
measured first. Nothing but the study's own tables and features is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from qsmstats.errors import UsageError
from qsmstats.output import held, made_folder
from qsmstats.progress import progress_bar, say
from qsmstats.provenance import source_sum
from qsmstats.records import PLAN, require_finished, source_of
from qsmstats.report.results.output_folder import Results
from qsmstats.report.sections.planning import draw_power_curves
from qsmstats.studies.answer_files import write_answer
from qsmstats.studies.planning.design import TrialDesign
from qsmstats.studies.planning.plan_trial import FRACTIONS, PATIENTS, TrialPlan, plan_trial
from qsmstats.study import Study
from qsmstats.study_file import open_study
from qsmstats.tables.read import read_tables
from qsmstats.tables.tidy import tidy_lesions
from qsmstats.voxels.cohort import extract_cohort
from qsmstats.voxels.label_store import LabelStore
from qsmstats.voxels.lesion_rows import lesions_in_images
from qsmstats.voxels.visits import match_visits

__all__ = ["plan_study"]

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
        Output folder of a run, which must exist; the study is measured into it where it holds no
        ``tidy.tsv``.
    outcome
        A map (its mean), or a feature that study.toml analyses, as "mwf_percent.median".
    design, patients, effects, fractions, power, maximum, simulations, seed, jobs
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
        As in `plan_trial`; UsageError also if there is no output folder, or it is in use or
        belongs to another study.
    """
    study = open_study(folder)
    known = study.schemas.lesion_types
    if unknown := [name for name in design.target if name not in known]:
        message = (
            f"target: the study has no lesion type {' or '.join(unknown)}; name the types whose "
            f"slope a treatment would change, of {', '.join(known)} (--target)"
        )
        raise UsageError(message)
    if not Path(out).is_dir():
        message = (
            f"{out}: there is no such folder; give the output folder of a run, which "
            f"`qsmstats run {folder} {out}` makes"
        )
        raise UsageError(message)
    out = made_folder(out, study.folder)
    with held(out, study):
        lesions, source = _lesions(study, out, jobs)
        with progress_bar("simulating trials") as progress:
            plan = plan_trial(
                lesions,
                outcome.replace(".", "_"),
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
        write_answer(plan, out / PLAN, source=source)
        draw_power_curves(out, study)
    return plan


def _lesions(study: Study, out: Path, jobs: int) -> tuple[pd.DataFrame, str]:
    """Return the lesions of a run, or measured now, and the sum of what they were made from."""
    require_finished(out)
    results = Results(folder=out)
    rows = results.rows("tidy")
    if not rows.empty:
        # As the study was when it was run; a table of text has no order of its types.
        schemas = results.schemas() or study.schemas
        types = pd.Categorical(rows["lesion_type"], categories=list(schemas.lesion_types))
        rows = rows.assign(lesion_type=types)
        rows.attrs["units"] = schemas.own_units
        return rows, source_of(out) or ""
    say(f"{out} holds no tidy.tsv of a run; measuring the study first")
    kept = LabelStore(out, study.name_of)
    tables = read_tables(study, partial(lesions_in_images, kept=kept))
    with progress_bar("measuring sessions") as progress:
        measured = extract_cohort(study, jobs=jobs, out=out, progress=progress, tables=tables)
    matches = match_visits(study, measured, tables=tables, kept=kept)
    lesions = tidy_lesions(tables, measured, matches=matches)
    return lesions, source_sum(study, tables, measured)
