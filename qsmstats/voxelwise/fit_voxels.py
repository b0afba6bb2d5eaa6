"""One linear mixed model in every voxel: from images and a table to maps.

  y_v = X b_v + sum_k Z_k u_kv + e_v       in each voxel v by itself

with the same rows, X and Z for all voxels (`qsmstats.mixed.batch`), fitted exactly, by REML. A
voxel in which some images are not measured is fitted to the others, if they are at least the share
`present` of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.errors import FormulaError, ImageError, UsageError, check_option
from qsmstats.method_names import DfMethod
from qsmstats.mixed.batch.outcomes import OutcomeDesign
from qsmstats.mixed.formula.language import parse_formula
from qsmstats.mixed.inference.components import components_of
from qsmstats.mixed.inference.hypotheses import named_contrasts
from qsmstats.mixed.model import MixedModel
from qsmstats.parallel import Progress
from qsmstats.voxels.images import ImageSource
from qsmstats.voxels.units import map_unit
from qsmstats.voxelwise.chunks import Chunks, VoxelTests, content_sum, fit_chunks
from qsmstats.voxelwise.result import VoxelFit, effect_table, minus_log10, q_values
from qsmstats.voxelwise.sign_flips import FamilyWise, family_wise
from qsmstats.voxelwise.stack import ImageStack, MapSource, read_stack

__all__ = ["fit_stack", "fit_voxels", "voxel_design", "voxel_tests"]

Contrasts = Mapping[str, Mapping[str, float]]


def fit_voxels(
    formula: str,
    images: Sequence[ImageSource],
    table: pd.DataFrame,
    *,
    mask: ImageSource,
    missing: float | None = None,
    unit: str | None = None,
    contrasts: Contrasts | None = None,
    df: DfMethod = "satterthwaite",
    present: float = 0.8,
    fwe: int = 0,
    seed: int = 1,
    jobs: int = 1,
    progress: Progress | None = None,
) -> VoxelFit:
    """Fit one linear mixed model in every voxel of images in a common space.

    Parameters
    ----------
    formula
        As of `MixedModel`, with the name of the map on the left side: ``"mwf_percent ~ group *
        years + (1 | participant_id)"``. A map that data_schemas/ knows is converted to its unit.
    images
        Paths of NIfTI or MGH images, or nibabel images: one per row of `table`, in its order, on
        the grid of the mask.
    table
        Predictors and groups, one row per image. Rows in which one is missing are left out and
        counted; their images are not read.
    mask
        Image of 0 and one other value, or of probabilities, which count from above one half.
    missing
        Stored value that means "not measured"; values that are not finite always do.
    unit
        Unit of the stored values; by default the one in the name of the map.
    contrasts
        Effect -> coefficient -> weight; by default every coefficient but the intercept.
    df
        "satterthwaite", "kenward-roger", "residual" or "normal".
    present
        Least share of the images that must measure a voxel. Other voxels are left out and counted.
    fwe, seed
        Sign flips of participants for the family-wise error over voxels, 1000 say, and the seed of
        the signs; 0 for none (`qsmstats.voxelwise.sign_flips`). It takes far longer than the fits.
    jobs
        Processes. With more than one, a script must keep its calls below
        ``if __name__ == "__main__":``.
    progress
        Called with (voxels done, voxels).

    Returns
    -------
    VoxelFit
        Its maps are nibabel images.

    Raises
    ------
    ImageError
        If an image or the mask cannot be read, lies on another grid, contradicts the unit, or
        measures no voxel; every image is named.
    FormulaError, NotIdentifiedError
        As of `MixedModel.fit`; FormulaError also if the left side is no plain name.
    InvalidDataError
        If no voxel is measured by enough images.
    ModelError
        If a family-wise error is asked for, and there are fewer than ten independent groups.
    UsageError
        If the number of images is not that of the rows, or an option makes no sense.

    Examples
    --------
    >>> import nibabel as nib
    >>> rows = qs.example_lesions()[["participant_id", "years"]].drop_duplicates()
    >>> values = np.random.default_rng(1).normal(10, 1, (len(rows), 4, 4, 4))
    >>> images = [nib.Nifti1Image(one, np.eye(4)) for one in values]
    >>> mask = nib.Nifti1Image(np.ones((4, 4, 4), dtype=np.uint8), np.eye(4))
    >>> found = qs.fit_voxels(
    ...     "mwf_percent ~ years + (1 | participant_id)", images, rows, mask=mask
    ... )
    >>> found.effects["n_voxels"].tolist(), found.estimate("years").shape
    ([64], (4, 4, 4))
    """
    if len(images) != len(table):
        message = f"there are {len(images)} images and {len(table)} rows; give one image per row"
        raise UsageError(message)
    outcome = map_name(formula)
    design = voxel_design(formula, table)
    kept = design.layout.frame.kept
    known = map_unit(outcome, {} if unit is None else {outcome: unit})
    with TemporaryDirectory(prefix="qsmstats-") as folder:
        stack = read_stack(
            [images[at] for at in kept],
            mask,
            Path(folder) / "values.f32",
            source=MapSource(unit=known, missing=missing),
            present=checked_share(present),
            jobs=jobs,
        )
        if stack.problems:
            raise ImageError(list(stack.problems.values()))
        return fit_stack(
            design,
            voxel_tests(design, contrasts, df),
            stack,
            Path(folder) / "chunks",
            dropped=len(table) - len(kept),
            fwe=fwe,
            seed=seed,
            jobs=jobs,
            progress=progress,
        )


def map_name(formula: str) -> str:
    """Return the map on the left side of a formula.

    Raises
    ------
    FormulaError
        If it is no plain name.
    """
    left = parse_formula(formula).response
    if not left.isidentifier():
        message = (
            f"the left side '{left}' is not the name of a map; write the name alone, and transform "
            "the images beforehand where a transformed map is meant"
        )
        raise FormulaError(message)
    return left


def checked_share(present: float) -> float:
    """Return the least share of images; refuse one that is none."""
    if not 0 < present <= 1:
        message = f"present={present}; it is a share of the images: above 0, and at most 1"
        raise UsageError(message)
    return present


def voxel_design(formula: str, table: pd.DataFrame) -> OutcomeDesign:
    """Bring the model onto the rows of a table; errors as of `MixedModel.fit`."""
    return MixedModel(formula).design(table.reset_index(drop=True))


def voxel_tests(design: OutcomeDesign, contrasts: Contrasts | None, df: DfMethod) -> VoxelTests:
    """Return what is asked in every voxel: contrasts, or the coefficients but the intercept.

    Raises
    ------
    UsageError
        If a contrast names no coefficient, `df` is unknown, or there is nothing to test.
    """
    check_option("df", df, get_args(DfMethod))
    names = design.layout.fixed.names
    if contrasts is None:
        contrasts = {name: {name: 1.0} for name in names if name != "Intercept"}
    if not contrasts:
        message = (
            "the model has no coefficient but the intercept; name it as a contrast to test it: "
            "Intercept"
        )
        raise UsageError(message)
    labels, rows = named_contrasts(contrasts, names)
    return VoxelTests(labels=tuple(labels), rows=rows, df=df)


def fit_stack(
    design: OutcomeDesign,
    tests: VoxelTests,
    stack: ImageStack,
    folder: Path,
    *,
    dropped: int = 0,
    fwe: int = 0,
    seed: int = 1,
    jobs: int = 1,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> VoxelFit:
    """Fit the model in every voxel of a stack.

    Parameters
    ----------
    design, tests
        The model on the rows of the stack, and what is asked.
    stack
        The values.
    folder
        Where fitted chunks are kept: found there, they are not fitted again.
    dropped
        Rows of the table that the model does not use, for `VoxelFit.counts`.
    fwe, seed
        As of `fit_voxels`.
    jobs, executor, progress
        As of `fit_chunks`.
    """
    layout = design.layout
    arrays = [layout.basis, layout.root, tests.rows, *(part.codes for part in layout.random)]
    arrays += [part.columns for part in layout.random]
    key = content_sum([design.model.formula, tests.labels, tests.df, stack.checksum], arrays)
    chunks = Chunks(design=design, tests=tests, stack=stack, folder=folder / key[:16])
    fit_chunks(chunks, jobs=jobs, executor=executor, progress=progress)
    controlled = None
    if fwe:
        controlled = family_wise(chunks, folder, flips=fwe, seed=seed, jobs=jobs, progress=progress)
    return _assembled(chunks, dropped, controlled)


def _assembled(chunks: Chunks, dropped: int, controlled: FamilyWise | None) -> VoxelFit:
    found, tests, stack = chunks.arrays(), chunks.tests, chunks.stack
    layout = chunks.design.layout
    names = ("estimate", "std_error", "df", "statistic", "p_value")
    values: dict[str, Floats] = {name: found[name] for name in names}
    values["q_value"] = q_values(values["p_value"])
    values["log10_p"] = minus_log10(values["statistic"], values["df"])
    values["log10_q"] = -np.log10(np.maximum(values["q_value"], np.finfo(float).tiny))
    if controlled is not None:
        values |= {"tfce": controlled.tfce, "p_fwe": controlled.p_fwe}
        values["log10_p_fwe"] = -np.log10(controlled.p_fwe)
    failed = found["problem"] != ""
    reasons = pd.Series(found["problem"][failed]).value_counts()
    components = [one.label for one in components_of([part.design for part in layout.random], ())]
    voxels = dict(zip(components, found["components"].T, strict=True))
    voxels |= {name: found[name] for name in ("mean", "converged", "singular", "n_obs")}
    return VoxelFit(
        formula=chunks.design.model.formula,
        df_method=tests.df,
        effects=effect_table(tests.labels, values),
        counts={
            "n_images": len(stack.images),
            "n_rows_dropped": dropped,
            "n_mask": len(stack.mask),
            "n_left_out": len(stack.mask) - len(stack.columns),
            "n_failed": int(failed.sum()),
            "n_unconverged": int((~failed & ~found["converged"]).sum()),
            "n_singular": int((~failed & found["singular"]).sum()),
        },
        problems=pd.DataFrame({"problem": reasons.index, "n_voxels": reasons.to_numpy()}),
        grid=stack.grid,
        index=stack.index,
        values=values,
        voxels=voxels,
        notes=tuple(layout.notes),
    )
