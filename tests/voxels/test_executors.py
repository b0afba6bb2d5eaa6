"""Executors: results in any order, workers that die, and addresses of schedulers.

No scheduler is started: an address with a listener gets a client, one without a message.
"""

from __future__ import annotations

import socket
import sys
from collections import Counter
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from functools import partial

import pytest

from qsmstats.errors import UsageError
from qsmstats.voxels.executors import connected, run_jobs

from . import workers


class Losing(Executor):
    """An executor that loses jobs, as a cluster does whose workers die, or refuses them."""

    def __init__(self, times, *, refuse=False):
        self.times, self.refuse, self.given = Counter(times), refuse, []

    def submit(self, call, job):
        self.given.append(job)
        future = Future()
        if self.times[job]:
            self.times[job] -= 1
            error = BrokenExecutor(f"{job} was lost")
            if self.refuse:
                raise error
            future.set_exception(error)
        else:
            future.set_result(call(job))
        return future


def test_here_in_threads_and_in_processes_the_results_are_the_same():
    jobs = [3, 1, 2]
    expected = {0: 9, 1: 1, 2: 4}
    assert dict(run_jobs(workers.square, jobs)) == expected
    assert dict(run_jobs(workers.square, jobs, workers=2)) == expected
    with ThreadPoolExecutor(2) as threads:
        assert dict(run_jobs(workers.square, jobs, executor=threads)) == expected
        # The caller's executor is left open.
        assert threads.submit(workers.square, 5).result() == 25


def test_no_jobs_need_no_worker():
    assert list(run_jobs(workers.square, [], workers=2)) == []


def test_a_job_that_kills_its_process_loses_no_other(tmp_path):
    call = partial(workers.die_on, tmp_path, 4, 99)
    results = dict(run_jobs(call, list(range(9)), workers=2))
    assert sorted(results) == list(range(9))
    assert isinstance(results.pop(4), BrokenProcessPool)
    assert results == {number: number * number for number in range(9) if number != 4}


def test_a_job_whose_process_was_killed_once_is_done_in_the_end(tmp_path):
    call = partial(workers.die_on, tmp_path, 4, 1)
    results = dict(run_jobs(call, list(range(9)), workers=2))
    assert results == {number: number * number for number in range(9)}


@pytest.mark.parametrize("refuse", [False, True])
def test_lost_jobs_are_done_again_and_none_twice(refuse):
    executor = Losing({4: 1, 6: 1, 7: 1}, refuse=refuse)
    results = list(run_jobs(workers.square, range(9), executor=executor))
    assert sorted(results) == [(number, number * number) for number in range(9)]
    assert executor.given[:9] == list(range(9))
    assert sorted(executor.given[9:]) == [4, 6, 7]


@pytest.mark.parametrize("refuse", [False, True])
def test_a_job_that_is_lost_again_is_reported_alone(refuse):
    executor = Losing({2: 1, 4: 2}, refuse=refuse)
    results = dict(run_jobs(workers.square, range(9), executor=executor))
    assert repr(results.pop(4)) == "BrokenExecutor('4 was lost')"
    assert results == {number: number * number for number in range(9) if number != 4}


@pytest.fixture
def closed_port():
    """Return a port of this machine that is taken and on which nobody listens."""
    pytest.importorskip("distributed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_an_address_at_which_somebody_listens_gets_a_client_that_is_closed(monkeypatch):
    distributed = pytest.importorskip("distributed")
    made = []

    class Client(nullcontext):
        def __init__(self, address, timeout):
            super().__init__()
            self.address = address

        def __exit__(self, *_):
            made.append("closed")

    monkeypatch.setattr(distributed, "Client", Client)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with connected(address) as client:
            assert client.address == address
            assert made == []
    assert made == ["closed"]


def connect(address):
    with connected(address) as client:
        return client


@pytest.mark.parametrize("scheme", ["tcp://", "tls://", ""])
def test_an_address_at_which_nobody_listens_makes_no_client(closed_port, scheme, monkeypatch):
    import distributed

    def refuse(*_, **__):
        raise AssertionError("a client was made")

    monkeypatch.setattr(distributed, "Client", refuse)
    address = f"{scheme}127.0.0.1:{closed_port}"
    with pytest.raises(UsageError, match=f"no dask scheduler answers at '{address}': .*refused"):
        connect(address)


@pytest.mark.parametrize("address", ["nowhere", "tcp://nowhere", "tcp://:8786", "8786"])
def test_an_address_without_host_or_port(address):
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match=r"host or port is missing; .* as tcp://host:port"):
        connect(address)


def test_a_port_that_is_no_number():
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match="no dask scheduler answers at 'tcp://host:port': "):
        connect("tcp://host:port")


def test_without_distributed_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'qsmstats\[dask\]'"):
        connect("tcp://127.0.0.1:8786")


def test_without_an_address_work_stays_here():
    assert connect(None) is None
