"""Counts, types, sizes and changes against the numbers they are made after."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qsmstats.simulate.plans import draw_plans

PATIENTS = 1500


@pytest.fixture(scope="module")
def patients(parameters):
    rng = np.random.default_rng(20)
    return [draw_plans(rng, parameters.lesions, (0.0, 2.0)) for _ in range(PATIENTS)]


def first(plans):
    return [plan for plan in plans if plan.volumes[0] is not None]


def test_counts_follow_the_truncated_negative_binomial(patients, parameters):
    truth = parameters.lesions
    counts = np.array([len(first(plans)) for plans in patients])
    law = stats.nbinom(truth.count_size, truth.count_size / (truth.count_size + truth.count_mean))
    values = np.arange(1, truth.count_max + 1)
    weights = law.pmf(values) / law.pmf(values).sum()
    mean = (values * weights).sum()
    sd = np.sqrt(((values - mean) ** 2 * weights).sum())
    assert counts.min() >= 1
    assert counts.max() <= truth.count_max
    # Four standard errors.
    assert counts.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(PATIENTS))
    assert counts.std() == pytest.approx(sd, rel=0.1)
    # Published: median 23, quartiles 10 and 48; the law itself has 11, 26 and 49.
    np.testing.assert_allclose(np.percentile(counts, [25, 50, 75]), [10, 23, 48], atol=5)


def test_types_have_their_shares(patients, parameters):
    truth = parameters.lesions
    assert sum(truth.shares.values()) == pytest.approx(1.0)
    total = sum(len(first(plans)) for plans in patients)
    for name, share in truth.shares.items():
        counts = np.array([sum(p.lesion_type == name for p in first(plans)) for plans in patients])
        sizes = np.array([len(first(plans)) for plans in patients])
        # Standard error of a ratio whose clusters are the patients.
        error = np.sqrt(((counts - share * sizes) ** 2).sum()) / total
        assert counts.sum() / total == pytest.approx(share, abs=4 * error), name


def test_half_of_the_patients_have_a_paramagnetic_rim(patients):
    has = [any(p.lesion_type == "paramagnetic_rim" for p in first(plans)) for plans in patients]
    assert np.mean(has) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(PATIENTS))


@pytest.mark.parametrize(
    ("lesion_type", "diameter"),
    [("isointense", 7.8), ("hyperintense", 6.4), ("paramagnetic_rim", 11.9)],
)
def test_diameters_are_as_published(patients, lesion_type, diameter):
    volumes = [
        p.volumes[0] for plans in patients for p in first(plans) if p.lesion_type == lesion_type
    ]
    diameters = np.cbrt(6.0 / np.pi * np.array(volumes))
    # Limits on the diameter move a mean by up to 3 %.
    assert diameters.mean() == pytest.approx(diameter, rel=0.03)


def test_lesions_vanish_and_appear_as_often_as_stated(patients, parameters):
    truth = parameters.lesions
    old = [p for plans in patients for p in plans if p.volumes[0] is not None]
    gone = np.mean([p.volumes[1] is None for p in old])
    new = np.array([sum(p.volumes[0] is None for p in plans) for plans in patients])
    # One lesion of a patient never vanishes: one in 35.
    expected = truth.vanished * (1.0 - PATIENTS / len(old))
    assert gone == pytest.approx(expected, abs=4 * np.sqrt(expected / len(old)))
    assert new.mean() == pytest.approx(truth.new, abs=4 * np.sqrt(truth.new / PATIENTS))
    assert all(plans[0].volumes[0] and plans[0].volumes[1] for plans in patients)


def test_volumes_change_by_type(patients, parameters):
    truth = parameters.lesions
    for name in ("isointense", "paramagnetic_rim"):
        changes = [
            np.log(p.volumes[1] / p.volumes[0])
            for plans in patients
            for p in plans
            if p.lesion_type == name and None not in p.volumes
        ]
        error = truth.log_volume_change_sd / np.sqrt(len(changes))
        assert np.mean(changes) == pytest.approx(2 * truth.log_volume_change[name], abs=4 * error)


def test_one_session_has_no_second_volume(parameters):
    plans = draw_plans(np.random.default_rng(1), parameters.lesions, (0.0,))
    assert len(plans) > 1
    assert all(len(plan.volumes) == 1 and plan.volumes[0] is not None for plan in plans)
    assert all(plan.largest == plan.volumes[0] for plan in plans)
