"""Makes a study of one session with images, and the one lesion in it."""

import nibabel as nib
import numpy as np
import pandas as pd

from qsmstats.study_file import open_study

TOML = """
[labels]
pattern = "{participant}_{session}_dseg.nii.gz"
[tissue]
white_matter = "{participant}_{session}_WM.nii.gz"
[maps.susceptibility_ppb]
pattern = "{participant}_{session}_Chimap.nii.gz"
unit = "ppm"
[tables]
participants = "participants.tsv"
sessions = "sessions.tsv"
lesions = "lesions.tsv"
"""


def study_with(folder, affine, *, white_matter=True):
    """A study of one session: a ramp from left to right, and a lesion at the front left.

    White matter is everywhere, or nowhere but in the farthest corner.
    """
    (folder / "study.toml").write_text(TOML)
    grid = np.stack(np.meshgrid(*[np.arange(30)] * 3, indexing="ij"), axis=-1)
    world = grid @ affine[:3, :3].T + affine[:3, 3]
    ramp = (world[..., 0] / 1000).astype(np.float32)  # ppm; 1 ppb per mm
    near = np.linalg.norm(world - [-4, 6, 2], axis=-1) <= 4
    mask = np.full(near.shape, white_matter, dtype=np.uint8)
    mask[0, 0, 0] = 1
    for name, data in (("Chimap", ramp), ("dseg", near.astype(np.int16) * 7), ("WM", mask)):
        nib.save(nib.Nifti1Image(data, affine), folder / f"sub-1_ses-1_{name}.nii.gz")
    return open_study(folder)


LESION = pd.Series(
    {
        "participant_id": "sub-1",
        "session_id": "ses-1",
        "label": 7,
        "centroid_x": -4.0,
        "centroid_y": 6.0,
        "centroid_z": 2.0,
    }
)
