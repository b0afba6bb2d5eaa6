"""The memory that one process may take: what the machine and its limits leave, in equal shares.

An image that cannot fit is refused by name before it is decompressed, where the operating system
would end the process. The share of a worker is fixed when its pool starts, so that it does not
depend on what the others hold at that moment.

Sources: MemAvailable in /proc/meminfo (proc_meminfo(5)); RLIMIT_AS (getrlimit(2)); limit and usage
of control groups, in which a file's cached pages count as used although they are given back on
demand (Linux kernel documentation: cgroup-v2, "Memory Interface Files"; cgroup-v1, "Memory Resource
Controller", for the names of version 1).
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]  # has no stubs

__all__ = ["MORE_MEMORY", "gigabytes", "memory_at_hand", "return_memory", "share_memory"]

MORE_MEMORY = "use fewer processes (--jobs) or a machine with more memory"

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")

# Controller in /proc/self/cgroup -> folder, limit, usage, cached pages in memory.stat.
_CGROUP_FILES = {
    "": ("", "memory.max", "memory.current", "inactive_file"),
    "memory": ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}

_share: float | None = None


def share_memory(share: float) -> None:
    """Set what this process may take, in bytes, whatever is free when it asks."""
    global _share
    _share = share


def memory_at_hand() -> float:
    """Return the bytes that this process may take; infinite where no limit is known."""
    if _share is not None:
        return _share
    limits = [math.inf, *_control_groups()]
    try:
        limits.append(1024.0 * _numbers(PROC / "meminfo")["MemAvailable:"])
    except (OSError, KeyError):  # not Linux: free memory is not known, installed memory may be
        if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):
            limits.append(float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")))
    if sys.platform != "win32":
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            try:
                pages = int((PROC / "self" / "statm").read_text().split()[0])
            except OSError:
                pages = 0
            limits.append(float(limit - pages * resource.getpagesize()))
    return max(0.0, min(limits))


def return_memory() -> None:
    """Give the system what was let go: Arrow and the C library keep it for what they make next.

    Of a cohort of 170,000 lesions that is half a gigabyte between two answers.
    """
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)  # of glibc


def gigabytes(size: float) -> str:
    """Return a number of bytes as text."""
    return f"{size / 1e9:.3g} GB"


def _control_groups() -> Iterator[float]:
    """Yield what is left in each group that this process belongs to."""
    try:
        lines = (PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for name in _CGROUP_FILES.keys() & controllers.split(","):
            folder, limit, usage, cached = _CGROUP_FILES[name]
            group = CGROUPS / folder / path.lstrip("/")
            for place in (group, *group.parents):
                try:
                    left = int((place / limit).read_text()) - int((place / usage).read_text())
                    yield float(left + _numbers(place / "memory.stat").get(cached, 0))
                except (OSError, ValueError):  # no such group, or "max": no limit
                    continue


def _numbers(path: Path) -> dict[str, int]:
    """Read a file of lines "name number"."""
    return {name: int(value) for name, value, *_ in map(str.split, path.read_text().splitlines())}
