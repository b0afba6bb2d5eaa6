"""Small volumes with known content."""

from __future__ import annotations

import nibabel as nib
import numpy as np

AFFINE = np.array([[-0.9, 0, 0, 20], [0, 1.1, 0, -30], [0, 0, 1.3, 5], [0, 0, 0, 1.0]])


def balls(shape, places, radii):
    """Return a label volume with one ball per place, labelled 1, 2, ..., later over earlier."""
    grid = np.indices(shape)
    labels = np.zeros(shape, dtype=np.int16)
    for label, (place, radius) in enumerate(zip(places, radii, strict=True), start=1):
        squared = sum((grid[axis] - place[axis]) ** 2 for axis in range(3))
        labels[squared <= radius**2] = label
    return labels


def image(array, affine=AFFINE):
    """Return an image in memory."""
    return nib.Nifti1Image(array, affine)


STUDY = """
[labels]
pattern = "{participant}/{session}/dseg.nii.gz"
[maps.susceptibility_ppb]
pattern = "{participant}/{session}/Chimap.nii.gz"
unit = "ppm"
[maps.mwf_percent]
pattern = "{participant}/{session}/MWFmap.nii.gz"
unit = "percent"
missing = 0
[tissue]
white_matter = "{participant}/{session}/wm.nii.gz"
[tables]
participants = "participants.tsv"
sessions = "{participant}/sessions.tsv"
lesions = "lesions.tsv"
"""

VISITS = {"sub-01": ("ses-1", "ses-2"), "sub-02": ("ses-1",), "sub-03": ("ses-1",)}
"""Sessions of the study below: two patients, the first followed, and a control."""


def write_study(folder, visits=None, shape=(16, 15, 14), seed=5):
    """Write a small study folder: all but the last participant have lesions."""
    visits = visits or VISITS
    rng = np.random.default_rng(seed)
    (folder / "study.toml").parent.mkdir(parents=True, exist_ok=True)
    (folder / "study.toml").write_text(STUDY)
    control = list(visits)[-1]
    people, rows = (
        ["participant_id\tgroup\tage\tsex"],
        ["participant_id\tsession_id\tlesion_id\tlabel\tlesion_type"],
    )
    for participant, sessions in visits.items():
        people.append(f"{participant}\t{'HC' if participant == control else 'MS'}\t40\tF")
        (folder / participant).mkdir()
        table = ["session_id\tyears", *(f"{s}\t{2.0 * i}" for i, s in enumerate(sessions))]
        (folder / participant / "sessions.tsv").write_text("\n".join(table) + "\n")
        for session in sessions:
            n = 0 if participant == control else 2
            write_session(folder / participant / session, n, shape, rng)
            rows += [f"{participant}\t{session}\tL{i}\t{i}\tisointense" for i in range(1, n + 1)]
    (folder / "participants.tsv").write_text("\n".join(people) + "\n")
    (folder / "lesions.tsv").write_text("\n".join(rows) + "\n")
    return folder


def write_session(folder, n_lesions, shape, rng):
    """Write label image (none without lesions), mask and two maps of one session."""
    folder.mkdir()
    places = rng.integers(4, np.array(shape) - 4, (2, 3))
    places[1, 0] = (places[0, 0] + 6) % (shape[0] - 4)
    if n_lesions:
        nib.save(image(balls(shape, places, [2.0, 1.5])), folder / "dseg.nii.gz")
    nib.save(image(np.ones(shape, dtype=np.uint8)), folder / "wm.nii.gz")
    for name, mean, sd in (("Chimap", 0.01, 0.01), ("MWFmap", 10, 2)):
        values = rng.normal(mean, sd, shape).astype(np.float32)
        nib.save(image(values), folder / f"{name}.nii.gz")


def stored(out):
    """Return the results of sessions below an output folder, as bytes."""
    return {path.name: path.read_bytes() for path in sorted((out / "features").iterdir())}
