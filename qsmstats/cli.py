"""The command line: parses, calls, and returns an exit code.

The exit codes are those of `EXIT_CODES`. Everything heavy is imported after the arguments are read,
so that help is instant.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from textwrap import fill

from qsmstats.exit import ended
from qsmstats.progress import progress_bar, say, set_loudness, show
from qsmstats.version import __version__

__all__ = ["EXIT_CODES", "main", "parse"]

EXIT_CODES = (
    "Exit codes: 0 all well; 1 some participants could not be measured (check: some images cannot "
    "be used), the others can be analysed; 2 wrong usage, or a file or folder that cannot be read "
    "or written; 3 invalid data or study.toml; 4 a question that the data were to answer was not "
    "answered, or by a model that did not converge; 70 an error in qsmstats; 130 interrupted; 141 "
    "the reader of the output was closed. Where both 1 and 4 hold, run gives 4."
)


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


EXAMPLES = {
    "init": "qsmstats init STUDY",
    "simulate": "qsmstats simulate STUDY --patients 20 --controls 10 --followed 8",
    "check": "qsmstats check STUDY --all",
    "run": """qsmstats run STUDY OUT --jobs 4
  qsmstats run STUDY OUT participant --participant-label 01 02
  qsmstats run STUDY OUT group --quiet""",
    "report": "qsmstats report STUDY OUT --style double --format svg,pdf",
    "plan": """qsmstats plan STUDY OUT --target paramagnetic_rim --fraction -0.5
  qsmstats plan STUDY OUT --outcome mwf_percent --visits 0 0.5 1 --dropout 0.05""",
    "map": """qsmstats map STUDY OUT --map ndi --formula "ndi ~ years + (1 | participant_id)"
  qsmstats map STUDY OUT --map ndi --formula "ndi ~ years + (1 | participant_id)" --fwe 1000""",
    "demo": "qsmstats demo DEMO --patients 20 --controls 10 --followed 8",
    "completion": """qsmstats completion bash > ~/.local/share/bash-completion/completions/qsmstats
  qsmstats completion zsh > ~/.zfunc/_qsmstats""",
}
"""Command -> examples at the end of its help."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qsmstats",
        description="Statistics for cohort studies of multiple-sclerosis lesions.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"qsmstats {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    init = commands.add_parser(
        "init", help="inspect a folder of images and tables and write a study.toml for it"
    )
    init.add_argument("folder", metavar="FOLDER", type=Path)
    init.add_argument(
        "--force",
        action="store_true",
        help="write study.toml even if it exists; the old one is kept",
    )
    init.set_defaults(call=_init)
    simulate = commands.add_parser(
        "simulate", help="simulate a study folder with known truth on real anatomy"
    )
    simulate.add_argument(
        "study", metavar="STUDY", type=Path, help="folder to write; must not exist"
    )
    _add_size(simulate)
    simulate.add_argument(
        "--voxelwise", action="store_true", help="with images in a common space, for `qsmstats map`"
    )
    simulate.set_defaults(call=_simulate)
    check = commands.add_parser("check", help="list everything that is wrong with a study folder")
    check.add_argument("study", metavar="STUDY", type=Path)
    check.add_argument(
        "--all",
        action="store_true",
        help="list every problem; default: one line for all problems of one kind",
    )
    _add_jobs(check)
    check.set_defaults(call=_check)
    _add_run(commands)
    _add_report(commands)
    _add_plan(commands)
    _add_map(commands)
    demo = commands.add_parser("demo", help="simulate a study and run it")
    demo.add_argument("out", metavar="OUT", type=Path, help="folder for the study and its results")
    _add_size(demo)
    demo.set_defaults(call=_demo)
    completion = commands.add_parser("completion", help="print completions of commands for a shell")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    completion.set_defaults(call=_completion)
    codes = fill(EXIT_CODES, 80)
    parser.epilog = f"Example:\n  {EXAMPLES['demo']}\n\n{codes}"
    for name, one in commands.choices.items():
        _add_loudness(one)
        one.formatter_class = argparse.RawDescriptionHelpFormatter
        one.epilog = f"Examples:\n  {EXAMPLES[name]}\n\n{codes}"
    return parser


def _add_loudness(parser: argparse.ArgumentParser) -> None:
    loudness = parser.add_mutually_exclusive_group()
    for letter, name, text in (
        ("q", "quiet", "say only what went wrong"),
        ("v", "verbose", "say every step; where there is an OUT, log.txt there has them anyway"),
    ):
        loudness.add_argument(
            f"-{letter}",
            f"--{name}",
            dest="loudness",
            action="store_const",
            const=name,
            default="normal",
            help=text,
        )


_Commands = argparse._SubParsersAction  # argparse has no public name for it


def _add_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--patients", type=_count, default=115, help="default: 115")
    parser.add_argument("--controls", type=_count, default=76, help="default: 76")
    parser.add_argument(
        "--followed", type=_count, default=40, help="patients with a second session; default: 40"
    )
    parser.add_argument("--seed", type=_count, default=1, help="default: 1")
    parser.add_argument(
        "--resolution", type=float, default=2.0, help="voxel size in mm; default: 2"
    )
    parser.add_argument("--scanners", type=_count, default=1, help="number of them; default: 1")
    _add_jobs(parser)


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs", type=_jobs, default=None, metavar="N", help="processes; default: one per core"
    )


def _add_run(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("run", help="extract features, fit the models, write the report")
    parser.add_argument("study", metavar="STUDY", type=Path)
    parser.add_argument("out", metavar="OUT", type=Path, help="output folder")
    parser.add_argument(
        "level",
        nargs="?",
        choices=("participant", "group"),
        help="one step only: features of participants, or the analyses; default: both",
    )
    parser.add_argument(
        "--participant-label",
        nargs="+",
        metavar="LABEL",
        help="these participants only, without 'sub-'; level participant",
    )
    _add_jobs(parser)
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="measure on the workers of this scheduler, tcp://host:port",
    )
    _add_anonymous(parser)
    parser.set_defaults(call=_run)


def _add_report(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("report", help="draw the report again from an output folder")
    parser.add_argument("study", metavar="STUDY", type=Path)
    parser.add_argument("out", metavar="OUT", type=Path)
    parser.add_argument(
        "--style",
        choices=("screen", "single", "onehalf", "double"),
        default="screen",
        help="figure width: for the page, or one, one and a half or two columns of a journal",
    )
    parser.add_argument(
        "--format",
        default="svg",
        metavar="FORMATS",
        help="files written of every figure: svg, pdf, png, or several as svg,pdf; default: svg",
    )
    parser.add_argument(
        "--dpi",
        type=int,
        metavar="N",
        help="dots per inch of PNG files, and of point clouds in the others; default: 200",
    )
    parser.add_argument(
        "--font", default="", metavar="NAME", help="an installed font for the figures, as Arial"
    )
    _add_anonymous(parser)
    parser.set_defaults(call=_report)


def _add_anonymous(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--anonymous",
        action="store_true",
        help="write a report.html without identifiers, paths and images (other files contain them)",
    )


def _add_plan(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "plan", help="plan the size of a trial from the results of a run; writes OUT/planning"
    )
    parser.add_argument("study", metavar="STUDY", type=Path)
    parser.add_argument("out", metavar="OUT", type=Path, help="output folder of a run")
    parser.add_argument(
        "--outcome",
        default="mwf_percent",
        help="a map, or a feature of one that study.toml analyses; default: mwf_percent",
    )
    parser.add_argument(
        "--target",
        nargs="+",
        metavar="TYPE",
        help="lesion types that share one effect, which is tested; default: hypointense and "
        "isointense",
    )
    effect = parser.add_mutually_exclusive_group()
    effect.add_argument(
        "--effect",
        nargs="+",
        type=float,
        metavar="CHANGE",
        help="what treatment adds to the slope, per year, on the scale of the model: in units of "
        "the map, or of log(map) where the formula takes the logarithm; the sign opposite to that "
        "of the slope slows a rise or a decline down",
    )
    effect.add_argument(
        "--fraction",
        nargs="+",
        type=float,
        metavar="SHARE",
        help="the same as fractions of the slope without treatment: -0.5 halves a decline or a "
        "rise, 0.5 makes either half as fast again; default: 0.25 0.5 0.75",
    )
    _add_trial(parser)
    _add_jobs(parser)
    parser.set_defaults(call=_plan)


def _add_trial(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--patients", nargs="+", type=_count, metavar="N", help="sizes of the control arm to show"
    )
    parser.add_argument(
        "--visits",
        nargs="+",
        type=float,
        default=[0.0, 1.0, 2.0],
        metavar="YEARS",
        help="times of imaging, the first at 0; default: 0 1 2",
    )
    parser.add_argument(
        "--dropout",
        type=float,
        default=0.1,
        metavar="RATE",
        help="share lost per year (20 %% over two years: 1 - 0.8 ** (1 / 2) = 0.106); default: 0.1",
    )
    parser.add_argument("--power", type=float, default=0.8, help="default: 0.8")
    parser.add_argument(
        "--df",
        choices=("satterthwaite", "kenward-roger"),
        default="kenward-roger",
        help="test; default: kenward-roger, which keeps its nominal level in small arms too; "
        "satterthwaite is a little faster",
    )
    parser.add_argument(
        "--maximum", type=_jobs, default=400, metavar="N", help="largest control arm; default: 400"
    )
    parser.add_argument(
        "--simulations",
        type=_count,
        default=1000,
        metavar="N",
        help="simulated trials per size; 0: calculation without simulation; default: 1000",
    )
    parser.add_argument("--seed", type=_count, default=1, help="default: 1")


def _add_map(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "map", help="fit one mixed model in every voxel of images in a common space"
    )
    parser.add_argument("study", metavar="STUDY", type=Path)
    parser.add_argument("out", metavar="OUT", type=Path, help="output folder; gets voxelwise/NAME")
    parser.add_argument(
        "--map", required=True, metavar="NAME", help="a map of [voxelwise.maps] in study.toml"
    )
    parser.add_argument(
        "--formula", required=True, help="the model, with the name of the map on its left side"
    )
    parser.add_argument(
        "--space",
        dest="mask",
        metavar="MASK",
        type=Path,
        help="mask of the voxels to analyse, whose grid is the common space; default: that of"
        " study.toml",
    )
    parser.add_argument(
        "--df",
        choices=("satterthwaite", "kenward-roger", "residual", "normal"),
        default="satterthwaite",
        help="degrees of freedom; default: satterthwaite",
    )
    parser.add_argument(
        "--contrast",
        action="append",
        default=[],
        metavar="TEXT",
        help="an effect to test, as 'label = years + 0.5 * age'; may be repeated; default: every "
        "coefficient but the intercept",
    )
    parser.add_argument(
        "--present",
        type=float,
        default=0.8,
        metavar="SHARE",
        help="least share of the images that must measure a voxel; default: 0.8",
    )
    parser.add_argument(
        "--fwe",
        type=_count,
        default=0,
        metavar="N",
        help="family-wise error over voxels too, by threshold-free cluster enhancement and N sign "
        "flips of participants, as 1000; takes far longer than the fits; default: 0, none",
    )
    parser.add_argument("--seed", type=_count, default=1, help="of the sign flips; default: 1")
    _add_jobs(parser)
    parser.add_argument(
        "--dask", metavar="ADDRESS", help="fit on the workers of this scheduler, tcp://host:port"
    )
    parser.set_defaults(call=_map)


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        message = f"{value} is negative; give 0 or more"
        raise argparse.ArgumentTypeError(message)
    return value


def _jobs(text: str) -> int:
    value = int(text)
    if value < 1:
        message = f"{value} is less than 1; give 1 or more"
        raise argparse.ArgumentTypeError(message)
    return value


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
