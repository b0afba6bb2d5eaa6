"""The command line: parses, calls, and returns an exit code.

What may be typed stands in `qsmstats.arguments`, with the exit codes. Everything heavy is imported
after the arguments are read, so that help is instant.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from io import TextIOWrapper

from qsmstats.arguments import command_parser
from qsmstats.exit import ended
from qsmstats.progress import progress_bar, say, set_loudness, show

__all__ = ["main", "parse"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments
        What stands after ``qsmstats`` on the command line; by default `sys.argv`.
    """
    # No step of a command may fail for its streams or environment. A stream that the shell closed
    # (`>&-`) would else be taken by the next file that is opened.
    for name, mode in {"stdin": "r", "stdout": "w", "stderr": "w"}.items():
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(nothing, True)  # noqa: FBT003  (its only form)
            setattr(sys, name, os.fdopen(nothing, mode, closefd=False))
    # matplotlib does not load where this names a backend unknown to it, as notebooks set it; the
    # figures are drawn into files and need none.
    os.environ["MPLBACKEND"] = "agg"
    # Letters that the terminal's encoding lacks are escaped, where Python would give up printing.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    options = parse(sys.argv[1:] if arguments is None else arguments)
    set_loudness(options.loudness)
    places = (getattr(options, name, None) for name in ("out", "study", "folder"))
    place = next(filter(None, places), "standard output")
    # A run catches what its processes lack; what remains is out of memory by itself.
    parallel = hasattr(options, "jobs") and not hasattr(options, "level")
    return ended(partial(options.call, options), place, parallel=parallel)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the arguments of one command; `call` of the result runs it.

    Wrong usage prints what is wrong and exits with 2, as argparse does.
    """
    return _parser().parse_args(arguments)


def _parser() -> argparse.ArgumentParser:
    return command_parser(
        {
            "init": _init,
            "simulate": _simulate,
            "check": _check,
            "run": _run,
            "report": _report,
            "plan": _plan,
            "map": _map,
            "demo": _demo,
            "completion": _completion,
        }
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _init(options: argparse.Namespace) -> int:
    from qsmstats.inventory.draft import init_study

    with progress_bar("testing the draft") as progress:
        draft = init_study(options.folder, force=options.force, progress=progress)
    show(str(draft))
    return 0


def _simulate(options: argparse.Namespace) -> int:
    from qsmstats.simulate.cohort import simulate_study

    with progress_bar("simulating sessions") as progress:
        simulate_study(
            options.study,
            seed=options.seed,
            patients=options.patients,
            controls=options.controls,
            followed=options.followed,
            resolution=options.resolution,
            scanners=options.scanners,
            voxelwise=getattr(options, "voxelwise", False),
            jobs=options.jobs or _cores(),
            progress=progress,
        )
    say(f"study written: {options.study}")
    return 0


def _check(options: argparse.Namespace) -> int:
    from qsmstats.checks.study import find_problems
    from qsmstats.errors import InvalidDataError, grouped
    from qsmstats.study_file import open_study

    with progress_bar("reading images") as progress:
        found = find_problems(
            open_study(options.study), jobs=options.jobs or _cores(), progress=progress
        )
    notes = [item.problem for item in found if item.kind == "note"]
    kinds = [item.kind for item in found if item.kind != "note"]
    problems = [item.problem for item in found if item.kind != "note"]
    lines = [str(problem) for problem in problems] if options.all else grouped(problems)
    for line in lines:
        show(line)
    for line in grouped(notes):
        say(f"note: {line}")
    if not kinds:
        say(f"{options.study}: no problem found")
        return 0
    if len(lines) < len(problems):
        say(f"{len(problems)} problems; --all lists each of them", "problem")
    return 1 if set(kinds) == {"unreadable"} else InvalidDataError.exit_code


def _run(options: argparse.Namespace) -> int:
    from qsmstats.run import run_study

    return run_study(
        options.study,
        options.out,
        level=options.level,
        participants=options.participant_label,
        jobs=options.jobs or _cores(),
        dask=options.dask,
        command=" ".join(["qsmstats run STUDY OUT", *filter(None, [options.level])]),
        anonymous=options.anonymous,
    )


def _report(options: argparse.Namespace) -> int:
    from qsmstats.report.page import write_report

    if not options.anonymous and not (options.study / "study.toml").is_file():
        say(f"{options.study} has no study.toml: the images of lesions are left out")
    page = write_report(
        options.study,
        options.out,
        style=options.style,
        formats=options.format,
        dpi=options.dpi,
        font=options.font,
        anonymous=options.anonymous,
    )
    say(f"report: {page}")
    return 0


def _plan(options: argparse.Namespace) -> int:
    from qsmstats.errors import ModelError
    from qsmstats.plan import plan_study
    from qsmstats.records import PLAN
    from qsmstats.studies.planning.design import TARGETS, Dropout, TrialDesign
    from qsmstats.studies.planning.plan_trial import FRACTIONS, PATIENTS

    design = TrialDesign(
        target=tuple(options.target or TARGETS),
        visits=tuple(options.visits),
        dropout=Dropout(annual_rate=options.dropout),
        df=options.df,
    )
    plan = plan_study(
        options.study,
        options.out,
        outcome=options.outcome,
        design=design,
        patients=options.patients or PATIENTS,
        effects=options.effect,
        fractions=options.fraction or FRACTIONS,
        power=options.power,
        maximum=options.maximum,
        simulations=options.simulations,
        seed=options.seed,
        jobs=options.jobs or _cores(),
    )
    show("\n".join([*plan.answers, *(f"Note: {note}" for note in plan.notes)]))
    say(f"tables and figure: {options.out / PLAN}; `qsmstats report` shows them in the report")
    return 0 if plan.fit.info.converged else ModelError.exit_code


def _map(options: argparse.Namespace) -> int:
    from qsmstats.brain_maps.map_study import MapRequest, map_study

    request = MapRequest(
        name=options.map,
        formula=options.formula,
        mask=options.mask,
        df=options.df,
        contrasts=tuple(options.contrast),
        present=options.present,
        fwe=options.fwe,
        seed=options.seed,
    )
    return map_study(
        options.study, options.out, request, jobs=options.jobs or _cores(), dask=options.dask
    )


def _demo(options: argparse.Namespace) -> int:
    study = options.out / "study"
    if study.exists():
        say(f"{study} already exists and is used again; remove it to simulate a new study")
    else:
        options.study = study
        _simulate(options)
    options.study, options.out = study, options.out / "results"
    options.level = options.participant_label = options.dask = None
    options.anonymous = False
    return _run(options)


def _completion(options: argparse.Namespace) -> int:
    try:
        import shtab
    except ImportError as error:
        from qsmstats.errors import UsageError

        message = (
            f"completion for {options.shell} is written by the package shtab, which is missing; "
            "install it (pip install 'qsmstats[completion]')"
        )
        raise UsageError(message) from error
    show(shtab.complete(_parser(), shell=options.shell).rstrip("\n"))
    return 0
