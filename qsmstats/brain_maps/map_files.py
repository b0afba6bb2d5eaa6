"""The files of the maps of a study: images, tables, methods and provenance.

Names of images follow BIDS's draft for statistical maps, ``contrast-LABEL_stat-WHAT_statmap``, as
FitLins and nilearn write them. Values are in single precision; p-values and false discovery rates
are written as -log10, in which nothing underflows, and in which a voxel that a viewer takes for
zero does not look significant.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.records import renewed, versions
from qsmstats.studies.answer_files import write_table
from qsmstats.study import Study
from qsmstats.study_file import FILE
from qsmstats.tables.read import StudyTables
from qsmstats.voxels.session_store import sha256
from qsmstats.voxelwise.nifti import make_image, write_nifti
from qsmstats.voxelwise.result import QUANTITIES, VoxelFit
from qsmstats.writing import written_whole

__all__ = ["file_labels", "image_names", "input_sums", "write_maps"]

PAGE, METHODS, PROVENANCE = "maps.html", "methods.txt", "provenance.json"
TABLES = ("effects", "clusters", "problems", "failures")


def file_labels(names: Iterable[str]) -> dict[str, str]:
    """Return what effects or components are called in names of files; each name stands once.

    Examples
    --------
    >>> file_labels(["years", "group[T.MS]:years", "sd(Residual)"])
    {'years': 'years', 'group[T.MS]:years': 'groupMSYears', 'sd(Residual)': 'sdResidual'}
    """
    labels: dict[str, str] = {}
    for name in names:
        first, *others = re.findall(r"[A-Za-z0-9]+", name.replace("[T.", " ")) or ["effect"]
        label = first + "".join(word[:1].upper() + word[1:] for word in others)
        while label.lower() in {one.lower() for one in labels.values()}:
            label += "Other"  # on some disks a and A are one name
        labels[name] = label
    return labels


def image_names(fit: VoxelFit) -> dict[str, tuple[str, str | None]]:
    """Return file name -> quantity and effect (None for a quantity of the model) of each map."""
    names: dict[str, tuple[str, str | None]] = {}
    for effect, label in file_labels(fit.effects["effect"]).items():
        for quantity, word in QUANTITIES.items():
            if quantity in fit.values:
                name = f"contrast-{label}_stat-{word}_statmap.nii.gz"
                names[name] = (quantity, effect)
    for quantity, label in file_labels(fit.voxels).items():
        kind = "mask" if fit.voxels[quantity].dtype == bool else "statmap"
        entity = "desc" if kind == "mask" else "stat"
        names[f"{entity}-{label}_{kind}.nii.gz"] = (quantity, None)
    return names


def input_sums(study: Study, tables: StudyTables, images: Iterable[Path]) -> dict[str, str]:
    """Return name -> sha256 of study.toml, of the tables and of every image that can be read."""
    sums = {FILE: study.checksum, **dict(sorted(tables.sums.items()))}
    for path in images:
        name = study.name_of(path)
        if Path(name).is_absolute() or ".." in Path(name).parts:
            name = f"outside/{path.name}"  # without the way to it, which may name a person
        try:
            sums[name] = sha256(path)
        except OSError as error:
            sums[name] = f"unreadable: {error.strerror}"
    return sums


def write_maps(
    fit: VoxelFit,
    folder: Path,
    *,
    record: Mapping[str, Any],
    failures: pd.DataFrame,
    methods: str,
    page: str,
) -> None:
    """Write everything that was found; what an earlier command wrote there is replaced.

    Parameters
    ----------
    fit
        The maps.
    folder
        Where to write.
    record
        What the maps were made from, for provenance.json: command, settings, sums of the inputs.
    failures
        Sessions that were left out.
    methods, page
        Text of the methods, and the page.
    """
    names = image_names(fit)
    files = [*names, *(f"{name}{end}" for name in TABLES for end in (".tsv", ".json"))]
    known = {"counts": dict(fit.counts), "versions": versions()}
    texts = {
        PAGE: page,
        METHODS: methods,
        PROVENANCE: json.dumps({**record, **known}, indent=2, ensure_ascii=False) + "\n",
    }
    source = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    by = "p_fwe" if "p_fwe" in fit.values else "q_value"
    clusters = [fit.clusters(effect, by=by) for effect in fit.effects["effect"]]
    found = [table for table in clusters if len(table)] or clusters[:1]
    tables = {"effects": fit.effects, "problems": fit.problems, "failures": failures}
    tables["clusters"] = pd.concat(found, ignore_index=True)
    with renewed(folder, [*files, *texts], source):
        for name, (quantity, effect) in names.items():
            values = fit.quantity(quantity, effect)
            kind = np.float32 if values.dtype.kind == "f" else values.dtype
            write_nifti(folder / name, make_image(values.astype(kind), fit.index, fit.grid))
        for name, table in tables.items():
            write_table(table, folder / f"{name}.tsv")
        for name, text in texts.items():
            with written_whole(folder / name) as unfinished:
                unfinished.write_text(text, encoding="utf-8")
