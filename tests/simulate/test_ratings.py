from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from qsmstats.schemas import load_schema
from qsmstats.simulate.ratings import ADJUDICATOR, RATERS, draw_ratings, true_kappa

TYPES = load_schema("lesions").column("lesion_type").levels
LESIONS = 40_000


@pytest.fixture(scope="module")
def ratings(parameters):
    rng = np.random.default_rng(6)
    shares = parameters.lesions.shares
    types = rng.choice(list(shares), size=LESIONS, p=list(shares.values()))
    return [(name, draw_ratings(rng, parameters.raters, name)) for name in types]


def test_the_adjudicator_decides_where_the_raters_differ(ratings):
    agreed = sum(given[RATERS[0]] == given[RATERS[1]] for _, given in ratings)
    assert 0 < agreed < len(ratings)
    for consensus, given in ratings:
        first, second = (given[rater] for rater in RATERS)
        if first == second:
            assert given == dict.fromkeys(RATERS, consensus)
        else:
            assert consensus in (first, second)
            assert given[ADJUDICATOR] == consensus


def test_both_raters_err_alike(ratings):
    wrong = Counter(
        rater for consensus, given in ratings for rater in RATERS if given[rater] != consensus
    )
    total = wrong.total()
    assert total > 1000
    assert wrong[RATERS[0]] == pytest.approx(total / 2, abs=4 * np.sqrt(total / 4))


@pytest.mark.parametrize("only", [None, "paramagnetic_rim", "hyperintense"])
def test_kappa_is_that_of_many_ratings(ratings, parameters, only):
    levels = TYPES if only is None else (True, False)
    table = np.zeros((len(levels), len(levels)))
    for _, given in ratings:
        pair = [given[rater] if only is None else given[rater] == only for rater in RATERS]
        table[levels.index(pair[0]), levels.index(pair[1])] += 1
    found = cohens_kappa(table)
    expected = true_kappa(parameters.raters, parameters.lesions.shares, only)
    assert expected == pytest.approx(found.kappa, abs=4 * found.std_kappa)


def test_kappa_for_paramagnetic_rims_is_as_published(parameters):
    found = true_kappa(parameters.raters, parameters.lesions.shares, "paramagnetic_rim")
    assert found == pytest.approx(0.69, abs=0.005)
