"""A real dask cluster whose workers die; `test_executors` has the same without dask.

Dask takes seconds, on a busy machine minutes, to replace a worker.
"""

from __future__ import annotations

import os
import signal
import time
from functools import partial

import pandas as pd
import pytest

from qsmstats.study_file import open_study
from qsmstats.voxels.cohort import extract_cohort
from qsmstats.voxels.executors import run_jobs

from ..clusters import loopback_cluster
from . import workers
from .phantoms import stored, write_study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    import dask

    # The scheduler gives a job up after its second worker, not its fourth: a new worker takes
    # seconds.
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        loopback_cluster(workers=2, seconds=600) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_a_cluster_gives_the_rows_of_one_process_and_stores_the_same_bytes(cluster, tmp_path):
    study = open_study(write_study(tmp_path / "study"))
    expected = extract_cohort(study, out=tmp_path / "here")
    found = extract_cohort(study, client=cluster, out=tmp_path / "cluster")
    pd.testing.assert_frame_equal(found.features, expected.features, check_exact=True)
    assert stored(tmp_path / "cluster") == stored(tmp_path / "here")


def test_a_cluster_worker_that_dies_at_work_loses_and_doubles_nothing(cluster, tmp_path):
    call = partial(workers.die_on, tmp_path, 4, 1)
    results = list(run_jobs(call, list(range(9)), executor=cluster.get_executor(pure=False)))
    assert sorted(results) == [(number, number * number) for number in range(9)]
    assert len(list(tmp_path.iterdir())) == 1, "no worker died"


def test_a_cohort_goes_on_when_a_worker_of_the_cluster_is_killed(cluster, tmp_path):
    visits = {f"sub-{i:02d}": ("ses-1",) for i in range(1, 13)}
    study = open_study(write_study(tmp_path / "study", visits, shape=(64, 60, 52)))
    expected = extract_cohort(study, out=tmp_path / "here")
    victim = next(iter(cluster.run(os.getpid).values()))

    def kill_one(done, total):
        if done == 2:
            os.kill(victim, signal.SIGKILL)

    found = extract_cohort(study, client=cluster, out=tmp_path / "cluster", progress=kill_one)
    assert found.failures.empty
    pd.testing.assert_frame_equal(found.features, expected.features, check_exact=True)
    assert stored(tmp_path / "cluster") == stored(tmp_path / "here")
    assert len(processes(cluster, without=victim)) == 2


def processes(cluster, *, without):
    """Return the processes of two workers, once the dead one has been replaced."""
    deadline = time.monotonic() + 120
    found = []
    while time.monotonic() < deadline and (len(found) != 2 or without in found):
        time.sleep(0.05)
        # A worker that is just dying, or being born, answers with an error.
        answers = cluster.run(os.getpid, on_error="return").values()
        found = [answer for answer in answers if isinstance(answer, int)]
    return [process for process in found if process != without]


def test_a_job_that_kills_every_worker_of_a_cluster_is_reported_alone(cluster, tmp_path):
    call = partial(workers.die_on, tmp_path, 4, 99)
    results = dict(run_jobs(call, list(range(9)), executor=cluster.get_executor(pure=False)))
    assert "KilledWorker" in repr(results.pop(4))
    assert results == {number: number * number for number in range(9) if number != 4}
