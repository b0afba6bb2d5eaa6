"""Ways to be wrong about lesions and white matter in other forms than labels and a mask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nibabel as nib
import numpy as np

from qsmstats.checks.study import check_study
from qsmstats.errors import ImageError, InvalidDataError
from qsmstats.study import LabelSpec
from qsmstats.study_file import open_study
from qsmstats.tables import read
from qsmstats.voxels.images import open_volume
from qsmstats.voxels.labels import LabelFiles, labels_of, open_labels, read_lesions
from qsmstats.voxels.lesion_rows import read_tables
from qsmstats.voxels.stream import read_mask, read_parcels
from tests.errors.walk import Case
from tests.study_folder import TOML, tables, write_image, write_images, write_tables

Act = Callable[[Path], Any]

SHAPE = (4, 5, 6)
MASK = np.zeros(SHAPE, dtype=np.uint8)
MASK[1:3, 1:3, 1:3] = 1
FILE = "{participant}/{session}/{participant}_{session}_dseg.nii.gz"
BY_TYPE = FILE.replace("dseg", "T_{lesion_type}")
BY_LESION = FILE.replace("dseg", "L_{lesion}")
COMPONENTS = FILE + '"\ninstances = "components'
INDEPENDENT = '\n[matching]\nlesion_ids = "independent"\n'


def written(pattern: str, text: str = TOML, *, listed: bool = True) -> str:
    """Return a study.toml with another pattern of labels, and with or without a lesions table."""
    text = text.replace(f'pattern = "{FILE}"', f'pattern = "{pattern}"')
    lines = 'lesions = "lesions.tsv"\nratings = "ratings.tsv"\n'
    return text if listed else text.replace(lines, "")


def labels(lines: str) -> Act:
    return lambda folder: open_study(write_tables(folder, None, written(f'{FILE}"\n{lines} #')))


def tissue(value: str) -> Act:
    line = 'white_matter = "{participant}/{session}/{participant}_{session}_mask.nii.gz"'
    return lambda folder: open_study(
        write_tables(folder, None, TOML.replace(line, f"white_matter = {value}"))
    )


def study(
    toml: str,
    then: Callable[[Any], Any],
    change: Callable[[Path], object] = lambda folder: None,
    without: tuple[str, ...] = (),
) -> Act:
    """Return an act on a study folder with images, after a change to it."""

    def act(folder: Path) -> Any:
        content = tables()
        at = [content["lesions"][0].index(name) for name in without]
        there = [
            [word for number, word in enumerate(row) if number not in at]
            for row in content["lesions"]
        ]
        write_images(write_tables(folder, content | {"lesions": there}, toml), content)
        change(folder)
        return then(open_study(folder))

    return act


def masks(word: str, visit: str = "sub-01/ses-01") -> Callable[[Path], object]:
    """Return a change that writes a mask named after a lesion or its type."""

    def write(folder: Path) -> object:
        mask = np.zeros((12, 12, 12), np.uint8)
        mask[3:5, 3:5, 3:5] = 1
        return write_image(folder / visit / f"{visit.replace('/', '_')}_{word}.nii.gz", mask)

    return write


def messages(made: Any) -> list[str]:
    return list(check_study(made)["message"])


def of_files(*values: np.ndarray, **settings: Any) -> Act:
    def act(folder: Path) -> Any:
        paths = [write_image(folder / f"{n}.nii.gz", one) for n, one in enumerate(values)]
        spec = LabelSpec(**{"pattern": "{lesion_type}", **settings})
        files = LabelFiles(files=tuple((path.name, path) for path in paths), spec=spec)
        return read_lesions(files, open_labels(files))

    return act


def without_memory(act: Act) -> Act:
    def limited(folder: Path) -> Any:
        with patch("qsmstats.voxels.labels.memory_at_hand", return_value=20):
            return act(folder)

    return limited


def volumes(number: int | None) -> Act:
    several = np.stack([MASK, MASK], axis=-1)
    return lambda folder: open_volume(write_image(folder / "a.nii.gz", several), "map", number)


def flat(folder: Path) -> Any:
    return open_volume(write_image(folder / "a.nii.gz", MASK[0]), "map")


def in_a_foreign_form(folder: Path) -> Any:
    nib.save(nib.AnalyzeImage(MASK, np.eye(4)), folder / "a.hdr")
    return open_volume(folder / "a.hdr", "map")


def linked_out(folder: Path) -> object:
    masks("T_iso")(folder)
    path = folder / "sub-01" / "ses-01" / "sub-01_ses-01_T_iso.nii.gz"
    target = folder.with_name(folder.name + "_mask.nii.gz")
    path.rename(target)
    return path.symlink_to(target)


IN_TOML: list[tuple[str, Act, str, str, str]] = [
    (
        "instances that are none",
        labels('instances = "masks"'),
        "'labels.instances'",
        "'masks'",
        '"labels" or "components"',
    ),
    (
        "neighbours of another number",
        labels('instances = "components"\nconnectivity = 8'),
        "'labels.connectivity'",
        "8",
        "6, 18 or 26",
    ),
    (
        "floor below nothing",
        labels('instances = "components"\nmin_mm3 = -1'),
        "'labels.min_mm3'",
        "-1",
        "write a volume in mm³",
    ),
    ("volume of a negative number", labels("volume = -1"), "'labels.volume'", "-1", "first has 0"),
    (
        "floor of no components",
        labels("min_mm3 = 2.0"),
        "'labels.min_mm3'",
        "does nothing",
        'instances = "components"',
    ),
    (
        "instances of lesions with a file each",
        lambda folder: open_study(
            write_tables(folder, None, written(BY_LESION + '"\ninstances = "components'))
        ),
        "'labels.instances'",
        "does nothing",
        "remove this line",
    ),
    (
        "files by type and lesion",
        lambda folder: open_study(
            write_tables(
                folder, None, written(BY_LESION.replace("{lesion}", "{lesion}_{lesion_type}"))
            )
        ),
        "'labels.pattern'",
        "both lesion_type and lesion",
        "keep one",
    ),
    (
        "parcels without labels",
        tissue('{ pattern = "{participant}.nii", labels = [] }'),
        "'tissue.white_matter.labels'",
        "[]",
        "[2, 41]",
    ),
    (
        "parcels of an unknown name",
        tissue('{ pattern = "{participant}.nii", labels = ["Left-Cerebral-White-Mater"] }'),
        "'tissue.white_matter.labels'",
        "'Left-Cerebral-White-Mater'",
        "did you mean 'Left-Cerebral-White-Matter'?",
    ),
    (
        "volume of tissue that is none",
        tissue('{ pattern = "{participant}.nii", volume = "last" }'),
        "'tissue.white_matter.volume'",
        "'last'",
        "the number of a volume",
    ),
]
IN_TABLES: list[tuple[str, Act, str, str, str]] = [
    (
        "lesions of images without the images",
        study(written(COMPONENTS, listed=False) + INDEPENDENT, read.read_tables),
        "'tables.lesions'",
        "is not named",
        "qsmstats.read_tables",
    ),
    (
        "images without a lesion",
        study(
            written(
                BY_LESION,
                listed=False,
            ),
            read_tables,
        ),
        "{lesion}",
        "no lesion was found",
        "correct [labels]",
    ),
    (
        "components that are the same at two sessions",
        study(
            written(COMPONENTS, listed=False),
            read_tables,
            lambda folder: [masks("dseg", f"sub-01/ses-0{n}")(folder) for n in (1, 2)],
        ),
        "'matching.lesion_ids'",
        "sub-01 has more than one",
        'lesion_ids = "independent"',
    ),
    (
        "labels of lesions with a file each",
        study(written(BY_LESION), read_tables),
        "'label'",
        "need no labels",
        "remove this column",
    ),
    (
        "row of a lesion without a file",
        study(written(BY_LESION), read_tables, without=("label",)),
        "row 2",
        "lesion_id L1 is in no file",
        "correct the row",
    ),
    (
        "file of a lesion without a row",
        study(
            written(BY_LESION),
            read_tables,
            masks("L_L9"),
            without=("label",),
        ),
        "sub-01_ses-01_L_L9.nii.gz",
        "has no row for sub-01 ses-01",
        "add it",
    ),
    (
        "type in table and name of a file",
        study(written(BY_TYPE), read_tables, masks("T_prl")),
        "'lesion_type'",
        "'isointense' here, and 'paramagnetic_rim' by the name of",
        "correct one of the two",
    ),
]
IN_IMAGES: list[tuple[str, Act, str, str, str]] = [
    ("image of another format", in_a_foreign_form, "a.hdr", "Analyze", "convert it to NIfTI"),
    ("plane", flat, "a.nii.gz", "5 x 6", "three dimensions"),
    ("volume that is not there", volumes(2), "a.nii.gz", "has no volume 2", "correct the number"),
    (
        "file of a lesion that cannot be an identifier",
        study(written(BY_LESION), lambda made: labels_of(made, "sub-01", "ses-01"), masks("L_a b")),
        "sub-01_ses-01_L_a b.nii.gz",
        "'a b'",
        "use letters",
    ),
    (
        "file of a lesion type outside the study",
        study(written(BY_TYPE), lambda made: labels_of(made, "sub-01", "ses-01"), linked_out),
        "sub-01_ses-01_T_iso.nii.gz",
        "leads out",
        "outside = true",
    ),
    (
        "components of more voxels than memory",
        without_memory(of_files(MASK, pattern="", instances="components")),
        "0.nii.gz",
        "take",
        "use fewer processes",
    ),
    (
        "components of labels",
        of_files(MASK * np.arange(6, dtype=np.uint8), pattern="", instances="components"),
        "0.nii.gz",
        "values range from 1 to 2",
        'instances = "labels"',
    ),
    (
        "label in two files",
        of_files(MASK, np.roll(MASK, 2, axis=2)),
        "1.nii.gz",
        "holds label 1, and so does",
        'instances = "components"',
    ),
    (
        "files that overlap",
        of_files(MASK, MASK, instances="components"),
        "1.nii.gz",
        "0.nii.gz: 8 voxels, such as (1, 1, 1)",
        "correct the files",
    ),
    (
        "empty mask of a lesion",
        of_files(MASK * 0, pattern="{lesion}"),
        "0.nii.gz",
        "is an empty mask",
        "must contain the voxels of the lesion",
    ),
    (
        "parcels that are not there",
        lambda folder: read_parcels(
            open_volume(write_image(folder / "a.nii", MASK), "wm"), [(2, 2), (41, 41)]
        ),
        "a.nii",
        "2 (Left-Cerebral-White-Matter), 41 (Right-Cerebral-White-Matter)",
        "it holds 1: correct the labels",
    ),
    (
        "parcellation as a mask",
        lambda folder: read_mask(open_volume(write_image(folder / "a.nii", MASK + 2), "wm")),
        "a.nii",
        "2 to 3",
        "labels = [2, 41]",
    ),
]
CHECKED: list[tuple[str, Act, str, str, str]] = [
    (
        "file of no lesion type",
        study(written(BY_TYPE), messages, masks("T_rimmed"), without=("lesion_type",)),
        "sub-01_ses-01_T_rimmed.nii.gz",
        "'rimmed' is not one of",
        "did you mean",
    ),
    (
        "label that no parcellation has",
        study(
            TOML.replace('_mask.nii.gz"', '_mask.nii.gz", labels = [1, 41] }').replace(
                'white_matter = "', 'white_matter = { pattern = "'
            ),
            messages,
        ),
        "'tissue.white_matter.labels'",
        "label 41 (Right-Cerebral-White-Matter) occurs in none of the 5 images, whose labels are 1",
        "correct or remove it",
    ),
    (
        "number of a single volume",
        study(TOML.replace("missing = 0", "missing = 0\nvolume = 0"), messages),
        "'maps.mwf_percent.volume'",
        "each of the 5 images is a single volume",
        "remove it",
    ),
    (
        "components below the floor",
        study(
            written(f'{COMPONENTS}"\nmin_mm3 = 99.0 #', listed=False) + INDEPENDENT,
            messages,
            lambda folder: [
                masks("dseg", visit)(folder)
                for visit in ("sub-01/ses-01", "sub-01/ses-02", "sub-02/ses-01", "sub-03/ses-01")
            ],
        ),
        "'labels.min_mm3'",
        "leaves out 4 components of less than 99 mm³, in 4 of 5 sessions",
        "lower it if they are lesions",
    ),
    (
        "sessions without a file",
        study(
            written(BY_LESION, listed=False),
            messages,
            masks("L_1"),
        ),
        "'labels.pattern'",
        "gives no file for 3 of 4 sessions of patients",
        "add the files",
    ),
]
CASES = [
    Case(name=name, act=act, kind=kind, place=p, value=v, remedy=r)
    for kind, group in (
        (InvalidDataError, [*IN_TOML, *IN_TABLES]),
        (ImageError, IN_IMAGES),
        (None, CHECKED),
    )
    for name, act, p, v, r in group
]
