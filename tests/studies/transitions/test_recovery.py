"""Intervals hold the planted rates; benchmarks/transitions.py has the figures of 120 studies."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import qsmstats

BENCHMARK = Path(qsmstats.__file__).parents[1] / "benchmarks" / "transitions.py"


@pytest.mark.slow
def test_intervals_hold_the_planted_rates():
    spec = importlib.util.spec_from_file_location("transitions", BENCHMARK)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    found = benchmark.summary(benchmark.recovery(100, 30, seed=15))
    rates = found[~found.index.str.startswith("PRL by")]
    # Three standard errors of a rate of 0.95 over 100 studies are 0.065.
    assert (rates["held"] > 0.885).all(), rates
    assert rates["estimate"].to_numpy() == pytest.approx(rates["truth"].to_numpy(), rel=0.2)
