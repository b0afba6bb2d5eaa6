"""The values against the model they are drawn from: fixed part by hand, moments by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from qsmstats.schemas import load_schema, map_schemas
from qsmstats.simulate.maps import CONTROL_TISSUE, PATIENT_TISSUE
from qsmstats.simulate.values import Region, draw_values, expected_value, least_value

DRAWS = 4000
REGIONS = [Region(tissue=PATIENT_TISSUE), Region(tissue="isointense", volume=500.0)]


@pytest.fixture(scope="module")
def draws(parameters):
    """Shape (draws, regions, sessions)."""
    rng = np.random.default_rng(8)
    truth = parameters.maps["mwf_percent"]
    return np.array(
        [
            draw_values(rng, truth, REGIONS, age=55.0, sex="M", years=(0.0, 2.5))
            for _ in range(DRAWS)
        ]
    )


def test_fixed_part_by_hand(parameters):
    truth = parameters.maps["mwf_percent"]
    # Mean, two years of slope, ten years of age, sex, twice the reference volume.
    expected = 5.2 + 2 * 0.15 - 10 * 0.012 - 0.10 - 0.10 * np.log(2.0)
    found = expected_value(truth, REGIONS[1], age=55.0, sex="M", years=2.0)
    assert found == pytest.approx(expected, abs=1e-12)
    assert expected_value(truth, REGIONS[0], age=45.0, sex="F", years=0.0) == 9.4


def test_means_of_draws_are_the_fixed_part(draws, parameters):
    truth = parameters.maps["mwf_percent"]
    for i, region in enumerate(REGIONS):
        for j, years in enumerate((0.0, 2.5)):
            expected = expected_value(truth, region, age=55.0, sex="M", years=years)
            error = draws[:, i, j].std() / np.sqrt(DRAWS)
            assert draws[:, i, j].mean() == pytest.approx(expected, abs=4 * error)


def test_covariances_of_draws_are_those_of_the_model(draws, parameters):
    truth = parameters.maps["mwf_percent"]
    cross = truth.correlation * truth.participant_sd * truth.slope_sd
    shared = truth.participant_sd**2  # between regions, first session
    later = shared + 2 * 2.5 * cross + (2.5 * truth.slope_sd) ** 2
    region, session = truth.region_sd**2, truth.session_sd**2
    # Order: (region 0, session 0), (0, 1), (1, 0), (1, 1).
    between = shared + 2.5 * cross
    people = np.array([[shared, between], [between, later]])
    expected = np.kron(np.ones((2, 2)), people) + np.kron(np.eye(2), np.full((2, 2), region))
    expected += session * np.eye(4)
    found = np.cov(draws.reshape(DRAWS, 4).T)
    # Standard error of a covariance of normals is at most sqrt(2 / n) times the largest variance.
    np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(2 / DRAWS) * expected.max())


def test_truth_speaks_of_the_schemas_maps_and_types(parameters):
    types = set(load_schema("lesions").column("lesion_type").levels)
    assert set(parameters.maps) == set(map_schemas())
    for truth in parameters.maps.values():
        assert set(truth.means) == set(truth.slopes) == types | {CONTROL_TISSUE, PATIENT_TISSUE}
        assert set(truth.contrasts) == types
    assert set(parameters.lesions.shares) == set(parameters.lesions.diameter) == types
    assert set(parameters.lesions.log_volume_change) == set(parameters.raters.confusion) == types
    tissues = load_schema("tissue").column("tissue").levels
    assert set(tissues) == types | {CONTROL_TISSUE, PATIENT_TISSUE}


def test_truth_is_calibrated_to_the_published_numbers(parameters):
    mwf, ndi, chi = (parameters.maps[name] for name in ("mwf_percent", "ndi", "susceptibility_ppb"))
    shares = parameters.lesions.shares

    def lesion_mean(truth):
        return sum(share * truth.means[name] for name, share in shares.items())

    assert mwf.means[CONTROL_TISSUE] == 11.4
    assert lesion_mean(mwf) / mwf.means[PATIENT_TISSUE] == pytest.approx(0.52, abs=0.01)
    assert lesion_mean(ndi) / ndi.means[PATIENT_TISSUE] == pytest.approx(0.74, abs=0.01)
    total = mwf.participant_sd**2 + mwf.region_sd**2 + mwf.session_sd**2
    assert 1 - mwf.session_sd**2 / total == pytest.approx(0.89, abs=0.005)
    assert chi.means["isointense"] - chi.means[PATIENT_TISSUE] == pytest.approx(0.5)
    assert chi.means["paramagnetic_rim"] - chi.means[PATIENT_TISSUE] == pytest.approx(10.2)
    assert np.sqrt(2 * (chi.region_sd**2 + chi.session_sd**2)) == pytest.approx(4.4, abs=0.3)


@pytest.mark.parametrize("name", ["mwf_percent", "ndi"])
def test_hypo_and_isointense_lesions_lie_above_the_others(parameters, name):
    means = parameters.maps[name].means
    others = ("hyperintense", "hypointense_rim", "paramagnetic_rim")
    for high in ("hypointense", "isointense"):
        assert all(means[high] > means[other] for other in others)
    slopes = parameters.maps["mwf_percent"].slopes
    assert min(slopes["hypointense"], slopes["isointense"]) > 0
    assert max(slopes[other] for other in others) <= 0


def test_positive_maps_stay_clear_of_their_floor(parameters):
    for name in ("mwf_percent", "ndi"):
        truth = parameters.maps[name]
        sd = np.sqrt(truth.participant_sd**2 + truth.region_sd**2 + truth.session_sd**2)
        # 3.3 SD: one lesion of the lowest type in 2,000.
        assert min(truth.means.values()) - 3.3 * sd > least_value(truth)
    assert least_value(parameters.maps["susceptibility_ppb"]) == -np.inf
