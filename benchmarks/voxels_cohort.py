"""How the cost of a cohort grows: 10, 40 and 160 sessions with 1 and 2 processes, in one run.

Every session is the same subject of 1.5 mm (an eighth of the voxels of benchmarks/voxels.py), a
hard link to the same files, so that only the number of sessions changes. Results are stored, with
the sha256 sums that resuming needs. Memory is the largest sum, over this process and its workers,
of what each holds for itself (unique set size), sampled every 50 ms.

    python benchmarks/voxels_cohort.py
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil

from qsmstats.study import open_study
from qsmstats.voxels.cohort import extract_cohort

SHAPE = (128, 144, 112)
LESIONS = 30
UNITS = {"susceptibility_ppb": ("ppb", 10, 15), "mwf_percent": ("percent", 10, 2.5)}


def make_subject(folder: Path) -> None:
    folder.mkdir()
    rng = np.random.default_rng(1)
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    axes = np.ogrid[tuple(slice(0, n) for n in SHAPE)]
    radius = sum(((axes[i] - n / 2) / (0.38 * n)) ** 2 for i, n in enumerate(SHAPE))
    labels = np.zeros(SHAPE, dtype=np.int16)
    for label in range(1, LESIONS + 1):
        i, j, k = (rng.integers(n // 3, 2 * n // 3) for n in SHAPE)
        labels[i : i + 5, j : j + 5, k : k + 5] = label
    for name, array in (("dseg", labels), ("wm", (radius < 0.45).astype(np.uint8))):
        nib.save(nib.Nifti1Image(array, affine), folder / f"{name}.nii.gz")
    for name, (_, mean, sd) in UNITS.items():
        values = rng.normal(mean, sd, SHAPE).astype(np.float32) * (radius < 1)
        nib.save(nib.Nifti1Image(values, affine), folder / f"{name}.nii.gz")


def make_study(folder: Path, subject: Path, sessions: int) -> None:
    folder.mkdir()
    toml = ['[labels]\npattern = "{participant}/{session}/dseg.nii.gz"']
    for name, (unit, _, _) in UNITS.items():
        pattern = f"{{participant}}/{{session}}/{name}.nii.gz"
        toml.append(f'[maps.{name}]\npattern = "{pattern}"\nunit = "{unit}"')
    toml.append('[tissue]\nwhite_matter = "{participant}/{session}/wm.nii.gz"')
    toml.append('[tables]\nparticipants = "participants.tsv"\nlesions = "lesions.tsv"')
    toml.append('sessions = "sessions.tsv"')
    (folder / "study.toml").write_text("\n".join(toml) + "\n")
    names = [f"sub-{i:03d}" for i in range(sessions)]
    people = [f"{name}\tMS\t40\tF\n" for name in names]
    visits = [f"{name}\tses-1\t0\n" for name in names]
    lesions = [f"{n}\tses-1\tL{i}\t{i}\tisointense\n" for n in names for i in range(1, LESIONS + 1)]
    for table, header, rows in (
        ("participants", "participant_id\tgroup\tage\tsex\n", people),
        ("sessions", "participant_id\tsession_id\tyears\n", visits),
        ("lesions", "participant_id\tsession_id\tlesion_id\tlabel\tlesion_type\n", lesions),
    ):
        (folder / f"{table}.tsv").write_text(header + "".join(rows))
    for name in names:
        (folder / name / "ses-1").mkdir(parents=True)
        for path in subject.iterdir():
            os.link(path, folder / name / "ses-1" / path.name)


class Memory:
    """Samples what this process and its children hold for themselves."""

    def __enter__(self) -> Memory:
        self.peak, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(0.05):
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_full_info().uss
                except psutil.Error:  # ended between the two calls
                    continue
            self.peak = max(self.peak, total / 2**20)


def main() -> None:
    print(f"{'sessions':>9}{'jobs':>6}{'seconds':>9}{'s/session':>11}{'peak MB':>9}{'again s':>9}")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        make_subject(root / "subject")
        for sessions in (10, 40, 160):
            make_study(root / f"study{sessions}", root / "subject", sessions)
            study = open_study(root / f"study{sessions}")
            for jobs in (1, 2):
                out = root / f"out{sessions}-{jobs}"
                with Memory() as memory:
                    start = time.perf_counter()
                    result = extract_cohort(study, jobs=jobs, out=out)
                    seconds = time.perf_counter() - start
                if not result.failures.empty:
                    raise SystemExit(result.failures.to_string())
                start = time.perf_counter()
                extract_cohort(study, jobs=jobs, out=out)
                again = time.perf_counter() - start
                each = seconds / sessions
                print(
                    f"{sessions:9}{jobs:6}{seconds:9.1f}{each:11.3f}{memory.peak:9.0f}{again:9.1f}"
                )


if __name__ == "__main__":
    main()
