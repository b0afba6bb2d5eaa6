"""Ways to damage an image, and to ask for features that cannot be measured."""

from __future__ import annotations

import bz2
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nibabel as nib
import numpy as np
import pandas as pd

from qsmstats import extract_features, match_lesions, suggest_lesion_types
from qsmstats.errors import ImageError, UsageError
from qsmstats.study_file import open_study
from qsmstats.voxels.cohort import extract_cohort
from qsmstats.voxels.images import open_volume, require_same_grid
from qsmstats.voxels.lesion_types import disputed_lesions
from qsmstats.voxels.stream import gather, read_labels, read_mask
from qsmstats.voxels.units import UnitError
from tests.errors.walk import Case
from tests.study_folder import write_image, write_tables

SHAPE = (4, 5, 6)
LABELS = np.zeros(SHAPE, dtype=np.int16)
LABELS[1:3, 1:3, 1:3] = 1
MAP = np.linspace(5.0, 15.0, 120, dtype=np.float32).reshape(SHAPE)
NOISE = np.random.default_rng(3).normal(10.0, 2.0, (20, 20, 20)).astype(np.float32)
Act = Callable[[Path], Any]


def memory(values: np.ndarray, shift: float = 0.0) -> nib.Nifti1Image:
    affine = np.eye(4)
    affine[0, 3] = shift
    return nib.Nifti1Image(values, affine)


def opened(values: np.ndarray) -> Act:
    return lambda folder: open_volume(write_image(folder / "a.nii.gz", values), "map")


def data(content: bytes | None, name: str = "a.nii.gz") -> Act:
    """Return an act that opens a file of these bytes."""

    def act(folder: Path) -> Any:
        if content is not None:
            (folder / name).write_bytes(content)
        return open_volume(folder / name, "map")

    return act


def header(start: int, value: np.generic, then: Callable[..., Any] = lambda volume: volume) -> Act:
    """Return an act that opens an image after overwriting some bytes of its header."""

    def act(folder: Path) -> Any:
        path = write_image(folder / "a.nii", MAP)
        raw = bytearray(path.read_bytes())
        raw[start : start + value.nbytes] = value.tobytes()
        path.write_bytes(raw)
        return then(open_volume(path, "map"))

    return act


def bytes_of(change: Callable[[bytes], bytes], name: str = "a.nii.gz") -> Act:
    """Return an act that reads the voxels of an image whose file was changed."""

    def act(folder: Path) -> Any:
        path = write_image(folder / "a.nii.gz", NOISE)
        raw = change(path.read_bytes())
        path.unlink()
        (folder / name).write_bytes(raw)
        return gather(open_volume(folder / name, "map"), np.arange(3))

    return act


def not_allowed(folder: Path) -> Any:
    path = write_image(folder / "a.nii", MAP)
    # Whoever runs the tests may be allowed to read everything.
    with patch("qsmstats.voxels.images.os.access", return_value=False):
        return open_volume(path, "map")


def with_memory_for(size: float, act: Act) -> Act:
    """Return an act that is done where so many bytes of memory are at hand."""

    def limited(folder: Path) -> Any:
        with patch("qsmstats.voxels.stream.memory_at_hand", return_value=size):
            return act(folder)

    return limited


def pipe(folder: Path) -> Any:
    os.mkfifo(folder / "a.nii")
    return open_volume(folder / "a.nii", "map")


def without_voxels(folder: Path) -> Any:
    nib.save(nib.Nifti1Pair(MAP, np.eye(4)), folder / "a.hdr")
    (folder / "a.img").unlink()
    return open_volume(folder / "a.hdr", "map")


def without_an_affine(_: Path) -> Any:
    return open_volume(nib.Nifti1Image(MAP, None), "map")


def labels(values: np.ndarray) -> Act:
    return lambda _: read_labels(open_volume(memory(values), "labels"))


def mask(values: np.ndarray) -> Act:
    return lambda _: read_mask(open_volume(memory(values), "mask"))


def grids(other: nib.Nifti1Image) -> Act:
    return lambda _: require_same_grid(
        open_volume(memory(MAP), "labels"), open_volume(other, "map")
    )


def measured(**options: Any) -> Act:
    named = {"labels": memory(LABELS), "maps": {"mwf_percent": memory(MAP)}, **options}
    return lambda _: extract_features(named.pop("labels"), named.pop("maps"), **named)


def cohort(**options: Any) -> Act:
    return lambda folder: extract_cohort(open_study(write_tables(folder)), **options)


class _Stopped:
    """An executor whose jobs end as no job of ours should."""

    def submit(self, *_: object) -> Any:
        from concurrent.futures import Future

        future: Future[None] = Future()
        future.set_exception(KeyboardInterrupt("stopped"))
        return future


NAME = "a.nii"
DAMAGED: list[tuple[str, Act, str, str, str]] = [
    ("type of voxels", opened(MAP.astype(np.complex64)), NAME, "complex64", "convert it"),
    (
        "several volumes",
        opened(np.stack([MAP, MAP], -1)),
        NAME,
        "4 x 5 x 6 x 2",
        "extract one volume",
    ),
    ("negative extent", header(42, np.int16(-4)), NAME, "-4 x 5 x 6", "write it again"),
    (
        "huge extent",
        header(42, np.array([32767] * 3, "<i2")),
        NAME,
        "32767 x 32767 x 32767",
        "copy or write it again",
    ),
    (
        "voxels beyond the file",
        header(108, np.float32(1e30)),
        NAME,
        "1e+30",
        "copy or write it again",
    ),
    ("code of units", header(123, np.uint8(5)), NAME, "xyzt_units holds 5", "correct it"),
    (
        "affine without extent",
        header(280, np.zeros(12, np.float32)),
        NAME,
        "0.0, 0.0",
        "correct it",
    ),
    ("header without its voxels", without_voxels, "a.img", "no such file", "check the pattern"),
    (
        "image without an affine",
        without_an_affine,
        "map (image in memory)",
        "has no affine",
        "write one",
    ),
    (
        "folder as an image",
        lambda folder: open_volume(folder, "map"),
        "/",
        "is a folder",
        "name the image file",
    ),
    ("pipe as an image", pipe, NAME, "not a regular file", "replace it"),
    (
        "image larger than memory",
        with_memory_for(9999, bytes_of(lambda raw: raw)),
        NAME,
        "20 x 20 x 20 voxels of float32 take 3.2e-05 GB",
        "use fewer processes",
    ),
    (
        "labels of more voxels than memory",
        with_memory_for(999, labels(LABELS)),
        "labels",
        "has at least 8 of 120 voxels",
        "use fewer processes",
    ),
    ("no image", data(None), NAME, "no such file", "check the pattern"),
    ("image of somebody else", not_allowed, NAME, "permission denied", "ask its owner"),
    ("empty image", data(b""), NAME, "0 bytes", "copy or write it again"),
    (
        "image that is none",
        data(b"text" * 99),
        NAME,
        "cannot be read as an image",
        "copy or write it again",
    ),
    ("file cut short", bytes_of(lambda raw: raw[:-6]), NAME, "is damaged", "copy it again"),
    (
        "compressed otherwise",
        bytes_of(lambda raw: bz2.compress(gzip.decompress(raw)), "a.nii.bz2"),
        "a.nii.bz2",
        "begins with 425a",
        "write it as .nii or .nii.gz",
    ),
    (
        "voxels cut short",
        bytes_of(lambda raw: gzip.compress(gzip.decompress(raw)[:-9])),
        NAME,
        "is truncated",
        "copy or write it again",
    ),
    ("other shape", grids(memory(MAP[1:])), "map", "3 x 5 x 6", "resample one to the other"),
    (
        "other place",
        grids(memory(MAP, shift=3.0)),
        "map",
        "3 voxels apart",
        "resample one to the other",
    ),
    ("negative label", labels(-LABELS), "labels", "-1", "correct them"),
    ("endless label", labels(np.full(SHAPE, np.inf)), "labels", "inf", "correct it"),
    ("interpolated labels", labels(LABELS * 0.7), "labels", "0.7", "nearest-neighbour"),
    ("mask of many values", mask(MAP), "mask", "5 to 15", "correct it"),
    (
        "empty mask",
        measured(labels=None, tissue=memory(np.zeros(SHAPE, np.uint8))),
        "tissue",
        "is an empty mask",
        "correct it",
    ),
]
OTHER_UNIT: list[tuple[str, Act, str, str, str]] = [
    (
        "own map outside its range",
        measured(
            maps={"t1_ms": memory(MAP)},
            labels=None,
            tissue=memory(np.ones(SHAPE, np.uint8)),
            units={"t1_ms": "ms"},
            plausible={"t1_ms": (300, 3000)},
        ),
        "t1_ms",
        "too small for tissue, where 300 to 3000 ms",
        "correct the image, or unit and plausible range of t1_ms",
    ),
    (
        "unit that the values contradict",
        measured(
            labels=None, tissue=memory(np.ones(SHAPE, np.uint8)), units={"mwf_percent": "fraction"}
        ),
        "mwf_percent",
        "'fraction'",
        "declare",
    ),
]
WRONG_USE: list[tuple[str, Act, str, str, str]] = [
    ("nothing to measure in", measured(labels=None), "label image", "neither", "give one"),
    ("nothing to measure", measured(maps={}), "maps", "is empty", "give at least one"),
    ("unit of no map", measured(units={"ndi": "percent"}), "units", "'ndi'", "correct it"),
    (
        "range of a known map",
        measured(plausible={"mwf_percent": (0, 50)}),
        "plausible",
        "'mwf_percent'",
        "leave it out",
    ),
    (
        "types that the rule does not know",
        lambda _: disputed_lesions(
            pd.DataFrame(), pd.DataFrame({"lesion_type": ["prl", "isointense"]})
        ),
        "rule",
        "prl",
        "compare suggest_lesion_types with them yourself",
    ),
    (
        "unit that is none",
        measured(units={"mwf_percent": "ppm"}),
        "'mwf_percent'",
        "'ppm'",
        "allowed",
    ),
    (
        "overlap of two lesions",
        lambda _: match_lesions(memory(LABELS), memory(LABELS), min_overlap=0),
        "min_overlap",
        "0",
        "give a share",
    ),
    (
        "types of too few features",
        lambda _: suggest_lesion_types(pd.DataFrame()),
        "features",
        "no column",
        "needs the full",
    ),
    ("no process", cohort(jobs=0), "jobs", "0", "as in jobs=1"),
    (
        "participant of another study",
        cohort(participants=["nobody"]),
        "'sub-nobody'",
        "not a participant",
        "choose from",
    ),
]
CASES = [
    *(
        Case(name=name, act=act, kind=kind, place=p, value=v, remedy=r)
        for kind, group in (
            (ImageError, DAMAGED),
            (UnitError, OTHER_UNIT),
            (UsageError, WRONG_USE),
        )
        for name, act, p, v, r in group
    ),
]
