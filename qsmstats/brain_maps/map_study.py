"""The map of a study: its tables and images in a common space, the fit, the files and the page.

A session whose image cannot be used is left out, listed in failures.tsv and named, as `run` does
with a session that cannot be measured; the others are analysed.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from qsmstats.brain_maps.map_files import PAGE, input_sums, write_maps
from qsmstats.brain_maps.methods_text import methods_text
from qsmstats.brain_maps.page import draw_page
from qsmstats.checks.sidecars import Sidecars, unit_problems
from qsmstats.errors import (
    FormulaError,
    InvalidDataError,
    ModelError,
    Problem,
    UsageError,
    did_you_mean,
    grouped,
    nearest,
)
from qsmstats.method_names import DfMethod
from qsmstats.output import held, made_folder
from qsmstats.progress import progress_bar, say
from qsmstats.study import MapSpec, Study
from qsmstats.study_file import open_study
from qsmstats.tables.read import StudyTables
from qsmstats.voxels.executors import connected
from qsmstats.voxels.lesion_rows import read_tables
from qsmstats.voxels.units import MapUnit, map_unit
from qsmstats.voxelwise.contrast_text import contrast_in_words
from qsmstats.voxelwise.fit_voxels import (
    checked_share,
    fit_stack,
    map_name,
    voxel_design,
    voxel_tests,
)
from qsmstats.voxelwise.result import VoxelFit
from qsmstats.voxelwise.stack import ImageStack, MapSource, read_stack

__all__ = ["MapRequest", "map_study"]

SOME_FAILED = 1
VOXELWISE = "voxelwise"
"""Folder of the maps below an output folder."""
SCRATCH, STACK = "scratch", "values.f32"


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRequest:
    """What is asked of the images of one map.

    Attributes
    ----------
    name
        The map, as section [voxelwise.maps] of study.toml names it.
    formula
        The model; the name of the map stands on its left side.
    mask
        Image of the voxels; by default that of study.toml.
    df, contrasts, present, fwe, seed
        As of `fit_voxels`; contrasts as texts (`contrast_in_words`), none for every coefficient.
    """

    name: str
    formula: str
    mask: Path | None = None
    df: DfMethod = "satterthwaite"
    contrasts: Sequence[str] = ()
    present: float = 0.8
    fwe: int = 0
    seed: int = 1

    @property
    def command(self) -> str:
        """The command, without paths, which may name a person."""
        words = ["--map", self.name, "--formula", self.formula, "--df", self.df]
        words += [word for one in self.contrasts for word in ("--contrast", one)]
        words += ["--present", f"{self.present:g}"]
        words += ["--fwe", f"{self.fwe}", "--seed", f"{self.seed}"] if self.fwe else []
        return shlex.join(["qsmstats", "map", "STUDY", "OUT", *words])


def map_study(
    folder: str | Path,
    out: str | Path,
    request: MapRequest,
    *,
    jobs: int = 1,
    dask: str | None = None,
) -> int:
    """Fit a mixed model in every voxel of a study's images, and write the maps.

    Parameters
    ----------
    folder
        Study folder.
    out
        Output folder; ``voxelwise/NAME`` in it gets the maps. What a command that was stopped has
        fitted there already is used, if it was made from the same values.
    request
        What to fit.
    jobs, dask
        Processes, or the address of a dask scheduler whose workers see both folders.

    Returns
    -------
    int
        0 all well, 1 some images could not be used, 4 no voxel could be fitted.

    Raises
    ------
    InvalidDataError
        If the study is broken, a unit contradicts its sidecar, or no image can be used.
    UsageError, FormulaError
        If the map is unknown or not on the left side of the formula, there is no mask, or an
        option makes no sense.
    """
    study = open_study(folder)
    spec = _map_of(study, request)
    mask = request.mask or _mask_of(study)
    out = made_folder(out, study.folder)
    place = out / VOXELWISE / request.name
    with held(out, study), connected(dask) as client:
        say(request.command, "detail")
        tables = read_tables(study)
        rows = _rows(tables)
        used = voxel_design(request.formula, rows).layout.frame.kept
        kept = rows.iloc[used].reset_index(drop=True)
        images = _images(study, spec, kept)
        # Before they are read: what was read can then not be newer than its sum.
        inputs = input_sums(study, tables, [mask, *images])
        fit, failures = _fitted(
            study,
            spec,
            request,
            kept,
            images,
            mask,
            place / SCRATCH,
            dropped=len(rows) - len(kept),
            jobs=jobs,
            client=client,
        )
        methods = methods_text(fit, present=request.present, fwe=request.fwe, seed=request.seed)
        record = {"study": study.name, "command": request.command, **asdict(request)}
        record |= {"mask": mask.name, "inputs": inputs}
        page = draw_page(
            fit,
            study=study.name,
            name=request.name,
            schemas=study.schemas,
            methods=methods,
            command=request.command,
        )
        write_maps(fit, place, record=record, failures=failures, methods=methods, page=page)
    for sentence in _shortcomings(fit.counts):
        say(sentence, "problem")
    say(f"maps: {place / PAGE}")
    if fit.counts["n_failed"] == len(fit.index):
        return ModelError.exit_code
    return SOME_FAILED if len(failures) else 0


def _fitted(
    study: Study,
    spec: MapSpec,
    request: MapRequest,
    rows: pd.DataFrame,
    images: list[Path],
    mask: Path,
    scratch: Path,
    *,
    dropped: int,
    jobs: int,
    client: Any,
) -> tuple[VoxelFit, pd.DataFrame]:
    """Read the images and fit the model; return the maps and the sessions that are left out."""
    contrasts = dict(map(contrast_in_words, request.contrasts)) or None
    design = voxel_design(request.formula, rows)
    tests = voxel_tests(design, contrasts, request.df)
    scratch.mkdir(parents=True, exist_ok=True)
    with progress_bar("reading images") as progress:
        stack = read_stack(
            images,
            mask,
            scratch / STACK,
            source=MapSource(unit=_unit_of(study, spec), missing=spec.missing, volume=spec.volume),
            present=checked_share(request.present),
            jobs=jobs,
            progress=progress,
        )
    failures = _failures(study, spec, rows, stack)
    if len(failures):
        design = voxel_design(request.formula, rows.iloc[stack.images])
        tests = voxel_tests(design, contrasts, request.df)
    with progress_bar("fitting voxels") as progress:
        fit = fit_stack(
            design,
            tests,
            stack,
            scratch / "chunks",
            dropped=dropped + len(failures),
            fwe=request.fwe,
            seed=request.seed,
            jobs=jobs,
            executor=None if client is None else client.get_executor(pure=False),
            progress=progress,
        )
    (scratch / STACK).unlink()
    return fit, failures


def _map_of(study: Study, request: MapRequest) -> MapSpec:
    """Return where the images of the map are; the formula must have the map on its left side."""
    maps = {spec.name: spec for spec in study.voxelwise.maps}
    if not maps:
        message = (
            "study.toml names no images in a common space; add the sections [voxelwise], with "
            f"mask, and [voxelwise.maps.{request.name}], with pattern and unit"
        )
        raise UsageError(message)
    if request.name not in maps:
        hint = did_you_mean(nearest(request.name, maps))
        message = (
            f"'{request.name}' is not a map of [voxelwise.maps] in study.toml; choose from "
            f"{', '.join(maps)}{hint}"
        )
        raise UsageError(message)
    if (left := map_name(request.formula)) != request.name:
        message = (
            f"the left side of the formula is '{left}', and the map is '{request.name}'; write "
            f"'{request.name} ~ ...', or --map {left}"
        )
        raise FormulaError(message)
    return maps[request.name]


def _mask_of(study: Study) -> Path:
    if not study.voxelwise.mask:
        message = (
            'no mask says which voxels to analyse; name one: mask = "..." in section [voxelwise] '
            "of study.toml, or --space"
        )
        raise UsageError(message)
    if problem := study.outside(study.voxelwise.mask):
        raise InvalidDataError([problem])
    return study.folder / study.voxelwise.mask


def _unit_of(study: Study, spec: MapSpec) -> MapUnit:
    own = study.schemas.own_maps.get(spec.name)
    limits = {spec.name: (own.low, own.high)} if own is not None and own.has_range else None
    return map_unit(spec.name, {spec.name: spec.unit}, limits)


def _rows(tables: StudyTables) -> pd.DataFrame:
    """Return one row per session: its columns and its participant's."""
    return tables.sessions.merge(
        tables.participants, on="participant_id", how="inner", validate="many_to_one"
    )


def _images(study: Study, spec: MapSpec, rows: pd.DataFrame) -> list[Path]:
    """Return the image of each row; refuse two rows with one image, and a contradicted unit."""
    images = [study.image(spec.pattern, *visit) for visit in _visits(rows)]
    problems = unit_problems(Sidecars(study), spec, images)
    if len(set(images)) < len(images):
        text = "does not contain {session}, but participants have several sessions; add it"
        column = f"voxelwise.maps.{spec.name}.pattern"
        problems.append(Problem(table="study.toml", column=column, problem=text))
    if problems:
        raise InvalidDataError(problems)
    return images


def _visits(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(rows["participant_id"], rows["session_id"], strict=True))


def _failures(study: Study, spec: MapSpec, rows: pd.DataFrame, stack: ImageStack) -> pd.DataFrame:
    """List and say which sessions are left out; raise where none is left."""
    visits = _visits(rows)
    found, problems = [], []
    for number, one in sorted(stack.problems.items()):
        file, reason = study.name_of(Path(one.table)), one.problem.replace(f"{study.folder}/", "")
        who = visits[number][0]
        found.append((*visits[number], file, reason))
        problems.append(Problem(table=file, problem=reason, files=spec.pattern, participant=who))
    if len(problems) == len(rows):
        raise InvalidDataError(problems)
    for line in grouped(problems):
        say(line, "problem")
    for name in sorted(set(rows["participant_id"]) - {visits[at][0] for at in stack.images}):
        say(f"{name} has no image that can be used, and is left out", "problem")
    columns = ["participant_id", "session_id", "file", "reason"]
    return pd.DataFrame(found, columns=columns, dtype="str")


def _shortcomings(counts: Mapping[str, int]) -> list[str]:
    said = {
        "n_left_out": "are measured by too few images and left out",
        "n_failed": "could not be fitted; problems.tsv says why",
        "n_unconverged": "did not converge; desc-converged_mask.nii.gz says where",
    }
    return [
        f"{counts[name]} of {counts['n_mask']} voxels {text}"
        for name, text in said.items()
        if counts[name]
    ]
