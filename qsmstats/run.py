"""The run of a study: check, measure every participant, answer the questions, write the report.

Level "participant" measures; level "group" reads what was measured, analyses it and draws the
report; without a level both follow one another. Either way the group step reads the measurements
from the output folder, so one command and many give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from qsmstats.checks.study import sound_tables
from qsmstats.errors import (
    InvalidDataError,
    ModelError,
    NoDataError,
    Problem,
    UsageError,
    check_option,
    grouped,
)
from qsmstats.output import held, made_folder
from qsmstats.own_schemas import DECLARED
from qsmstats.progress import progress_bar, say
from qsmstats.provenance import source_sum, write_provenance
from qsmstats.records import ANSWERS, PLAN, removed, renewed, source_of
from qsmstats.report.page import draw_report
from qsmstats.studies.answer_files import result_tables, write_answer, write_table
from qsmstats.studies.baseline import baseline_differences, tissue_differences
from qsmstats.studies.cohort import describe_cohort
from qsmstats.studies.harmonised import harmonised_answer
from qsmstats.studies.histology import histology_accuracy
from qsmstats.studies.missing_visits import lost_lesions
from qsmstats.studies.patients.associations import patient_associations
from qsmstats.studies.patients.table import patient_table
from qsmstats.studies.rater_uncertainty import impute_types
from qsmstats.studies.raters import rater_agreement
from qsmstats.studies.scanners import scanner_counts
from qsmstats.studies.table_one import table_one
from qsmstats.studies.table_one_files import SUFFIXES, write_table_one
from qsmstats.studies.trajectory import trajectories
from qsmstats.studies.transitions.type_transitions import type_transitions
from qsmstats.study import Study
from qsmstats.study_file import open_study
from qsmstats.tables.identities import matching_table
from qsmstats.tables.read import StudyTables
from qsmstats.tables.tidy import tidy_lesions, tissue_table
from qsmstats.voxels.cohort import Extraction, collect_cohort, extract_cohort, label_images
from qsmstats.voxels.executors import connected
from qsmstats.voxels.label_store import LabelStore
from qsmstats.voxels.lesion_types import (
    KNOWN_TYPES,
    disputed_lesions,
    not_suggested,
    type_confusion,
)
from qsmstats.voxels.measuring import SessionMeasurer
from qsmstats.voxels.memory import return_memory
from qsmstats.voxels.session_store import sha256
from qsmstats.voxels.visits import match_visits

__all__ = ["run_study"]

SOME_FAILED = 1


def run_study(
    folder: str | Path,
    out: str | Path,
    *,
    level: str | None = None,
    participants: Sequence[str] | None = None,
    jobs: int = 1,
    dask: str | None = None,
    command: str = "",
    anonymous: bool = False,
) -> int:
    """Run a study folder.

    Parameters
    ----------
    folder
        Study folder.
    out
        Output folder; made where it is missing.
    level
        "participant", "group", or None for both.
    participants
        Identifiers of participants to measure, with or without ``sub-``; level participant only.
    jobs
        Processes to use on this machine.
    dask
        Address of a dask scheduler (``tcp://host:port``) whose workers measure instead; they must
        see the study folder under the same path.
    command
        The command, for the provenance; without paths, which may name a person.
    anonymous
        Whether the report holds no identifier, path, command or image.

    Returns
    -------
    int
        0 all well, 1 some participants could not be measured, 4 a question could not be answered,
        or a model did not converge. A question for which the study has no data (`NoDataError`) is
        none of them.

    Raises
    ------
    InvalidDataError
        If the study is broken; every problem is listed.
    UsageError
        If the level or a participant is unknown, or the output folder cannot be written, belongs
        to another study, or is in use.

    Examples
    --------
    >>> qs.run_study("demo/study", "results", jobs=4)  # doctest: +SKIP
    """
    check_option("level", level, (None, "participant", "group"))
    if participants and level != "participant":
        message = (
            f"--participant-label names {', '.join(participants)}, but the analyses need every "
            "participant; use level `participant` to measure some, then `group`"
        )
        raise UsageError(message)
    study = open_study(folder)
    out = made_folder(out, study.folder)
    # Jobs of a cluster measure participants side by side; their files are never the same.
    with held(out, study, shared=level == "participant"):
        say(command or "run_study", "detail")
        measurer = SessionMeasurer.of(study, out, anew=level != "group")
        tables, notes = sound_tables(study, participants=participants, measurer=measurer)
        for line in grouped(notes) if level != "participant" else ():  # each job would repeat them
            say(f"note: {line}")
        failed = False
        if level != "group":
            with progress_bar("measuring sessions") as progress, connected(dask) as client:
                measured = extract_cohort(
                    study,
                    jobs=jobs,
                    client=client,
                    participants=participants,
                    out=out,
                    progress=progress,
                    tables=tables,
                )
            for row in measured.failures.itertuples():
                say(f"{row.participant_id} {row.session_id}: {row.file}: {row.reason}", "problem")
            failed = not measured.failures.empty
            del measured  # the group step reads it from the folder: one copy is enough
        if level == "participant":
            return SOME_FAILED if failed else 0
        return _group(study, tables, out, command, anonymous=anonymous)


def _group(study: Study, tables: StudyTables, out: Path, command: str, *, anonymous: bool) -> int:
    measured = collect_cohort(study, out, tables=tables)
    return_memory()
    kept = LabelStore(out, study.name_of)
    results = _result_tables(study, tables, measured, kept)
    source = source_sum(study, tables, measured)
    files = [f"{name}{suffix}" for name in results for suffix in (".tsv", ".json")]
    files += ["provenance.json", DECLARED, *(f"cohort/table_one{suffix}" for suffix in SUFFIXES)]
    shortcomings: list[str] = []
    with renewed(out, files, source):
        for name, table in results.items():
            write_table(table, out / f"{name}.tsv", study.schemas)
        if measured.features.empty:
            message = (
                f"{out}: no session could be measured; failures.tsv there has the reasons: "
                "correct them and run level `participant` again"
            )
            raise InvalidDataError(message)
        described = table_one(tables, results["patients"], settings=study.table_one)
        write_table_one(described, out / "cohort")
        write_provenance(study, tables, measured, out, command)
        some_failed = not measured.failures.empty
        del measured, results["features"]  # no answer reads them, and they are most of the memory
        questions = list(_questions(study, tables, results))
        # Answers of earlier runs that this study or its present data do not give.
        for name in set(ANSWERS) - {PLAN, *(name for name, *_ in questions)}:
            removed(out / name)
        if source_of(out / PLAN) != source and removed(out / PLAN):
            say(f"{PLAN}/ was made from other data and has been removed; run `qsmstats plan` again")
        for question in questions:
            say(f"answering: {question[0]}")
            shortcomings += _answer(question, out, source)
    del results, questions  # with them, the answers
    return_memory()
    say("drawing the report")
    say(f"report: {draw_report(study, out, anonymous=anonymous)}")
    for sentence in shortcomings:
        say(sentence, "problem")
    if shortcomings:
        return ModelError.exit_code
    return SOME_FAILED if some_failed else 0


def _result_tables(
    study: Study, tables: StudyTables, measured: Extraction, kept: LabelStore
) -> dict[str, pd.DataFrame]:
    """Return the tables that the answers start from, by their path below the output folder."""
    results = {"failures": measured.failures}
    if measured.features.empty:
        return results
    matches = match_visits(study, measured, tables=tables, kept=kept)
    if matches is not None:
        _require_unchanged_labels(study, tables, measured)
    lesions = tidy_lesions(tables, measured, matches=matches)
    results |= {"features": measured.features, "tidy": lesions}
    if matches is not None:
        results["matching"] = matching_table(lesions, matches)
    results["tissue"] = tissue_table(tables, measured, lesions=lesions)
    results["patients"] = patient_table(
        tables, lesions, tissue=results["tissue"], failures=measured.failures
    )
    cohort = result_tables(describe_cohort(tables, lesions, measured.failures))
    results |= {f"cohort/{name}": table for name, table in cohort.items()}
    if len(scanners := scanner_counts(tables)):
        results["cohort/scanners"] = scanners
    outcomes = (study.schemas.outcomes[name].map.name for name in study.outcomes)
    if "susceptibility_ppb" in outcomes:
        types = study.schemas.lesion_types
        if set(types) != set(KNOWN_TYPES):
            say(not_suggested(types))
            return results
        # Lesions whose images disagree with their type; what raters said is never changed.
        for name, compare in (("disputed", disputed_lesions), ("confusion", type_confusion)):
            table = compare(measured.features, tables.lesions, rule=study.lesion_type_rule)
            results[f"types/{name}"] = table
    return results


def _require_unchanged_labels(study: Study, tables: StudyTables, measured: Extraction) -> None:
    """Raise where a label image that was matched is not the one that was measured."""
    features = measured.features
    visits = set(zip(features["participant_id"], features["session_id"], strict=True))
    for visit, labels in label_images(study, tables).items():
        for path in labels.paths if visit in visits else ():
            name = study.name_of(path)
            if sha256(path) != measured.inputs.get(name):
                problem = "was changed since it was measured; run level `participant` again"
                raise InvalidDataError([Problem(table=name, problem=problem)])


_Ask = Callable[[str], Any]
_Question = tuple[str, Sequence[str], _Ask]


def _questions(
    study: Study, tables: StudyTables, results: Mapping[str, pd.DataFrame]
) -> Iterator[_Question]:
    """Yield each study's folder, the outcomes to ask about, and what answers for one outcome."""
    models, outcomes = study.models, study.outcomes
    lesions, tissue = results["tidy"], results["tissue"]
    baseline, vary_baseline = _with_variants(
        partial(baseline_differences, lesions, settings=models)
    )
    trajectory, vary_trajectory = _with_variants(partial(trajectories, lesions, settings=models))
    yield "baseline", outcomes, baseline
    yield "tissue", outcomes, partial(tissue_differences, tissue, settings=models)
    yield "trajectory", outcomes, trajectory
    if models.harmonise != "none" and "scanner" in lesions:
        adjust = partial(harmonised_answer, lesions=lesions, settings=models, features=outcomes)
        yield "baseline_harmonised", outcomes, vary_baseline(adjust)
        yield "trajectory_harmonised", outcomes, vary_trajectory(adjust)
    if models.imputations:
        lost = partial(lost_lesions, lesions=lesions, settings=models)
        yield "trajectory_delta", outcomes, vary_trajectory(lost)
    histology, ratings = tables.histology, tables.ratings
    if histology is not None:
        settings, level = study.histology, models.level
        answer = partial(histology_accuracy, histology, settings=settings, level=level)
        yield "histology", ["histology"], lambda _: answer()
    if ratings is not None:
        agree = partial(rater_agreement, ratings, tables.lesions, settings=study.raters)
        yield "raters", ["raters"], lambda _: agree(level=models.level)
    if ratings is not None and models.imputations:
        impute = partial(impute_types, lesions=lesions, ratings=ratings, settings=models)
        yield "baseline_raters", outcomes, vary_baseline(impute)
        yield "trajectory_raters", outcomes, vary_trajectory(impute)
    if study.patients.questions:
        associate = partial(
            patient_associations,
            results["patients"],
            lesions,
            settings=study.patients,
            models=models,
            outcomes=outcomes,
            schemas=study.schemas,
        )
        yield "patients", ["patients"], lambda _: associate()
    follow = partial(
        type_transitions,
        lesions,
        ratings,
        patients=results["patients"],
        models=models,
        raters=study.raters,
        schemas=study.schemas,
    )
    yield "transitions", ["transitions"], lambda _: follow()


def _with_variants(ask: _Ask) -> tuple[_Ask, Callable[[Callable[[Any], Any]], _Ask]]:
    """Return what answers, and what makes of a variant one that begins with that answer.

    The variant of an outcome whose answer was refused is None: the reason has been given.
    """
    answers: dict[str, Any] = {}

    def answered(outcome: str) -> Any:
        answers[outcome] = ask(outcome)
        return answers[outcome]

    def varied(variant: Callable[[Any], Any]) -> _Ask:
        return lambda outcome: variant(answers[outcome]) if outcome in answers else None

    return answered, varied


def _answer(question: _Question, out: Path, source: str = "") -> list[str]:
    """Answer one study for all its outcomes; say which answers are missing or did not converge."""
    name, outcomes, ask = question
    answers, refusals, shortcomings = [], [], []
    for outcome in outcomes:
        asked = name if outcome == name else f"{name} {outcome}"
        say(f"{asked}: being answered", "detail")
        return_memory()
        try:
            if (answer := ask(outcome)) is not None:
                answers.append(answer)
        except (ModelError, InvalidDataError, UsageError) as error:
            # Settings and formulas were checked before anything was measured: what is left, the
            # data cannot answer. The run goes on; report and log say it in words.
            reason = "; ".join(str(error).splitlines())
            refusals.append((outcome, f"Could not be answered: {reason}"))
            say(f"{asked}: could not be answered: {reason}", "problem")
            if not isinstance(error, NoDataError):
                shortcomings.append(f"{asked}: not answered; see notes.tsv beside its results")
    write_answer(answers, out / name, refusals=refusals, source=source)
    fitted = [answer for answer in answers if hasattr(answer, "fit")]
    return shortcomings + [
        f"{name} {answer.outcome}: the model did not converge; see models.tsv beside its results"
        for answer in fitted
        if not answer.fit.info.converged
    ]
