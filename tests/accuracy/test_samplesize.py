"""Sample size: Buderer's formula, the design effect, bad input."""

import pytest

from qsmstats.accuracy.samplesize import accuracy_sample_size
from qsmstats.errors import UsageError


def test_specificity_uses_the_other_share():
    found = accuracy_sample_size(0.9, 0.1, 0.2, measure="specificity")
    assert found.reference_group == 35
    assert found.lesions == 44  # 35 / 0.8 = 43.75
    assert found.clusters == 44


def test_design_effect_of_the_lesions_of_the_reference_group():
    found = accuracy_sample_size(0.9, 0.1, 0.2, correlation=0.5, lesions_per_cluster=20)
    # Four lesions of the class per cluster: 1 + 3 * 0.5; 34.57 * 2.5 = 86.4.
    assert found.design_effect == pytest.approx(2.5)
    assert found.reference_group == 87
    assert found.lesions == 435
    assert found.clusters == 22
    assert found.note == ""


def test_few_clusters_are_said():
    found = accuracy_sample_size(0.9, 0.15, 0.5, lesions_per_cluster=21)
    assert found.clusters < 10
    assert "fewer than 10 clusters" in found.note


def test_whole_numbers_are_not_rounded_up():
    # 0.5 * 0.5 z^2 / margin^2 is 100 exactly when margin = z / 20.
    found = accuracy_sample_size(0.5, 1.959963984540054 / 20, 0.5)
    assert (found.reference_group, found.lesions) == (100, 200)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((1.0, 0.1, 0.2), {}),
        ((0.9, 0.0, 0.2), {}),
        ((0.9, 0.1, 20), {}),
        ((0.9, 0.1, 0.2), {"correlation": -0.1}),
        ((0.9, 0.1, 0.2), {"lesions_per_cluster": 0.5}),
        ((0.9, 0.1, 0.2), {"measure": "ppv"}),
        ((0.9, 0.1, 0.2), {"level": 95}),
    ],
)
def test_bad_input(arguments, options):
    with pytest.raises(UsageError):
        accuracy_sample_size(*arguments, **options)
