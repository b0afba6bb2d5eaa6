"""Threads of the linear algebra library, and processes that end with the one that began them."""

import subprocess
import sys
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


ABANDONED = """
import os, signal, time
from qsmstats.parallel import process_pool

with process_pool(2, "qsmstats.parallel", time.sleep, 0) as pool:
    waiting, working = pool.submit(os.getpid), pool.submit(time.sleep, 120)
    waiting.result()
    os.kill(os.getpid(), signal.SIGTERM)
"""


def test_workers_end_with_the_process_that_began_them():
    parent = subprocess.Popen([sys.executable, "-c", ABANDONED], stdout=subprocess.PIPE)
    # The pipe is closed when the last process that could write to it has ended.
    assert parent.communicate(timeout=60)[0] == b""
    assert parent.returncode < 0
