"""Threads of the linear algebra library: one inside fits, batches and extraction, others kept."""

from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from qsmstats.generalized.model import GeneralizedMixedModel
from qsmstats.mixed.model import MixedModel
from qsmstats.parallel import one_thread
from qsmstats.voxels import sessions

BLAS = ThreadpoolController().select(user_api="blas")


@pytest.fixture(autouse=True)
def _two_threads():
    with threadpool_limits(limits=2, user_api="blas"):
        yield
        assert _threads() == {2}


def _threads():
    return {library.num_threads for library in BLAS.lib_controllers}


@one_thread()
def _failing():
    assert _threads() == {1}
    raise ValueError("no")


def test_blocks_may_be_nested_and_an_error_puts_the_threads_back():
    with pytest.raises(ValueError, match="no"):
        _failing()
    assert _threads() == {2}
    with one_thread():
        with one_thread():
            pass
        assert _threads() == {1}


def test_fits_batches_and_extraction_use_one_thread(monkeypatch):
    seen = []

    def watched(values):
        seen.append(_threads())
        return values

    def watched_extraction(*_, **__):
        return watched(pd.DataFrame(index=[0]))

    data = pd.DataFrame({"g": np.repeat(["a", "b", "c"], 4), "x": np.arange(12.0) % 5})
    data["y"] = np.random.default_rng(1).normal(size=12)
    transforms = {"watched": watched}
    model = MixedModel("y ~ watched(x) + (1 | g)", transforms=transforms)
    model.fit(data)
    model.design(data).fit_tasks([1], make=lambda _: watched(data[["y"]].to_numpy().T))
    model = GeneralizedMixedModel(
        "n ~ watched(x) + (1 | g)", transforms=transforms, family="poisson"
    )
    model.fit(data.assign(n=range(12)))
    monkeypatch.setattr(sessions, "extract_features", watched_extraction)
    names = (field.name for field in fields(sessions.SessionJob))
    sessions.extract_session(SimpleNamespace(**dict.fromkeys(names, "01")))
    assert len(seen) >= 5
    assert seen == [{1}] * len(seen)
