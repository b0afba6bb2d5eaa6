"""Lesions that were read from label images, kept on disk: each image is inflated once per command.

The table of lesions, the check of its labels, the measuring of a session and of the participant's
other sessions, and the matching of sessions all ask for the same few voxels. They are kept in one
file per session, not in memory, which a large cohort would fill; processes of one command, or of
several, find what another has read. A file holds for the very bytes that were read: sha256 of
every label image, what study.toml says of them, and the version of qsmstats must agree.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from qsmstats.version import __version__
from qsmstats.voxels.grids import Grid
from qsmstats.voxels.images import Volume
from qsmstats.voxels.labels import LabelFiles, ReadLabels, open_labels, read_lesions
from qsmstats.voxels.session_store import sha256
from qsmstats.voxels.stream import LabelVoxels
from qsmstats.writing import written_whole

__all__ = ["LabelStore"]


class LabelStore:
    """The lesions of sessions below an output folder, beside the results of the sessions.

    Parameters
    ----------
    out
        Output folder; ``features`` is made in it when the first session is read.
    name_of
        Function that gives an image its name in the study folder.
    """

    def __init__(self, out: Path, name_of: Callable[[Path], str]) -> None:
        self._folder = out / "features"
        self._name_of = name_of

    def read(self, labels: LabelFiles) -> LabelFiles | ReadLabels:
        """Return the lesions of a session, which are read from its images where none are kept.

        Where the images cannot be read they are returned as they are: whoever reads them next finds
        the error where it belongs.
        """
        try:
            made_from = self._made_from(labels)
            kept = self._kept(labels, made_from)
            if kept is None:
                volume, *_ = volumes = open_labels(labels)
                kept = ReadLabels(
                    paths=labels.paths, volume=volume, voxels=read_lesions(labels, volumes)
                )
                if self._made_from(labels) == made_from:  # not changed meanwhile
                    self._keep(kept, made_from)
        except Exception:  # even a fault of ours belongs to the session alone that meets it again
            return labels
        return kept

    def _made_from(self, labels: LabelFiles) -> str:
        files = [
            (level, self._name_of(path), sha256(path))
            for (level, _), path in zip(labels.files, labels.paths, strict=True)
        ]
        return json.dumps([__version__, asdict(labels.spec), files])

    def _path(self, paths: tuple[Path, ...]) -> Path:
        names = "\0".join(map(self._name_of, paths))
        return self._folder / f"{hashlib.sha256(names.encode()).hexdigest()[:24]}_lesions.npz"

    def _keep(self, read: ReadLabels, made_from: str) -> None:
        voxels, grid = read.voxels, read.volume.grid
        words = [made_from, read.volume.flags, voxels.flags, list(voxels.names.items())]
        arrays: dict[str, Any] = {
            "index": voxels.index,
            "label": voxels.label,
            "affine": grid.affine,
        }
        arrays |= {"shape": np.array(grid.shape), "words": np.array(json.dumps(words))}
        if voxels.left_out is not None:
            arrays["left_out"] = voxels.left_out
        with written_whole(self._path(read.paths)) as unfinished, unfinished.open("wb") as file:
            np.savez_compressed(file, **arrays)

    def _kept(self, labels: LabelFiles, made_from: str) -> ReadLabels | None:
        try:
            with self._path(labels.paths).open("rb") as file, np.load(file) as stored:
                arrays = dict(stored)
            source, image_flags, flags, names = json.loads(str(arrays["words"]))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # there is none, or damaged
            return None
        if source != made_from:
            return None
        i, j, k = map(int, arrays["shape"])
        volume = Volume(
            name=str(labels.paths[0]),
            grid=Grid(shape=(i, j, k), affine=arrays["affine"]),
            dtype=arrays["label"].dtype,
            flags=tuple(image_flags),
        )
        voxels = LabelVoxels(
            index=arrays["index"],
            label=arrays["label"],
            flags=tuple(flags),
            names=dict(names),
            left_out=arrays.get("left_out"),
        )
        return ReadLabels(paths=labels.paths, volume=volume, voxels=voxels)
