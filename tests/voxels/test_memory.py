"""Memory at hand: the least of what the machine and its limits leave, from files made for it."""

from __future__ import annotations

import ctypes
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qsmstats.voxels import executors, memory
from qsmstats.voxels.memory import gigabytes, memory_at_hand, return_memory, share_memory

MEMINFO = "MemTotal: 8000000 kB\nMemAvailable: 4000000 kB\nHugePages_Total: 0\n"


@pytest.fixture(autouse=True)
def system(tmp_path, monkeypatch):
    """Return the folder of a system without limits, of which 4.096 GB are available."""
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_share", None)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text(MEMINFO)
    (tmp_path / "proc/self/statm").write_text("1000 500 0 0 0 0 0\n")
    return tmp_path


def group(folder, limit, usage, cached, names):
    folder.mkdir(parents=True)
    for name, value in zip(names, (limit, usage), strict=True):
        (folder / name).write_text(f"{value}\n")
    (folder / "memory.stat").write_text(f"{cached}\nanon 3\n")


def test_what_is_available():
    assert memory_at_hand() == 4_096_000_000


def test_a_control_group_leaves_its_limit_less_what_cannot_be_given_back(system):
    (system / "proc/self/cgroup").write_text("0::/user/job\n")
    names = ("memory.max", "memory.current")
    group(system / "cgroup/user", 1_000_000_000, 400_000_000, "inactive_file 100000000", names)
    group(system / "cgroup/user/job", "max", 300_000_000, "inactive_file 0", names)
    assert memory_at_hand() == 700_000_000


def test_a_control_group_of_the_first_version(system):
    (system / "proc/self/cgroup").write_text("5:cpu,cpuacct:/\n4:memory:/job\n0::/\n")
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    group(system / "cgroup/memory/job", 900, 400, "total_inactive_file 100", names)
    assert memory_at_hand() == 600


def test_a_group_beyond_its_limit_leaves_nothing(system):
    (system / "proc/self/cgroup").write_text("0::/job\n")
    names = ("memory.max", "memory.current")
    group(system / "cgroup/job", 100, 400, "inactive_file 100", names)
    assert memory_at_hand() == 0


def test_a_limit_of_the_address_space(monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2_000_000_000, -1))
    assert memory_at_hand() == 2_000_000_000 - 1000 * resource.getpagesize()


def test_without_proc_the_memory_of_the_machine_counts(system, monkeypatch):
    monkeypatch.setattr(memory, "PROC", system / "none")
    sizes = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(memory.os, "sysconf", sizes.__getitem__)
    assert memory_at_hand() == 4_096_000


def test_the_processes_of_a_pool_have_equal_shares(monkeypatch):
    made = {}

    def pool(workers, _, prepare, *arguments):
        made.update(initializer=prepare, initargs=arguments)
        return ThreadPoolExecutor(workers)

    monkeypatch.setattr(executors, "process_pool", pool)
    assert list(executors.run_jobs(str, [1], workers=4)) == [(0, "1")]
    made["initializer"](*made["initargs"])
    assert memory_at_hand() == 1_024_000_000
    share_memory(5)
    assert memory_at_hand() == 5


def test_bytes_in_words():
    assert gigabytes(2.5e9) == "2.5 GB"
    assert gigabytes(256_000) == "0.000256 GB"


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"),
    reason="tells resident memory as Linux does, and frees it as glibc does",
)
def test_what_was_let_go_is_given_back_though_something_lies_above_it():
    blocks = [b"x" * 100_000 for _ in range(2000)]
    del blocks[:-1]  # the last one keeps the heap from shrinking by itself
    return_memory()
    before = resident()
    blocks = [*blocks, *(b"x" * 100_000 for _ in range(2000))]
    held = resident()
    assert held - before > 150_000_000
    del blocks[:-1]
    return_memory()
    assert resident() - before < 50_000_000
