"""Runs jobs on any executor of `concurrent.futures`; a worker that dies loses no other job.

A process that is killed (most often for lack of memory) breaks a process pool, and every job that
was waiting in it fails with it. Those jobs are run again, each in a process of its own: the one
that ends its process again is the cause and is reported; the others succeed. A dask cluster moves
the jobs of a lost worker to another by itself, and gives up those that lost several workers; they
too are run again alone. `connected` connects to such a cluster.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar
from urllib.parse import urlsplit

from qsmstats.errors import UsageError
from qsmstats.parallel import process_pool
from qsmstats.voxels.memory import memory_at_hand, share_memory

__all__ = ["connected", "early_end", "run_jobs"]

MODULE = "qsmstats.voxels.sessions"
"""Loaded once for all processes of a pool."""

# Seconds: for a scheduler to accept a connection, and for it to answer on a busy machine.
KNOCK, ANSWER = 10, 60

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


def early_end(error: Exception) -> str:
    """Return why a job has no result, where its process, and not the job, has failed."""
    return (
        f"the process that read it alone ended early ({type(error).__name__}: {error}), most "
        "often because memory ran out; use a machine with more memory"
    )


def run_jobs(
    call: Callable[[_Job], _Result],
    jobs: Sequence[_Job],
    *,
    workers: int = 1,
    executor: Executor | None = None,
) -> Iterator[tuple[int, _Result | Exception]]:
    """Run jobs and yield (number of the job, its result) as they finish.

    Parameters
    ----------
    call
        Function that any worker can import.
    jobs
        Its arguments.
    workers
        Processes of the pool; with 1 and no executor, jobs run here, one after the other.
    executor
        Where to run instead; it is left open.

    Yields
    ------
    tuple
        A job's number and result; an exception where it, or its worker, failed again when it was
        run alone.
    """
    if executor is None and workers == 1:
        yield from ((number, call(job)) for number, job in enumerate(jobs))
        return
    failed = []
    with _executor(executor, workers) as pool:
        for number, result in _run(pool, call, jobs, range(len(jobs))):
            if isinstance(result, Exception):
                failed.append(number)
            else:
                yield number, result
    # Every job that waited in a broken pool, or ran on a worker that died, has failed with it;
    # alone, only the job that ends its process fails again.
    for number in failed:
        with _executor(executor, 1) as pool:
            yield from _run(pool, call, jobs, [number])


def _executor(given: Executor | None, workers: int) -> AbstractContextManager[Executor]:
    """Return the caller's executor, which stays open, or a pool of our own, which does not.

    Processes of a pool have equal shares of the memory.
    """
    if given is not None:
        return nullcontext(given)
    share = memory_at_hand() / workers
    return process_pool(workers, MODULE, share_memory, share)


def _run(
    executor: Executor,
    call: Callable[[_Job], _Result],
    jobs: Sequence[_Job],
    numbers: Sequence[int],
) -> Iterator[tuple[int, _Result | Exception]]:
    futures: dict[Future[_Result], int] = {}
    refused: list[tuple[int, Exception]] = []
    for number in numbers:
        try:
            futures[executor.submit(call, jobs[number])] = number
        except BrokenExecutor as error:
            refused.append((number, error))
    try:
        for future in as_completed(futures):
            failed = future.exception()
            if not isinstance(failed, Exception | None):  # Ctrl-C of a worker
                raise failed
            yield futures[future], future.result() if failed is None else failed
    finally:
        for future in futures:
            future.cancel()
    yield from refused


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Connect to a dask scheduler, or yield None where work stays on this machine.

    Parameters
    ----------
    address
        ``tcp://host:port``, ``tls://host:port`` or ``host:port``; or None.

    Yields
    ------
    distributed.Client or None

    Raises
    ------
    UsageError
        If distributed is not installed, or no scheduler answers.
    """
    if address is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError as error:
        message = "--dask needs the extra: pip install 'qsmstats[dask]'"
        raise UsageError(message) from error
    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        if parts.hostname is None or parts.port is None:
            message = "host or port is missing"
            raise ValueError(message)
        # A client that cannot connect remains half constructed, and its removal from memory may
        # block the next one for ever; so none is constructed before something listens.
        socket.create_connection((parts.hostname, parts.port), timeout=KNOCK).close()
        client = Client(address, timeout=ANSWER)  # type: ignore[no-untyped-call]  # unannotated
    except (OSError, ValueError) as error:
        message = (
            f"no dask scheduler answers at '{address}': {error}; start one and give its address "
            "as tcp://host:port"
        )
        raise UsageError(message) from error
    with client:
        yield client
