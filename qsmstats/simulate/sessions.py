"""Write the images and sidecars of one participant."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from qsmstats.schemas import map_schemas
from qsmstats.settings import FeatureSettings
from qsmstats.simulate.anatomy import Anatomy
from qsmstats.simulate.dataset import (
    LABELS,
    MAP_FILES,
    WHITE_MATTER,
    write_described,
    write_json,
    write_table,
)
from qsmstats.simulate.images import (
    Painting,
    far_from_lesions,
    paint_labels,
    paint_map,
    write_image,
)
from qsmstats.simulate.parameters import Parameters
from qsmstats.simulate.participants import SimulatedParticipant

__all__ = ["write_participant"]

TEMPLATE = "MNI152NLin2009aSym"


def write_participant(
    folder: Path,
    rng: np.random.Generator,
    anatomy: Anatomy,
    parameters: Parameters,
    participant: SimulatedParticipant,
) -> None:
    """Write the sessions table, maps, masks and labels of one participant below `folder`."""
    person = participant.person
    shapes = [s for lesion in participant.lesions for s in lesion.shapes if s is not None]
    far = far_from_lesions(anatomy, shapes, FeatureSettings().nawm_distance_mm)
    for session in range(len(person.years)):
        shown = participant.shown(session)
        painting = Painting(
            anatomy=anatomy, far=far, shapes=tuple(lesion.at(session) for _, lesion in shown)
        )
        for name, truth in parameters.maps.items():
            file, values, schema = MAP_FILES[name], participant.values[name], map_schemas()[name]
            stored = paint_map(
                rng,
                painting,
                truth,
                white_matter=float(values.white_matter[session]),
                lesions=[
                    (lesion.types[session], float(values.lesions[k, session]))
                    for k, lesion in shown
                ],
                failed=0.0 if file.missing is None else parameters.failed_voxels,
            )
            path = _path(folder, participant, session, file.pattern)
            write_image(path, stored, anatomy.affine, slope=truth.step / schema.units[file.unit])
            _describe(path, schema.description, Units=file.unit, SkullStripped=True)
        _write_masks(folder, anatomy, participant, session)
    write_described(
        folder / person.participant_id / f"{person.participant_id}_sessions.tsv",
        "sessions",
        [
            {"session_id": session_id, "years": years} | ({"scanner": scanner} if scanner else {})
            for session_id, years, scanner in zip(
                person.session_ids, person.years, person.scanners, strict=True
            )
        ],
    )


def _path(folder: Path, participant: SimulatedParticipant, session: int, pattern: str) -> Path:
    person = participant.person
    return folder / pattern.format(
        participant=person.participant_id, session=person.session_ids[session]
    )


def _write_masks(
    folder: Path, anatomy: Anatomy, participant: SimulatedParticipant, session: int
) -> None:
    path = partial(_path, folder, participant, session)
    mask = path(WHITE_MATTER)
    write_image(mask, anatomy.white_matter.astype(np.int16), anatomy.affine)
    _describe(mask, "White matter of the template, lesions included.", Type="ROI")
    shown = participant.shown(session)
    if not shown:
        return
    labels = path(LABELS)
    write_image(
        labels,
        paint_labels(anatomy, [lesion.at(session) for _, lesion in shown]),
        anatomy.affine,
    )
    _describe(labels, "White-matter lesions, one label each.")
    rows: list[dict[str, Any]] = [
        {"index": i, "name": lesion.lesion_id} for i, (_, lesion) in enumerate(shown, start=1)
    ]
    write_table(_beside(labels, ".tsv"), ("index", "name"), rows)


def _describe(image: Path, description: str, **more: Any) -> None:
    """Write the sidecar of an image."""
    content = {"Description": description, "SpatialReference": TEMPLATE, **more}
    write_json(_beside(image, ".json"), content)


def _beside(image: Path, suffix: str) -> Path:
    return image.with_name(image.name.removesuffix(".nii.gz") + suffix)
