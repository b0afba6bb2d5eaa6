"""Fixtures that several rooms share: one small simulated study, made once for all processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

# Read when numpy is loaded, which no plugin does before. Each test process has one core: threads of
# the linear algebra would take it from one another (a third more time for tests/mixed).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

MakeOnce = Callable[[str, Callable[[Path], object]], Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files of this folder itself go first, which run whole studies.

    A long file at the end would leave the other processes without work.
    """
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Leave out `os.fsync`, which is against power cuts and takes milliseconds for every file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Return what makes a folder by its name once for all test processes, which only read it."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # each process has a folder of its own there

    def made(name: str, make: Callable[[Path], object]) -> Path:
        complete = root / f"{name}.complete"
        with FileLock(root / f"{name}.lock"):
            if not complete.exists():
                make(root / name)
                complete.touch()
        return root / name

    return made


@pytest.fixture(scope="session")
def small_study(make_once: MakeOnce) -> Path:
    """Return a study of 8 patients (5 followed) and 4 controls at 3 mm; read only.

    It asks no question about patients and imputes nothing, which takes time; `test_pipeline` does.
    """
    from qsmstats import simulate_study

    def make(folder: Path) -> None:
        simulate_study(folder, seed=7, patients=8, controls=4, followed=5, resolution=3.0)
        with (folder / "study.toml").open("a", encoding="utf-8") as file:
            file.write("\n[patients]\nquestions = []\n\n[models]\nimputations = 0\n")

    return make_once("study", make)


@pytest.fixture
def study_copy(small_study: Path, tmp_path: Path) -> Path:
    """Return a copy of the small study that a test may break."""
    return Path(shutil.copytree(small_study, tmp_path / "study"))


@pytest.fixture
def qsmstats() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs the command line in a process of its own."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-m", "qsmstats", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run
