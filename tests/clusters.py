"""Dask clusters on loopback for the tests; several may stand side by side.

Without a dashboard distributed still binds its HTTP server to the fixed port 8787, and warns where
another cluster holds it; port 0 lets the system choose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from distributed import LocalCluster


def loopback_cluster(workers: int) -> LocalCluster:
    """Start a scheduler and single-threaded worker processes; skips where dask is missing."""
    distributed = pytest.importorskip("distributed")
    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs={"dashboard": False},
        worker_dashboard_address=None,
    )
