"""The stated truth of each model against a regression on values drawn from the generator."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from qsmstats.schemas import load_schema
from qsmstats.simulate.truth import map_truth
from qsmstats.simulate.values import Region, draw_values

TYPES = load_schema("lesions").column("lesion_type").levels


@pytest.fixture(scope="module")
def log_volumes():
    rng = np.random.default_rng(1)
    return {name: list(rng.normal(4.5 + 0.4 * i, 0.6, size=30)) for i, name in enumerate(TYPES)}


@pytest.fixture(scope="module")
def drawn(parameters, log_volumes):
    """Return type, log volume and the values of each lesion at 0 and 2 years, 300 patients."""
    rng = np.random.default_rng(2)
    truth = parameters.maps["mwf_percent"]
    lesions = [(name, v) for name, volumes in log_volumes.items() for v in volumes]
    regions = [Region(tissue=name, volume=float(np.exp(v))) for name, v in lesions]
    values = [
        draw_values(rng, truth, regions, age=45.0, sex="F", years=(0.0, 2.0)) for _ in range(300)
    ]
    return lesions, np.array(values)


def test_contrasts_are_all_pairs_in_the_schemas_order(parameters, log_volumes):
    truth = map_truth(parameters.maps["ndi"], log_volumes, log_volumes)
    pairs = [f"{a} - {b}" for a, b in combinations(TYPES, 2)]
    assert list(truth["baseline"]["contrasts"]) == pairs
    assert list(truth["trajectory"]["slope_contrasts"]) == pairs
    tissues = load_schema("tissue").column("tissue").levels
    assert list(truth["tissue"]["contrasts"]) == [f"{a} - {b}" for a, b in combinations(tissues, 2)]


@pytest.mark.parametrize("model", ["baseline", "trajectory"])
def test_contrasts_are_what_least_squares_finds(drawn, parameters, log_volumes, model):
    lesions, values = drawn
    stated = map_truth(parameters.maps["mwf_percent"], log_volumes, log_volumes)[model]
    dummies = np.array([[name == level for level in TYPES] for name, _ in lesions], dtype=float)
    design = [dummies]
    if model == "baseline":
        design.append(np.array([[v] for _, v in lesions]))
    # Every patient has the same design, so the means over patients carry all information.
    solution = np.linalg.lstsq(np.hstack(design), values[:, :, 0].mean(axis=0))[0]
    per_type = np.sqrt(stated["variances"]["residual"] + 0.5) / np.sqrt(30 * len(values))
    assert len(stated["contrasts"]) == len(TYPES) * (len(TYPES) - 1) / 2
    for name, expected in stated["contrasts"].items():
        a, b = (TYPES.index(level) for level in name.split(" - "))
        # Volumes that differ between types widen the baseline contrasts.
        assert solution[a] - solution[b] == pytest.approx(expected, abs=4 * 3 * per_type), name
    if model == "baseline":
        assert solution[-1] == pytest.approx(stated["terms"]["log(volume_mm3)"], abs=0.05)


def test_slopes_and_changes_are_those_of_the_values(drawn, parameters, log_volumes):
    lesions, values = drawn
    stated = map_truth(parameters.maps["mwf_percent"], log_volumes, log_volumes)["trajectory"]
    change = (values[:, :, 1] - values[:, :, 0]).mean(axis=0)
    truth = parameters.maps["mwf_percent"]
    error = np.sqrt(
        (2 * truth.slope_sd) ** 2 / len(values) + 2 * truth.session_sd**2 / (30 * len(values))
    )
    assert set(stated["two_year_changes"]) == set(TYPES)
    for name, expected in stated["two_year_changes"].items():
        own = np.mean([c for c, (level, _) in zip(change, lesions, strict=True) if level == name])
        assert own == pytest.approx(expected, abs=4 * error)
        assert expected == 2 * stated["slopes"][name]


def test_variances_are_those_of_the_values(drawn, parameters, log_volumes):
    lesions, values = drawn
    stated = map_truth(parameters.maps["mwf_percent"], log_volumes, log_volumes)["trajectory"]
    within = values - values.mean(axis=0, keepdims=True)
    scan = (values[:, :, 1] - values[:, :, 0]) - (values[:, :, 1] - values[:, :, 0]).mean(
        axis=1, keepdims=True
    )
    types = np.array([TYPES.index(name) for name, _ in lesions])
    centred = [scan[:, types == i] - scan[:, types == i].mean() for i in range(len(TYPES))]
    residual = np.mean([np.var(part) for part in centred]) / 2
    assert residual == pytest.approx(stated["variances"]["residual"], rel=0.05)
    # Lesions of one patient share the intercept: covariance between lesions is its variance.
    people = within[:, :, 0].mean(axis=1).var()
    assert people == pytest.approx(stated["variances"]["participant_id"], rel=0.35)
    per_lesion = np.array(
        [values[:, types == i, 0] - values[:, types == i, 0].mean() for i in range(len(TYPES))]
    )
    total = stated["variances"]["participant_id"] + stated["variances"]["residual"]
    total += stated["variances"]["participant_id:lesion_id"]
    assert per_lesion.var() == pytest.approx(total, rel=0.1)


def test_types_without_lesions_have_no_truth(parameters):
    truth = map_truth(parameters.maps["ndi"], {"isointense": [5.0], "hyperintense": [4.0]}, {})
    assert list(truth["baseline"]["contrasts"]) == ["isointense - hyperintense"]
    assert truth["trajectory"]["slopes"] == {}
    assert truth["trajectory"]["variances"]["residual"] > 0
