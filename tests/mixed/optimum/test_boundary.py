"""Several minima on the boundary: when a fit looks for them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats.mixed.model import MixedModel
from qsmstats.mixed.optimum import estimate
from qsmstats.mixed.optimum.boundary import effective_groups


def noise(seed: int, groups: int, outlier: float = 0.0) -> pd.DataFrame:
    """Three rows a group that differ by nothing but noise; one group may be far off."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"g": np.repeat(np.arange(groups), 3)})
    frame["x"] = rng.normal(size=len(frame))
    frame["y"] = rng.normal(size=len(frame)) + outlier * (frame["g"] == 0) * frame["x"]
    return frame


def test_equal_groups_count_one_each_and_a_dominant_one_counts_alone() -> None:
    codes, ones = np.repeat(np.arange(50), 2), np.ones((100, 1))
    assert effective_groups(codes, ones, np.ones(100)) == pytest.approx(50.0)
    # Kish's formula: (49 + 7^2)^2 / (49 + 7^4).
    weighted = np.where(codes == 0, 7.0, 1.0)
    assert effective_groups(codes, ones, weighted) == pytest.approx(98.0**2 / (49 + 7.0**4))
    # By what it can say, too: 51 rows of one group beside 49 groups of one.
    sizes = np.r_[np.zeros(51, int), np.arange(1, 50)]
    expected = 100.0**2 / (51.0**2 + 49)
    signs = np.where(np.arange(100) % 2, 1.0, -1.0)
    assert effective_groups(sizes, ones, signs) == pytest.approx(expected)


@pytest.mark.parametrize(("outlier", "looks"), [(0.0, False), (40.0, True)])
def test_only_where_few_groups_weigh_are_further_starts_asked_for(
    outlier: float, looks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    search = estimate.best_minimum

    def watched(objective, start, *, further):
        tried.append(further)
        return search(objective, start, further=further)

    monkeypatch.setattr(estimate, "best_minimum", watched)
    MixedModel("y ~ x + (1 + x | g)").fit(noise(3, 600, outlier))
    assert tried == [looks]


def test_it_ends_where_further_starts_end(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [noise(seed, 400) for seed in range(12)]
    model = MixedModel("y ~ x + (1 + x | g)")
    alone = [model.fit(frame) for frame in frames]
    monkeypatch.setattr("qsmstats.mixed.optimum.boundary._MANY", 10**9)
    searched = [model.fit(frame) for frame in frames]
    singular = [fit.info.singular for fit in alone]
    assert sum(singular) > 6
    for one, other in zip(alone, searched, strict=True):
        # Criteria agree to the tolerance of the descent.
        assert one.info.criterion == pytest.approx(other.info.criterion, abs=1e-8)
    counts = [[fit.info.evaluations for fit in fits] for fits in (alone, searched)]
    assert [few < many for few, many in zip(*counts, strict=True)] == singular
