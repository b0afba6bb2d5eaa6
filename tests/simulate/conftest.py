"""A small study at 4 mm, and the anatomy and truth that the modules are tested with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from qsmstats.simulate.anatomy import Anatomy, load_anatomy
from qsmstats.simulate.cohort import simulate_study, truth_path
from qsmstats.simulate.parameters import Parameters


@dataclass(frozen=True)
class Simulated:
    """A study folder, its truth, and the calls that its progress made."""

    folder: Path
    truth: dict[str, Any]
    progress: list[tuple[int, int]]

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / f"{name}.tsv", sep="\t", na_values="n/a")


@pytest.fixture(scope="session")
def simulated(tmp_path_factory) -> Simulated:
    folder = tmp_path_factory.mktemp("simulated") / "study"
    calls: list[tuple[int, int]] = []
    simulate_study(
        folder,
        seed=3,
        patients=5,
        controls=2,
        followed=3,
        resolution=3.0,
        progress=lambda done, total: calls.append((done, total)),
    )
    truth = json.loads(truth_path(folder).read_text(encoding="utf-8"))
    return Simulated(folder=folder, truth=truth, progress=calls)


@pytest.fixture(scope="session")
def anatomy() -> Anatomy:
    return load_anatomy(3.0)


@pytest.fixture(scope="session")
def parameters() -> Parameters:
    return Parameters()
