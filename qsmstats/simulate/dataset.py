"""The files of a study folder around its images: tables, dictionaries, descriptions, study.toml.

Source: Brain Imaging Data Structure 1.10, derivative datasets and tabular files. Files that BIDS
has no name for yet are listed in .bidsignore: the tables of lesions, ratings and histology, the
maps of diffusion models, and study.toml.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qsmstats.dictionaries import data_dictionary
from qsmstats.schemas import load_schema
from qsmstats.settings import FeatureSettings
from qsmstats.simulate.common_space import COMMON_MAPS, MASK, CommonMap
from qsmstats.simulate.lesions import shell_depth
from qsmstats.version import __version__

__all__ = [
    "LABELS",
    "MAP_FILES",
    "WHITE_MATTER",
    "MapFile",
    "describe_dataset",
    "write_described",
    "write_json",
    "write_table",
]

SESSION = "{participant}/{session}"
PREFIX = "{participant}_{session}"
LABELS = f"{SESSION}/anat/{PREFIX}_dseg.nii.gz"
WHITE_MATTER = f"{SESSION}/anat/{PREFIX}_label-WM_mask.nii.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class MapFile:
    """Where a map is stored, in which unit, and the stored value for "not measured"."""

    pattern: str
    unit: str
    missing: int | None = None


MAP_FILES = {
    "susceptibility_ppb": MapFile(pattern=f"{SESSION}/anat/{PREFIX}_Chimap.nii.gz", unit="ppm"),
    "mwf_percent": MapFile(
        pattern=f"{SESSION}/anat/{PREFIX}_MWFmap.nii.gz", unit="percent", missing=0
    ),
    "ndi": MapFile(
        pattern=f"{SESSION}/dwi/{PREFIX}_model-NODDI_param-NDI_dwimap.nii.gz", unit="fraction"
    ),
}

README = """\
A simulated cohort of multiple-sclerosis lesions
================================================

{patients} patients ({followed} of them with a second session at about two years) and {controls}
controls, seed {seed}. No person was imaged: lesions were drawn into the MNI152 template.

Per session: susceptibility (Chimap, ppm), myelin water fraction (MWFmap, percent; 0 where it was
not measured), neurite density index (dwimap, fraction), the white-matter mask and, of patients, the
labels of lesions (dseg). lesions.tsv holds the consensus type of each lesion, ratings.tsv the type
by each rater, histology.tsv lesions examined post mortem. study.toml describes this folder to
qsmstats. The true parameters are beside this folder, in the file of its name with _truth.json.
"""

SCANNERS = """
The sessions were made on {scanners} scanners, which shift each map and change its spread (column
scanner of the tables of sessions). Some patients had their second session on another one.
"""

STUDY = """\
# What qsmstats needs to know about this folder.
name = "Simulated cohort, seed {seed}"

[labels]
pattern = "{labels}"

[tissue]
white_matter = "{white_matter}"
{maps}
[tables]
participants = "participants.tsv"
sessions = "{{participant}}/{{participant}}_sessions.tsv"
lesions = "lesions.tsv"
ratings = "ratings.tsv"
histology = "histology.tsv"

[table_one.titles]
nfl = "NfL (pg/mL)"
{features}"""

OWN_COLUMNS: dict[str, dict[str, Any]] = {
    "nfl": {
        "LongName": "NfL",
        "Description": "Neurofilament light chain in serum at the first session; patients only.",
        "Units": "pg/mL",
    },
    "scanner": {
        "LongName": "Scanner",
        "Description": "Scanner on which the images of the session were made.",
    },
}
"""Columns that no schema has, as a study may add them."""
IGNORED = ("study.toml", "lesions.*", "ratings.*", "histology.*", "**/*_dwimap.*", "space-*")


def describe_dataset(
    folder: Path,
    *,
    seed: int,
    resolution: float,
    counts: Mapping[str, int],
    scanners: int = 1,
    voxelwise: bool = False,
) -> None:
    """Write dataset_description.json, README, .bidsignore and study.toml."""
    description = {
        "Name": f"Simulated cohort of multiple-sclerosis lesions, seed {seed}",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "License": "CC0",
        "Authors": ["The qsmstats developers"],
        "GeneratedBy": [
            {
                "Name": "qsmstats",
                "Version": __version__,
                "Description": "qsmstats simulate: lesions of known truth in the MNI152 template",
            }
        ],
    }
    write_json(folder / "dataset_description.json", description)
    text = README.format(seed=seed, **counts)
    text += SCANNERS.format(scanners=scanners) if scanners > 1 else ""
    (folder / "README").write_text(text, encoding="utf-8", newline="\n")
    (folder / ".bidsignore").write_text("\n".join(IGNORED) + "\n", encoding="utf-8", newline="\n")
    settings = _study(seed, resolution)
    if voxelwise:
        settings += f'\n[voxelwise]\nmask = "{MASK}"\n'
        settings += _map_sections("voxelwise.maps", COMMON_MAPS)
    (folder / "study.toml").write_text(settings, encoding="utf-8", newline="\n")


def _study(seed: int, resolution: float) -> str:
    shell = shell_depth(resolution)
    coarse = shell > FeatureSettings().shell_mm
    features = f"\n[features]\nshell_mm = {shell}  # one voxel\n" if coarse else ""
    return STUDY.format(
        seed=seed,
        labels=LABELS,
        white_matter=WHITE_MATTER,
        maps=_map_sections("maps", MAP_FILES),
        features=features,
    )


def _map_sections(section: str, files: Mapping[str, MapFile | CommonMap]) -> str:
    text = ""
    for name, file in files.items():
        text += f'\n[{section}.{name}]\npattern = "{file.pattern}"\nunit = "{file.unit}"\n'
        text += "" if file.missing is None else f"missing = {file.missing}\n"
    return text


def write_json(path: Path, content: Any) -> None:
    """Write JSON with an end of line."""
    path.write_text(
        json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
    )


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a BIDS table: tabs, UTF-8, and n/a where there is no value."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["n/a" if row[name] is None else row[name] for name in columns])
    path.write_text(text.getvalue(), encoding="utf-8", newline="\n")


def write_described(path: Path, schema: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table and, beside it, its data dictionary.

    Columns stand in the order of the schema called `schema`, then those of `OWN_COLUMNS`; those
    that the rows do not have are left out.
    """
    dictionary = data_dictionary(load_schema(schema)) | OWN_COLUMNS
    columns = [name for name in dictionary if name in rows[0]]
    write_table(path, columns, rows)
    described = {name: dictionary[name] for name in columns}
    content = {"Description": load_schema(schema).description, **described}
    write_json(path.with_suffix(".json"), content)
