from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats.imputation.linear_draws import LinearDraws, alternatives
from qsmstats.imputation.raters import draw_types
from qsmstats.mixed.model import MixedModel

SHARES = (0.6, 0.3, 0.1)
CONFUSION = np.array([[0.9, 0.08, 0.02], [0.2, 0.75, 0.05], [0.05, 0.15, 0.8]])


@pytest.fixture(scope="module")
def drawn():
    """300 lesions, three types, three equal raters of all of them, an outcome that knows little."""
    rng = np.random.default_rng(5)
    truth = rng.choice(3, 300, p=SHARES)
    said = np.array([[rng.choice(3, p=CONFUSION[k]) for _ in range(3)] for k in truth])
    said[rng.random((300, 3)) < 0.05] = -1
    start = np.array([np.bincount(row[row >= 0], minlength=3).argmax() for row in said])
    patient = np.repeat(np.arange(30), 10)
    y = 0.3 * truth + rng.normal(size=30)[patient] + rng.normal(size=300)
    data = pd.DataFrame(
        {"p": patient, "y": y, "kind": pd.Categorical.from_codes(start, list("abc"))}
    )
    fit = MixedModel("y ~ kind + (1 | p)").fit(data)
    versions = [data.assign(kind=pd.Categorical([one] * 300, list("abc"))) for one in "abc"]
    linear = LinearDraws(fit, alternatives(fit, versions), np.arange(300))
    unit, random = np.arange(300), np.random.default_rng(6)
    return truth, said, start, draw_types(linear, unit, said, start, 3, m=20, random=random)


def test_probabilities_are_calibrated(drawn):
    truth, said, start, made = drawn
    several = (said >= 0).sum(axis=1) >= 2
    best = made.probability.argmax(axis=1)
    assert (best == truth)[several].mean() >= (start == truth)[several].mean() - 0.03
    sure = made.probability.max(axis=1)
    # Said and observed share of right types agree: 300 lesions, three standard errors of 2 %.
    assert sure[several].mean() == pytest.approx((best == truth)[several].mean(), abs=0.06)


def test_confusion_is_that_of_the_raters(drawn):
    made = drawn[3]
    assert made.confusion.shape == (3, 3, 3)
    np.testing.assert_allclose(made.confusion.sum(axis=2), 1.0)
    # 27 cells; posteriors of rates near 0 are far from normal, hence at least 0.03.
    away = (made.confusion - CONFUSION) / np.maximum(made.confusion_sd, 0.03)
    assert np.abs(away).max() < 3.5
    assert np.abs(away).mean() < 1.3
    assert (made.confusion_sd[:, 2] > made.confusion_sd[:, 0]).mean() > 0.6


def test_lesions_with_one_rating_keep_their_type_and_no_type_becomes_empty(drawn):
    _, said, start, made = drawn
    once = (said >= 0).sum(axis=1) < 2
    assert once.any()
    assert (made.types[:, once] == start[once]).all()
    assert all(len(np.unique(types)) == 3 for types in made.types)
    assert (made.types != start).any(axis=1).all()
