"""Residuals by simulation, from arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qsmstats.mixed.prediction.simulated_residuals import SimulatedResiduals

INDEX = pd.RangeIndex(120)


def compared(observed, simulated, seed=0):
    return SimulatedResiduals.of(observed, simulated, INDEX, seed=seed)


def grouped(random, columns, sd=1.0, spread=0.0):
    """Counts of 120 rows in 12 groups that share an effect."""
    effect = sd * np.repeat(random.normal(size=(12, columns)), 10, axis=0)
    return random.poisson(np.exp(0.5 + effect + spread * random.normal(size=(120, columns))))


def test_residuals_are_ranks_among_the_simulated_values():
    random = np.random.default_rng(1)
    observed, simulated = random.normal(size=120), random.normal(size=(120, 99))
    made = compared(observed, simulated)
    below = (simulated < observed[:, None]).sum(axis=1)
    assert (np.floor(100.0 * made.residuals) == below).all()
    # Of tied values each rank is as likely: the residual of DHARMa lies in the same span.
    counts = random.poisson(2.0, size=(120, 100)).astype(float)
    made = compared(counts[:, 0], counts[:, 1:])
    low = (counts[:, 1:] < counts[:, :1]).sum(axis=1) / 100.0
    high = ((counts[:, 1:] <= counts[:, :1]).sum(axis=1) + 1.0) / 100.0
    assert ((made.residuals >= low) & (made.residuals <= high)).all()
    assert made.n == 99


def test_the_distance_is_that_of_kolmogorov_and_smirnov():
    random = np.random.default_rng(2)
    made = compared(random.normal(size=120) + 0.6, random.normal(size=(120, 49)))
    known = stats.kstest(made.residuals, "uniform").statistic
    assert made.tests["statistic"][0] == pytest.approx(known)
    assert made.tests["p_value"][0] == pytest.approx(1.0 / 50.0)
    assert made.tests["expected"][2] == pytest.approx(2.0 * 120 / 50, rel=0.05)


def test_rows_of_a_group_do_not_make_the_tests_reject():
    random = np.random.default_rng(3)
    found, naive = [], []
    for number in range(120):
        counts = grouped(random, 40).astype(float)
        made = compared(counts[:, 0], counts[:, 1:], seed=number)
        found.append(made.tests["p_value"])
        naive.append(stats.kstest(made.residuals, "uniform").pvalue)
    rejected = (np.array(found) <= 0.1).mean(axis=0)
    # 0.1 and its standard error of 0.027; the test for independent rows rejects every second time.
    assert (rejected < 0.18).all()
    assert (rejected > 0.02).all()
    assert np.mean(np.array(naive) <= 0.1) > 0.3


def test_overdispersion_is_found():
    random = np.random.default_rng(4)
    made = compared(
        grouped(random, 1, 0.3, 1.0)[:, 0].astype(float), grouped(random, 199, 0.3).astype(float)
    )
    row = made.tests.set_index("check").loc["dispersion"]
    assert row["statistic"] > 2.0
    assert row["p_value"] == pytest.approx(2.0 / 200.0)
