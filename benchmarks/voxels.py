"""Features of one session beside its peers: CPU seconds and peak memory, in one run.

Makes a subject of 0.75 mm (256 x 288 x 224, three float32 maps that are zero outside the brain, as
QSM is, and a white-matter mask) with 60 lesions of 10 to 3000 voxels, and another with 600. Every
method runs in a process of its own, several times in turn; the least CPU time counts, which other
load on the machine disturbs the least. The floor is bare isal decompression of the label image and
the three maps; no method that reads these files can be faster.

The peers compute the basic table as far as they can: nilearn, which takes one statistic at a time,
has no quartiles, volumes or centroids, and is shown with means alone, too; SimpleITK computes its
median from a histogram. Peak memory is the growth of the resident set's high-water mark during the
first call (Linux). No table of means can beat nilearn's by more than the floor does: that line
stands beside the targets.

    python benchmarks/voxels.py [--rounds 5] [--folder FOLDER] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SHAPE, QUICK_SHAPE = (256, 288, 224), (96, 108, 84)
LESIONS, QUICK_LESIONS = (60, 600), (6, 60)
VOXEL = 0.75
MAPS = {"susceptibility_ppb": (10, 15), "mwf_percent": (10, 2.5), "ndi": (0.6, 0.05)}
SIZES = (10, 3000)


def make_subject(folder: Path, lesions: int, shape: tuple[int, ...] = SHAPE) -> None:
    import nibabel as nib

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    affine = np.diag([VOXEL, VOXEL, VOXEL, 1.0])
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    radius = sum(((axes[i] - n / 2) / (0.38 * n)) ** 2 for i, n in enumerate(shape))
    brain, white = radius < 1, (radius < 0.45) & (radius > 0.1)
    labels = draw_lesions(white, lesions, rng)
    for name, array in (("labels", labels), ("white_matter", white.astype(np.uint8))):
        nib.save(nib.Nifti1Image(array, affine), folder / f"{name}.nii.gz")
    for name, (mean, sd) in MAPS.items():
        values = rng.normal(mean, sd, shape).astype(np.float32) * brain
        nib.save(nib.Nifti1Image(values, affine), folder / f"{name}.nii.gz")


def draw_lesions(white: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    labels = np.zeros(white.shape, dtype=np.int16)
    inner = np.argwhere(white[20:-20, 20:-20, 20:-20]) + 20
    label = 0
    while label < number:
        place = inner[rng.integers(len(inner))]
        size = np.exp(rng.uniform(*np.log(SIZES)))
        radius = (size * 3 / 4 / np.pi) ** (1 / 3)
        reach = int(radius) + 1
        box = tuple(slice(p - reach, p + reach + 1) for p in place)
        ball = sum(g**2 for g in np.ogrid[(slice(-reach, reach + 1),) * 3]) <= radius**2
        if not labels[box][ball].any():
            label += 1
            labels[box][ball] = label
    return labels


def paths(folder: Path) -> tuple[str, dict[str, str]]:
    return str(folder / "labels.nii.gz"), {name: str(folder / f"{name}.nii.gz") for name in MAPS}


def floor(folder: Path) -> None:
    from isal import igzip

    labels, maps = paths(folder)
    buffer = bytearray(1 << 20)
    for path in (labels, *maps.values()):
        with igzip.open(path) as file:
            while file.readinto(buffer):
                pass


def basic(folder: Path) -> None:
    from qsmstats.voxels.features import extract_features

    labels, maps = paths(folder)
    extract_features(labels, maps, basic=True)


def full(folder: Path) -> None:
    from qsmstats.voxels.features import extract_features

    labels, maps = paths(folder)
    extract_features(labels, maps, tissue=folder / "white_matter.nii.gz")


def summary(x: np.ndarray) -> tuple[np.ndarray, ...]:
    return x.mean(), x.std(ddof=1), *np.percentile(x, (25, 50, 75))


def numpy_masks(folder: Path) -> None:
    import nibabel as nib

    label_path, maps = paths(folder)
    image = nib.load(label_path)
    labels = np.asarray(image.dataobj)
    data = [nib.load(path).get_fdata() for path in maps.values()]
    for label in np.unique(labels[labels > 0]):
        mask = labels == label
        image.affine[:3, :3] @ np.argwhere(mask).mean(axis=0)
        for values in data:
            summary(values[mask])


def numpy_sorted(folder: Path) -> None:
    import nibabel as nib

    label_path, maps = paths(folder)
    image = nib.load(label_path)
    labels = np.asarray(image.dataobj)
    index = np.flatnonzero(labels.ravel(order="F"))
    label = labels.ravel(order="F")[index]
    order = np.argsort(label, kind="stable")
    starts = np.flatnonzero(np.diff(label[order], prepend=-1))[1:]
    places = np.stack(np.unravel_index(index[order], labels.shape, order="F"), axis=1)
    for part in np.split(places, starts):
        image.affine[:3, :3] @ part.mean(axis=0)
    for path in maps.values():
        values = nib.load(path).get_fdata(dtype=np.float64).ravel(order="F")[index[order]]
        for part in np.split(values, starts):
            summary(part)


def scipy_ndimage(folder: Path) -> None:
    import nibabel as nib
    from scipy import ndimage

    label_path, maps = paths(folder)
    labels = np.asarray(nib.load(label_path).dataobj)
    present = np.unique(labels[labels > 0])
    ndimage.center_of_mass(labels > 0, labels, present)
    for path in maps.values():
        values = nib.load(path).get_fdata()
        ndimage.mean(values, labels, present)
        ndimage.standard_deviation(values, labels, present)
        ndimage.labeled_comprehension(
            values, labels, present, lambda x: np.percentile(x, (25, 50, 75)).sum(), float, 0
        )


def simple_itk(folder: Path) -> None:
    import SimpleITK

    label_path, maps = paths(folder)
    labels = SimpleITK.Cast(SimpleITK.ReadImage(label_path), SimpleITK.sitkUInt16)
    measure = SimpleITK.LabelIntensityStatisticsImageFilter()
    for path in maps.values():
        measure.Execute(labels, SimpleITK.ReadImage(path))
        for label in measure.GetLabels():
            measure.GetMean(label), measure.GetMedian(label), measure.GetCentroid(label)


def nilearn_means(folder: Path) -> None:
    nilearn_masker(folder, ("mean",))


def nilearn_table(folder: Path) -> None:
    nilearn_masker(folder, ("mean", "standard_deviation", "median"))


def nilearn_masker(folder: Path, strategies: tuple[str, ...]) -> None:
    import warnings

    from nilearn.maskers import NiftiLabelsMasker

    warnings.simplefilter("ignore")
    label_path, maps = paths(folder)
    for path in maps.values():
        for strategy in strategies:
            NiftiLabelsMasker(label_path, strategy=strategy).fit_transform(path)


METHODS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "floor": ("isal gunzip of the four files", floor, "isal"),
    "basic": ("qsmstats, basic table", basic, "qsmstats.voxels.features"),
    "full": ("qsmstats, full features", full, "qsmstats.voxels.features"),
    "sorted": ("nibabel + numpy, one sort", numpy_sorted, "nibabel"),
    "masks": ("nibabel + numpy, masks", numpy_masks, "nibabel"),
    "ndimage": ("nibabel + scipy.ndimage", scipy_ndimage, "nibabel,scipy.ndimage"),
    "sitk": ("SimpleITK", simple_itk, "SimpleITK"),
    "nilearn1": ("nilearn, means alone", nilearn_means, "nilearn.maskers"),
    "nilearn3": ("nilearn, mean, sd and median", nilearn_table, "nilearn.maskers"),
}
SLOW = ("masks", "ndimage", "sitk", "nilearn1", "nilearn3")


def measure(method: str, folder: Path) -> None:
    """Run one method here and print its CPU seconds and peak memory above the imports."""
    _, call, modules = METHODS[method]
    for module in modules.split(","):
        __import__(module)
    before = peak_megabytes(reset=True)
    times, after = [], 0.0
    for turn in range(1 if method in SLOW else 3):
        start = time.process_time()
        call(folder)
        times.append(time.process_time() - start)
        after = after if turn else peak_megabytes()
    print(json.dumps({"seconds": min(times), "megabytes": after - before}))


def peak_megabytes(*, reset: bool = False) -> float:
    """Return the high-water mark of resident memory; `reset` lowers it to what is resident now."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def run(method: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--method", method, "--folder", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def compare(folder: Path, methods: list[str], rounds: int) -> dict[str, dict[str, float]]:
    results: dict[str, list[dict[str, float]]] = {method: [] for method in methods}
    for turn in range(rounds):
        for method in methods:
            if turn == 0 or method not in SLOW:
                results[method].append(run(method, folder))
    return {
        method: {key: min(one[key] for one in found) for key in ("seconds", "megabytes")}
        for method, found in results.items()
    }


def lesion_voxels(folder: Path) -> int:
    import nibabel as nib

    return int(np.count_nonzero(np.asarray(nib.load(folder / "labels.nii.gz").dataobj)))


def show(title: str, results: dict[str, dict[str, float]]) -> None:
    least = results["floor"]["seconds"]
    print(f"\n{title}\n{'':32}{'CPU s':>8}{'x floor':>9}{'x basic':>9}{'peak MB':>9}")
    for method, found in results.items():
        seconds, megabytes = found["seconds"], found["megabytes"]
        ratios = (seconds / least, seconds / results["basic"]["seconds"])
        print(
            f"{METHODS[method][0]:32}{seconds:8.3f}{ratios[0]:9.2f}{ratios[1]:9.2f}{megabytes:9.0f}"
        )


def verdicts(results: dict[str, dict[str, float]]) -> None:
    second = {method: found["seconds"] for method, found in results.items()}
    targets = (
        ("basic / floor", second["basic"] / second["floor"], "<=", 1.4),
        ("full / floor", second["full"] / second["floor"], "<=", 2.6),
        ("nilearn, 3 statistics / basic", second["nilearn3"] / second["basic"], ">=", 50),
        ("nilearn, means alone / basic", second["nilearn1"] / second["basic"], ">=", 50),
        ("nilearn, means alone / floor", second["nilearn1"] / second["floor"], None, 0),
        ("one sort / basic", second["sorted"] / second["basic"], ">=", 2),
        ("basic, peak MB", results["basic"]["megabytes"], "<=", 60),
    )
    print()
    for name, value, sign, limit in targets:
        print(f"{name:32}{value:8.2f}  {verdict(value, sign, limit)}")


def verdict(value: float, sign: str | None, limit: float) -> str:
    if sign is None:
        return "no target: the most that any reader of these files could reach"
    met = value <= limit if sign == "<=" else value >= limit
    return f"target {sign} {limit:g}  {'met' if met else 'NOT MET'}"


def show_growth(
    sizes: tuple[int, ...], voxels: tuple[int, ...], *results: dict[str, dict[str, float]]
) -> None:
    """Compare what is paid above the floor with what there is to measure."""
    few, many = results
    print(f"\n{'times as many lesions':32}{sizes[1] / sizes[0]:8.1f}")
    print(f"{'times as many lesion voxels':32}{voxels[1] / voxels[0]:8.1f}")
    for method in ("basic", "full"):
        above = [one[method]["seconds"] - one["floor"]["seconds"] for one in (few, many)]
        print(f"{method + ', CPU above the floor':32}{above[1] / above[0]:8.1f} times as much")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the subjects are made and kept")
    parser.add_argument("--quick", action="store_true", help="small subjects, one round")
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.method:
        measure(options.method, options.folder)
        return
    shape, sizes = (QUICK_SHAPE, QUICK_LESIONS) if options.quick else (SHAPE, LESIONS)
    rounds = 1 if options.quick else options.rounds
    with tempfile.TemporaryDirectory() as temporary:
        root = options.folder or Path(temporary)
        folders = [root / f"{'quick-' if options.quick else ''}{size}" for size in sizes]
        for folder, size in zip(folders, sizes, strict=True):
            if not folder.exists():
                make_subject(folder, size, shape)
        voxels = tuple(map(lesion_voxels, folders))
        few = compare(folders[0], list(METHODS), rounds)
        show(f"{sizes[0]} lesions, {voxels[0]} voxels", few)
        if options.quick:
            print("\nThe targets below are those of the full-size subject.", end="")
        verdicts(few)
        many = compare(folders[1], ["floor", "basic", "full", "sorted"], rounds)
        show(f"{sizes[1]} lesions, {voxels[1]} voxels", many)
        show_growth(sizes, voxels, few, many)


if __name__ == "__main__":
    main()
