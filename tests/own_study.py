"""A small study of another lab: its own lesion types and classes, and a map of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .study_folder import write_image, write_tables

SHAPE = (18, 18, 12)

HEAD = """\
name = "another lab"

[labels]
pattern = "{participant}/{session}_dseg.nii.gz"

[tissue]
white_matter = "{participant}/{session}_mask.nii.gz"

[maps.susceptibility_ppb]
pattern = "{participant}/{session}_chi.nii.gz"
unit = "ppb"

[maps.r2star_hz]
pattern = "{participant}/{session}_r2s.nii.gz"
unit = "Hz"
title = "Effective relaxation rate (R2s)"
plausible = [0, 200]

[tables]
participants = "participants.tsv"
sessions = "{participant}/{participant}_sessions.tsv"
lesions = "lesions.tsv"
ratings = "ratings.tsv"
histology = "histology.tsv"

[models]
outcomes = ["r2star_hz", "r2star_hz.p95", "susceptibility_ppb.z"]
adjust = "holm"
baseline = "{outcome} ~ lesion_type + age + (1 | participant_id)"
trajectory = "{outcome} ~ lesion_type * years + (1 | participant_id)"

[levels.sex]
"1" = "F"
"2" = "M"

[levels.group]
"RRMS" = "MS"
"SPMS" = "MS"
"""


def write_own_study(folder: Path, types: int, patients: int = 6, lesions: int = 8) -> Path:
    """Write a study with types ``kind_1``, ``kind_2``, ..., coded 1, 2, ... in its tables.

    The second type is the reference, and ``kind_1`` is bright on R2*. Every patient has two
    sessions two years apart; two controls have one.
    """
    names = [f"kind_{number}" for number in range(1, types + 1)]
    parts = [HEAD]
    for number, name in enumerate(names, start=1):
        part = f'[lesion_types.{name}]\ntitle = "Kind {number}"\nspellings = ["{number}"]\n'
        parts.append(part + "reference = true\n" * (number == 2))
    parts.append(
        '[histology.classes.lost]\ntitle = "myelin lost"\nspellings = ["-1"]\n'
        '[histology.classes.kept]\n[histology.mapping]\nlost = ["kind_1"]\nkept = ["kind_2"]\n'
    )
    people = [f"P{number}" for number in range(1, patients + 3)]
    sick = people[:patients]
    visits = [(name, visit, years) for name in sick for visit, years in (("v1", "0"), ("v2", "2"))]
    visits += [(name, "v1", "0") for name in people[patients:]]
    random = np.random.default_rng(11)
    # Every type occurs in every patient before one occurs twice.
    codes = {
        name: [1 + (at + shift) % types for at in range(lesions)] for shift, name in enumerate(sick)
    }
    found = [
        [name, visit, f"L{at + 1}", str(at + 1), str(codes[name][at])]
        for name, visit, _ in visits
        if name in sick
        for at in range(lesions)
    ]
    content = {
        "participants": [
            ["participant_id", "group", "age", "sex"],
            *(
                [
                    name,
                    ("RRMS", "SPMS")[at % 2] if name in sick else "HC",
                    str(random.integers(25, 60)),
                    str(1 + at % 2),
                ]
                for at, name in enumerate(people)
            ),
        ],
        "sessions": [["participant_id", "session_id", "years"], *map(list, visits)],
        "lesions": [["participant_id", "session_id", "lesion_id", "label", "lesion_type"], *found],
        "ratings": [
            ["participant_id", "session_id", "lesion_id", "rater_id", "lesion_type"],
            *(
                # The two disagree on some lesions.
                [*row[:3], rater, "1" if (at + shift) % 9 == 0 else row[4]]
                for at, row in enumerate(found)
                for shift, rater in enumerate(("r1", "r2"))
            ),
        ],
        "histology": [
            ["brain_id", "lesion_id", "index_test", "reference_standard", "mwf_percent"],
            *(
                [
                    f"B{1 + at % 4}",
                    str(at),
                    str(1 + at % types),
                    ("-1", "kept")[at % 3 > 0],
                    f"{at}",
                ]
                for at in range(24)
            ),
        ],
    }
    write_tables(folder, content, "\n".join(parts))
    for name, visit, _ in visits:
        labels = np.zeros(SHAPE, dtype=np.int16)
        bright = np.zeros(SHAPE)
        for at, code in enumerate(codes.get(name, ())):
            place = np.s_[2 + 4 * (at % 4) :, 3 + 6 * (at // 4) :, 4:]
            part = labels[place][:3, :3, :3]
            part[:] = at + 1
            bright[place][:3, :3, :3] = 10.0 * (code == 1) + code + random.normal(0, 1)
        mask = np.zeros(SHAPE, dtype=np.uint8)
        mask[1:-1, 1:-1, 1:-1] = 1
        stem = folder / name / visit
        noise = random.normal(0, 3, (2, *SHAPE)).astype(np.float32)
        if labels.any():
            write_image(Path(f"{stem}_dseg.nii.gz"), labels)
        write_image(Path(f"{stem}_mask.nii.gz"), mask)
        write_image(Path(f"{stem}_r2s.nii.gz"), (20 + bright + noise[0]).astype(np.float32))
        write_image(Path(f"{stem}_chi.nii.gz"), (5 + bright + noise[1]).astype(np.float32))
    return folder
