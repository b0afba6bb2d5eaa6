"""What may be typed after ``qsmstats``: commands, their options, examples and exit codes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import fill
from typing import TypeAlias

from qsmstats.version import __version__

__all__ = ["EXAMPLES", "EXIT_CODES", "command_parser"]

Call: TypeAlias = Callable[[argparse.Namespace], int]

EXIT_CODES = (
    "Exit codes: 0 all well; 1 some participants could not be measured (check: some images cannot "
    "be used), the others can be analysed; 2 wrong usage, or a file or folder that cannot be read "
    "or written; 3 invalid data or study.toml; 4 a question that the data were to answer was not "
    "answered, or by a model that did not converge; 70 an error in qsmstats; 130 interrupted; 141 "
    "the reader of the output was closed. Where both 1 and 4 hold, run gives 4."
)

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


def command_parser(calls: Mapping[str, Call]) -> argparse.ArgumentParser:
    """Return the parser of all commands.

    Parameters
    ----------
    calls
        Command -> what runs it; it becomes `call` of the parsed arguments.
    """
    parser = argparse.ArgumentParser(
        prog="qsmstats",
        description="Statistics for cohort studies of multiple-sclerosis lesions.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"qsmstats {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_init(commands)
    _add_simulate(commands)
    _add_check(commands)
    _add_run(commands)
    _add_report(commands)
    _add_plan(commands)
    _add_map(commands)
    demo = commands.add_parser("demo", help="simulate a study and run it")
    demo.add_argument("out", metavar="OUT", type=Path, help="folder for the study and its results")
    _add_size(demo)
    completion = commands.add_parser("completion", help="print completions of commands for a shell")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    codes = fill(EXIT_CODES, 80)
    parser.epilog = f"Example:\n  {EXAMPLES['demo']}\n\n{codes}"
    for name, one in commands.choices.items():
        one.set_defaults(call=calls[name])
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


def _add_init(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "init", help="inspect a folder of images and tables and write a study.toml for it"
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument(
        "--force",
        action="store_true",
        help="write study.toml even if it exists; the old one is kept",
    )


def _add_simulate(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "simulate", help="simulate a study folder with known truth on real anatomy"
    )
    parser.add_argument("study", metavar="STUDY", type=Path, help="folder to write; must not exist")
    _add_size(parser)
    parser.add_argument(
        "--voxelwise", action="store_true", help="with images in a common space, for `qsmstats map`"
    )


def _add_check(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("check", help="list everything that is wrong with a study folder")
    parser.add_argument("study", metavar="STUDY", type=Path)
    parser.add_argument(
        "--all",
        action="store_true",
        help="list every problem; default: one line for all problems of one kind",
    )
    _add_jobs(parser)


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


def _add_dask(parser: argparse.ArgumentParser, what: str) -> None:
    text = f"{what} on the workers of this scheduler, tcp://host:port"
    parser.add_argument("--dask", metavar="ADDRESS", help=text)


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
    _add_dask(parser, "measure")
    _add_anonymous(parser)


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
    _add_dask(parser, "fit")


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
