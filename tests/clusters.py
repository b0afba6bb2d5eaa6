"""Dask clusters on loopback for the tests, and a time limit for what might never end.

Without a dashboard distributed still binds its HTTP server to the fixed port 8787, and warns where
another cluster holds it; port 0 lets the system choose.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from distributed import LocalCluster


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Fail where a block takes longer, and again a minute later where its cleanup does not end."""

    def stop(*_: object) -> None:
        # No subclass of Exception, which the code under test may catch.
        pytest.fail(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 60)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def loopback_cluster(workers: int, *, seconds: int = 300) -> Iterator[LocalCluster]:
    """Run a scheduler and single-threaded worker processes; skips where dask is missing.

    A test that waits for dask depends on the load of the machine, and may wait for ever: it is
    marked slow, and stopped after `seconds`.
    """
    distributed = pytest.importorskip("distributed")
    with (
        time_limit(seconds),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            worker_dashboard_address=None,
        ) as cluster,
    ):
        yield cluster
