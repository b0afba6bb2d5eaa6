"""How the cost of a cohort grows: 10, 40 and 160 sessions with 1 and 2 processes, in one run.

Every session is the same subject of 1 mm (192 x 216 x 168, two float32 maps, 30 lesions), a hard
link to the same files, so that only the number of sessions changes. Results are stored, with the
sha256 sums that resuming needs. Memory is the largest sum, over this process and its workers, of
what each holds for itself (unique set size), sampled every 50 ms. Wall-clock time: run it on a
quiet machine with as many cores as processes.

The slopes between the two largest cohorts leave out what is paid once (starting processes and
importing in each), which is told apart.

    python benchmarks/voxels_cohort.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil

from qsmstats.study import Study
from qsmstats.study_file import open_study
from qsmstats.voxels.cohort import extract_cohort

SHAPE, VOXEL = (192, 216, 168), 1.0
QUICK_SHAPE, QUICK_VOXEL = (96, 108, 84), 2.0
SESSIONS, QUICK_SESSIONS = (10, 40, 160), (2, 4, 8)
LESIONS = 30
UNITS = {"susceptibility_ppb": ("ppb", 10, 15), "mwf_percent": ("percent", 10, 2.5)}


def make_subject(folder: Path, shape: tuple[int, ...], voxel: float) -> None:
    folder.mkdir()
    rng = np.random.default_rng(1)
    affine = np.diag([voxel, voxel, voxel, 1.0])
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    radius = sum(((axes[i] - n / 2) / (0.38 * n)) ** 2 for i, n in enumerate(shape))
    labels = np.zeros(shape, dtype=np.int16)
    for label in range(1, LESIONS + 1):
        i, j, k = (rng.integers(n // 3, 2 * n // 3) for n in shape)
        labels[i : i + 5, j : j + 5, k : k + 5] = label
    for name, array in (("dseg", labels), ("wm", (radius < 0.45).astype(np.uint8))):
        nib.save(nib.Nifti1Image(array, affine), folder / f"{name}.nii.gz")
    for name, (_, mean, sd) in UNITS.items():
        values = rng.normal(mean, sd, shape).astype(np.float32) * (radius < 1)
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


@dataclass(frozen=True)
class Run:
    """What one cohort cost with one number of processes."""

    sessions: int
    jobs: int
    seconds: float
    again: float
    megabytes: float


def measure(study: Study, sessions: int, jobs: int, out: Path) -> Run:
    with Memory() as memory:
        start = time.perf_counter()
        result = extract_cohort(study, jobs=jobs, out=out)
        seconds = time.perf_counter() - start
    if not result.failures.empty:
        raise SystemExit(result.failures.to_string())
    start = time.perf_counter()
    extract_cohort(study, jobs=jobs, out=out)
    return Run(sessions, jobs, seconds, time.perf_counter() - start, memory.peak)


def show(runs: list[Run]) -> None:
    names = ("sessions", "jobs", "seconds", "s/session", "speed-up", "peak MB", "resumed s")
    print("".join(f"{name:>11}" for name in names))
    for run in runs:
        alone = next(one for one in runs if (one.sessions, one.jobs) == (run.sessions, 1))
        print(
            f"{run.sessions:11}{run.jobs:11}{run.seconds:11.1f}{run.seconds / run.sessions:11.3f}"
            f"{alone.seconds / run.seconds:11.2f}{run.megabytes:11.0f}{run.again:11.1f}"
        )


def show_growth(runs: list[Run]) -> None:
    names = ("jobs", "s per further session", "speed-up", "paid once, s", "MB per further session")
    print("\n" + "".join(f"{name:>{len(name) + 3}}" for name in names))
    slope = {}
    for jobs in (1, 2):
        few, many = [run for run in runs if run.jobs == jobs][-2:]
        further = many.sessions - few.sessions
        slope[jobs] = (many.seconds - few.seconds) / further
        once = few.seconds - slope[jobs] * few.sessions
        memory = (many.megabytes - few.megabytes) / further
        print(
            f"{jobs:7}{slope[jobs]:24.3f}{slope[1] / slope[jobs]:11.2f}{once:15.1f}{memory:25.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sessions, and few of them")
    quick = parser.parse_args().quick
    shape, voxel = (QUICK_SHAPE, QUICK_VOXEL) if quick else (SHAPE, VOXEL)
    runs = []
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        make_subject(root / "subject", shape, voxel)
        for sessions in QUICK_SESSIONS if quick else SESSIONS:
            make_study(root / f"study{sessions}", root / "subject", sessions)
            study = open_study(root / f"study{sessions}")
            outs = {jobs: root / f"out{sessions}-{jobs}" for jobs in (1, 2)}
            runs += [measure(study, sessions, jobs, out) for jobs, out in outs.items()]
    print(f"{len(os.sched_getaffinity(0))} cores; maps of {' x '.join(map(str, shape))} voxels")
    show(runs)
    show_growth(runs)


if __name__ == "__main__":
    main()
