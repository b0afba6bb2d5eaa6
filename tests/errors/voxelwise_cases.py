"""Ways to ask for maps that images in a common space cannot give."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from qsmstats import VoxelFit, fit_voxels
from qsmstats.brain_maps.map_study import map_study
from qsmstats.errors import FormulaError, ImageError, InvalidDataError, ModelError, UsageError
from tests.brain_maps.conftest import REQUEST, SECTIONS, SHAPE, image_of, save, write_study
from tests.errors.walk import Case
from tests.study_folder import TOML

RNG = np.random.default_rng(4)
ROWS = pd.DataFrame({"who": np.repeat(list("abcdef"), 2), "years": np.tile([0.0, 1.0], 6)})
VALUES = 10 + RNG.normal(size=(12, 2, 2, 2))
FORMULA = "mwf_percent ~ years + (1 | who)"
Act = Callable[[Path], Any]


def image(values: np.ndarray, side: float = 1.0) -> nib.Nifti1Image:
    return nib.Nifti1Image(values.astype(np.float32), np.diag([side, side, side, 1.0]))


IMAGES = [image(one) for one in VALUES]
MASK = image(np.ones((2, 2, 2)))


def fits(images: list[Any] = IMAGES, **options: Any) -> Act:
    given = {"formula": FORMULA, "table": ROWS, "mask": MASK} | options
    return lambda _: fit_voxels(images=images, **given)


@cache
def fitted() -> VoxelFit:
    return fit_voxels(FORMULA, IMAGES, ROWS, mask=MASK)


def one_of(image: Any) -> list[Any]:
    return [IMAGES[0], image, *IMAGES[2:]]


def maps(
    change: Callable[[Path], object] | None = None, toml: str = TOML + SECTIONS, **request: Any
) -> Act:
    """Return an act that asks for a map of a study after a change of its folder."""

    def act(folder: Path) -> Any:
        study = write_study(folder / "study")
        (study / "study.toml").write_text(toml)
        if change is not None:
            change(study)
        return map_study(study, folder / "out", replace(REQUEST, **request))

    return act


def sidecar(study: Path) -> None:
    path = image_of(study, "sub-02")
    path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps({"Units": "ppm"}))


def without_images(study: Path) -> None:
    for path in study.rglob("*_space-x_MWFmap.nii.gz"):
        path.unlink()


def outside(study: Path) -> None:
    (study / "mask.nii.gz").unlink()
    save(study.parent / "elsewhere.nii.gz", np.ones(SHAPE))
    (study / "mask.nii.gz").symlink_to(study.parent / "elsewhere.nii.gz")


HALF = [image(np.where(np.arange(8).reshape(2, 2, 2) % 2 == at % 2, one, np.nan))
        for at, one in enumerate(VALUES)]  # fmt: skip

CASES = [
    Case(name=f"voxels: {name}", act=act, kind=kind, place=place, value=value, remedy=remedy)
    for name, act, kind, place, value, remedy in [
        ("an image less", fits(IMAGES[1:]), UsageError, "rows", "11 images", "one image per row"),
        (
            "no such image",
            fits(one_of("gone.nii")),
            ImageError,
            "gone.nii",
            "no such file",
            "check the pattern",
        ),
        (
            "another grid",
            fits(one_of(image(VALUES[1], 2.0))),
            ImageError,
            "image 1",
            "another grid than mask",
            "resample",
        ),
        (
            "nothing measured",
            fits(one_of(image(np.zeros((2, 2, 2)))), missing=0),
            ImageError,
            "image 1",
            "no voxel of the mask",
            "correct the image",
        ),
        (
            "contradicted unit",
            fits([image(np.full((3, 3, 3), 0.1))] * 12, mask=image(np.ones((3, 3, 3)))),
            ImageError,
            "image 0",
            "in the mask is 0.1 percent",
            "declare 'fraction'",
        ),
        (
            "mask on another grid",
            fits(mask=image(np.ones((2, 2, 3)))),
            ImageError,
            "image 0",
            "2 x 2 x 2",
            "resample",
        ),
        (
            "mask of nothing",
            fits(mask=image(np.zeros((2, 2, 2)))),
            ImageError,
            "mask",
            "empty mask",
            "must contain the voxels to analyse",
        ),
        (
            "measured by too few",
            fits(HALF),
            InvalidDataError,
            "8 voxels of the mask",
            "80% of the 12 images",
            "a smaller share",
        ),
        ("share", fits(present=0), UsageError, "present", "present=0", "at most 1"),
        (
            "transformed map",
            fits(formula="log(mwf_percent) ~ years + (1 | who)"),
            FormulaError,
            "the left side",
            "'log(mwf_percent)'",
            "transform the images beforehand",
        ),
        (
            "nothing to test",
            fits(formula="mwf_percent ~ 1 + (1 | who)"),
            UsageError,
            "the model",
            "no coefficient but the intercept",
            "name it as a contrast",
        ),
        ("few flips", fits(fwe=10), UsageError, "--fwe", "10 sign flips", "ask for 1000"),
        (
            "few participants",
            fits(fwe=100),
            ModelError,
            "random terms",
            "6 independent groups",
            "nest the random terms",
        ),
        (
            "unknown effect",
            lambda _: fitted().estimate("year"),
            UsageError,
            "effect",
            "'year'",
            "did you mean 'years'",
        ),
        (
            "unknown quantity",
            lambda _: fitted().image("estimates", "years"),
            UsageError,
            "map of an effect",
            "'estimates'",
            "did you mean 'estimate'",
        ),
        (
            "clusters by what was not computed",
            lambda _: fitted().clusters("years", by="p_fwe"),
            UsageError,
            "by must be",
            "'p_fwe'",
            '"q_value" or "p_value"',
        ),
        (
            "contrast",
            maps(contrasts=("x = two * years",)),
            UsageError,
            "the contrast",
            "'two * years'",
            "label = years",
        ),
        (
            "no common space",
            maps(toml=TOML),
            UsageError,
            "study.toml",
            "no images in a common space",
            "add the sections [voxelwise]",
        ),
        (
            "unknown map",
            maps(name="mwf_percnt"),
            UsageError,
            "[voxelwise.maps]",
            "'mwf_percnt'",
            "did you mean 'mwf_percent'",
        ),
        (
            "another left side",
            maps(formula="ndi ~ years + (1 | participant_id)"),
            FormulaError,
            "the left side",
            "'ndi'",
            "--map ndi",
        ),
        (
            "no mask",
            maps(toml=TOML + SECTIONS.replace('mask = "mask.nii.gz"', "")),
            UsageError,
            "[voxelwise]",
            "no mask",
            "--space",
        ),
        (
            "mask outside",
            maps(outside),
            InvalidDataError,
            "mask.nii.gz",
            "leads out of the study folder",
            "outside = true",
        ),
        (
            "unit of a sidecar",
            maps(sidecar),
            InvalidDataError,
            "study.toml",
            "'ppm'",
            "correct one",
        ),
        (
            "one image for two sessions",
            maps(
                toml=TOML
                + SECTIONS.replace("_{session}_space", "_ses-01_space").replace(
                    "/{session}/", "/ses-01/"
                )
            ),
            InvalidDataError,
            "voxelwise.maps.mwf_percent.pattern",
            "does not contain {session}",
            "add it",
        ),
        (
            "no image at all",
            maps(without_images),
            InvalidDataError,
            "space-x_MWFmap.nii.gz",
            "28 files",
            "check the pattern",
        ),
        (
            "mask for each participant",
            maps(toml=TOML + SECTIONS.replace("mask.nii", "{participant}.nii")),
            InvalidDataError,
            "voxelwise.mask",
            "'{participant}.nii.gz'",
            "the path of one image",
        ),
        (
            "no map in the common space",
            maps(toml=TOML + SECTIONS.partition("[voxelwise.maps")[0]),
            InvalidDataError,
            "voxelwise.maps",
            "no map is named",
            "add a section such as [voxelwise.maps.",
        ),
        (
            "unit of an own map",
            maps(
                toml=TOML
                + '[maps.r2s]\npattern = "{participant}.nii"\nunit = "Hz"\n'
                + SECTIONS
                + '[voxelwise.maps.r2s]\npattern = "{participant}.nii"\nunit = "kHz"\n'
            ),
            InvalidDataError,
            "voxelwise.maps.r2s.unit",
            "'kHz' here, but 'Hz'",
            "correct one of the two",
        ),
    ]
]
