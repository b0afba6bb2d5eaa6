"""One mixed model in every voxel: speed and memory, agreement with lmer, family-wise error.

    python benchmarks/voxelwise.py speed [--voxels 200000] [--jobs 2]
    python benchmarks/voxelwise.py lmer [--voxels 500]
    python benchmarks/voxelwise.py fwe [--studies 150] [--flips 100]

speed   75 participants at 3 sessions, ``y ~ group * years + age + sex + (1 | participant_id)``;
        seconds of reading and fitting, CPU seconds (with --jobs 1), and the peak of memory.
lmer    the reference of tests/reference/voxelwise with more voxels: largest difference from lmer in
        standard errors, and of degrees of freedom, where Rscript has lmerTest.
fwe     studies without any effect in smooth noise: the share in which a voxel has a family-wise
        error of at most .05, for an effect between participants, one within, and their interaction.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage

import qsmstats as qs

REFERENCE = Path(__file__).parents[1] / "tests" / "reference" / "voxelwise"
MODEL = "y ~ group * years + age + sex + (1 | participant_id)"


def cohort(rng: np.random.Generator, people: int, visits: int) -> pd.DataFrame:
    """Return one row per participant and visit."""
    who = np.arange(people)
    years = np.tile(np.arange(visits, dtype=float), people)
    return pd.DataFrame(
        {
            "participant_id": np.repeat([f"sub-{i:03d}" for i in who], visits),
            "group": np.repeat(np.where(who % 2, "MS", "HC"), visits),
            "years": years + rng.normal(0, 0.05, len(years)) * (years > 0),
            "age": np.repeat(rng.uniform(25, 60, people), visits),
            "sex": np.repeat(np.where(who % 3, "F", "M"), visits),
        }
    )


def speed(voxels: int, jobs: int) -> None:
    rng = np.random.default_rng(1)
    rows = cohort(rng, 75, 3)
    side = int(np.ceil(voxels ** (1 / 3)))
    inside = np.zeros(side**3, dtype=np.uint8)
    inside[:voxels] = 1
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder) / "mask.nii.gz"
        nib.save(nib.Nifti1Image(inside.reshape((side,) * 3, order="F"), np.eye(4)), mask)
        paths = []
        for number in range(len(rows)):
            if number % 3 == 0:
                own = rng.normal(10, 1, (side,) * 3)
            values = (own + rng.normal(0, 0.8, own.shape)).astype(np.float32)
            paths.append(Path(folder) / f"{number:03d}.nii")
            nib.save(nib.Nifti1Image(values, np.eye(4)), paths[-1])
        wall = time.perf_counter()
        found = qs.fit_voxels(MODEL, paths, rows, mask=mask, jobs=jobs)
        wall = time.perf_counter() - wall
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = f", {used.ru_utime + used.ru_stime:.0f} CPU s" if jobs == 1 else ""
    print(f"{voxels} voxels, {len(rows)} images, {jobs} processes: {wall:.0f} s{cpu}")
    print(f"peak of this process {used.ru_maxrss / 1e6:.2f} GB")
    print(found.counts)


def lmer(voxels: int) -> None:
    sys.path.insert(0, str(REFERENCE))
    from make_values import make

    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), voxels)
        script = str(REFERENCE / "lmer_voxels.R")
        subprocess.run(["Rscript", script, folder], check=True, stderr=subprocess.DEVNULL)
        expected = json.loads((Path(folder) / "lmer.json").read_text())["voxels"].values()
        rows = pd.read_csv(Path(folder) / "rows.csv")
        values = pd.read_csv(Path(folder) / "values.csv").to_numpy(dtype=np.float32)
    images = [nib.Nifti1Image(one.reshape(-1, 1, 1), np.eye(4)) for one in values]
    mask = nib.Nifti1Image(np.ones((voxels, 1, 1), dtype=np.uint8), np.eye(4))
    formula = "y ~ group * years + age + sex + (1 + years | participant_id)"
    names = ["Intercept", "group[T.MS]", "years", "age", "sex[T.M]", "group[T.MS]:years"]
    contrasts = {name: {name: 1.0} for name in names}
    found = qs.fit_voxels(formula, images, rows, mask=mask, contrasts=contrasts)
    std_error, estimate, df = (
        np.array([one[name] for one in expected]) for name in ("std_error", "estimate", "df")
    )
    away = np.abs((found.values["estimate"] - estimate) / std_error).max(axis=1)
    nu = np.abs(found.values["df"] / df - 1).max(axis=1)
    print(f"{voxels} voxels, {found.counts['n_singular']} singular")
    far, apart = (away > 1e-6).sum(), (nu > 1e-4).sum()
    print(f"estimates: {away.max():.2g} standard errors from lmer; above 1e-6: {far}")
    print(f"degrees of freedom: {nu.max():.2g} relative; above 1e-4: {apart}")


def fwe(studies: int, flips: int) -> None:
    rng = np.random.default_rng(3)
    shape, people = (8, 8, 6), 24
    mask = nib.Nifti1Image(np.ones(shape, dtype=np.uint8), np.eye(4))
    names = ["group[T.MS]", "years", "group[T.MS]:years"]
    contrasts = {name: {name: 1.0} for name in names}

    def noise(number: int) -> np.ndarray:
        white = rng.standard_normal((number, *shape))
        return 4 * ndimage.gaussian_filter(white, (0, 1.2, 1.2, 1.2), mode="wrap")

    rejected, started = np.zeros(len(names)), time.process_time()
    for study in range(1, studies + 1):
        rows = cohort(rng, people, 2)
        values = np.repeat(noise(people), 2, axis=0) + noise(len(rows))
        images = [nib.Nifti1Image(one.astype(np.float32), np.eye(4)) for one in values]
        formula = "y ~ group * years + age + (1 | participant_id)"
        found = qs.fit_voxels(
            formula, images, rows, mask=mask, contrasts=contrasts, fwe=flips, seed=study
        )
        rejected += found.effects["n_fwe"].to_numpy(dtype=float) > 0
        if study % 20 == 0 or study == studies:
            share = rejected / study
            error = 1.96 * np.sqrt(0.05 * 0.95 / study)
            text = ", ".join(f"{name} {one:.3f}" for name, one in zip(names, share, strict=True))
            took = f"{time.process_time() - started:.0f} CPU s"
            print(f"{study} studies: {text} (.05 +- {error:.3f} expected; {took})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("speed", "lmer", "fwe"))
    parser.add_argument("--voxels", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--studies", type=int, default=150)
    parser.add_argument("--flips", type=int, default=100)
    options = parser.parse_args()
    if options.what == "speed":
        speed(options.voxels or 200_000, options.jobs)
    elif options.what == "lmer":
        lmer(options.voxels or 500)
    else:
        fwe(options.studies, options.flips)


if __name__ == "__main__":
    main()
