"""EDSS and NfL depend on PRL and on MWF as planted, and stay within their scales."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qsmstats.simulate.clinical import draw_clinical
from qsmstats.simulate.parameters import ClinicalParameters

EXACT = replace(ClinicalParameters(), log_nfl_sd=0.0)


def drawn(rims, mwf, *, parameters=EXACT, disability=3.0, age=45.0):
    types = ["paramagnetic_rim"] * rims + ["isointense"]
    return draw_clinical(
        np.random.default_rng(1),
        parameters,
        disability=disability,
        age=age,
        types=types,
        mwf=[mwf] * len(types),
    )


def test_each_coefficient_moves_what_it_says():
    edss, nfl = drawn(2, 5.0)  # the references: nothing is added
    assert edss == 3.0
    assert nfl == pytest.approx(np.exp(EXACT.log_nfl_mean), abs=0.05)
    more, higher = drawn(6, 5.0)
    assert more == pytest.approx(3.0 + 4 * EXACT.edss_prl, abs=0.25)
    assert higher / nfl == pytest.approx(np.exp(4 * EXACT.log_nfl_prl), rel=0.02)
    less, lower = drawn(2, 7.5)
    assert less == pytest.approx(3.0 + 2.5 * EXACT.edss_mwf, abs=0.25)
    assert lower / nfl == pytest.approx(np.exp(2.5 * EXACT.log_nfl_mwf), rel=0.02)
    assert drawn(2, 5.0, age=55.0)[1] / nfl == pytest.approx(np.exp(10 * 0.022), rel=0.02)


def test_edss_is_in_half_points_from_0_to_8_and_many_prl_add_no_more():
    assert drawn(0, 20.0, disability=0.0)[0] == 0.0
    assert drawn(10, 1.0, disability=7.9)[0] == 8.0
    assert drawn(10, 5.0) == drawn(40, 5.0)
    assert 2 * drawn(3, 4.3)[0] % 1 == 0


def test_nfl_varies_between_patients_with_the_same_lesions():
    rng = np.random.default_rng(2)
    about = {"disability": 2.0, "age": 45.0, "types": ["isointense"], "mwf": [5.0]}
    values = [draw_clinical(rng, ClinicalParameters(), **about)[1] for _ in range(400)]
    sd = ClinicalParameters().log_nfl_sd
    assert np.std(np.log(values)) == pytest.approx(sd, abs=4 * sd / np.sqrt(800))
