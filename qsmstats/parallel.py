"""The same work for many tasks, here or in other processes, with results in the order of the tasks.

What all tasks share is sent to each process once; of the tasks themselves only a few are under way
at a time, so that memory does not grow with their number.

The matrices of a fit or of a session are small: threads of the linear algebra library (BLAS) gain
nothing on them, and lose much where other processes need the cores. `one_thread` holds BLAS to one
thread, so that the cores go to processes.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from itertools import islice
from threading import Lock, Thread
from typing import Any, TypeVar

import scipy.linalg  # noqa: F401  (loads SciPy's own BLAS, which the controller must find)
from threadpoolctl import ThreadpoolController

from qsmstats.errors import UsageError
from qsmstats.progress import Progress

__all__ = ["Progress", "one_thread", "process_pool", "run_tasks"]

Task = TypeVar("Task")
Result = TypeVar("Result")

# Tasks under way for each process: one at work and one waiting.
_AHEAD = 2

_shared: Any = None

_lock = Lock()
_inside = 0
_setting = ExitStack()


@cache
def _controller() -> ThreadpoolController:
    """Return the BLAS libraries of this process; looking them up takes some milliseconds."""
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS to one thread inside a block, or as a decorator inside a function.

    Blocks may be nested and run in several threads of a process; the number of threads there was
    before comes back when the last of them ends.
    """
    global _inside
    with _lock:
        if not _inside:
            _setting.enter_context(_controller().limit(limits=1))
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _setting.close()


def process_pool(
    jobs: int, module: str, prepare: Callable[..., None], *arguments: object
) -> ProcessPoolExecutor:
    """Return a pool of processes that are not copies of this one.

    A copy (fork) of a process with threads, such as that of a progress bar, can deadlock. Each ends
    with this one, however that ends: a signal may leave it no time to end its pool.

    Parameters
    ----------
    jobs
        Number of processes.
    module
        What all processes need; imported once where the system allows it.
    prepare, arguments
        Function that each process calls with these arguments before its first task.
    """
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload([module])
    begin = partial(_begin, prepare, *arguments)
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=begin)


def _begin(prepare: Callable[..., None], *arguments: object) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    prepare(*arguments)


def _end_with_parent() -> None:
    # A worker waits for its next task at a pipe whose other end it has itself: it would not notice.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def run_tasks(
    call: Callable[[Any, Task], Result],
    shared: Any,
    tasks: Sequence[Task],
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Iterator[Result]:
    """Yield ``call(shared, task)`` for every task, in order.

    Parameters
    ----------
    call
        Function that another process can import.
    shared
        What all tasks use; sent to every process once.
    tasks
        One argument each.
    jobs
        Processes; with 1 everything runs here. A script that asks for more needs a main guard.
    progress
        Called with (tasks done, tasks in all).

    Raises
    ------
    UsageError
        If `jobs` is less than 1.
    """
    if jobs < 1:
        msg = f"jobs={jobs}; it must be at least 1"
        raise UsageError(msg)
    results = (
        (call(shared, task) for task in tasks)
        if min(jobs, len(tasks)) <= 1
        else _in_processes(call, shared, tasks, min(jobs, len(tasks)))
    )
    for done, result in enumerate(results, start=1):
        if progress is not None:
            progress(done, len(tasks))
        yield result


def _in_processes(
    call: Callable[[Any, Task], Result], shared: Any, tasks: Sequence[Task], jobs: int
) -> Iterator[Result]:
    left = iter(tasks)
    with process_pool(jobs, call.__module__, _receive, shared) as pool:
        waiting: deque[Future[Result]] = deque(
            pool.submit(_call, call, task) for task in islice(left, jobs * _AHEAD)
        )
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(_call, call, task) for task in islice(left, 1))


def _receive(shared: Any) -> None:
    global _shared
    _shared = shared


def _call(call: Callable[[Any, Task], Result], task: Task) -> Result:
    return call(_shared, task)
