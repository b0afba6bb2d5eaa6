"""Whether the ratios of single fits to their peers hold under load and with more threads.

    python benchmarks/mixed_load.py [--cases a,b] [--peers lmerTest,mixedlm] [--rounds 3]

The cases of `mixed.py`, each fitted by qsmstats and its peers in turn, in processes of their own,
with the number of threads of linear algebra left to the libraries, one and two; on the machine as
it is, and beside one process that computes without end. Seconds are those of fit and Satterthwaite
df together (of the fit alone where the peer knows no such df), wall and CPU, the best of all
rounds. Printed are their ratios, peer / qsmstats, and how far the largest lies above the smallest.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mixed import CASES, run, simulate, tried

THREADS = {"not set": "", "1": "1", "2": "2"}
LOADS = {"as it is": 0, "one busy process": 1}
Said = dict[str, dict[str, Any]]


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep so many cores busy."""
    endless = [sys.executable, "-c", "while True: pass"]
    children = [subprocess.Popen(endless) for _ in range(processes)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


def best(said: list[Said], steps: tuple[str, ...], clock: str) -> float:
    """Return seconds of the steps, each the best of all rounds."""
    return sum(min(one[step][clock] for one in said if step in one) for step in steps)


def compare(case: str, peers: list[str], rounds: int) -> None:
    """Print the ratios of one case."""
    frame = simulate(case)
    ratios: dict[tuple[str, str], list[float]] = {}
    print(f"\ncase {case}: {CASES[case][1]}, {len(frame)} rows; peer / qsmstats, wall (CPU)")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{case}.csv"
        frame.to_csv(path, index=False)
        for load, processes in LOADS.items():
            for name, threads in THREADS.items():
                said: dict[str, list[Said]] = {peer: [] for peer in ("qsmstats", *peers)}
                with busy(processes):
                    for _ in range(rounds):
                        for peer, found in said.items():
                            found.append(run(peer, case, path, 120.0, threads))
                cells = []
                for peer in peers:
                    both = ("fit", "satterthwaite")
                    steps = both if any("satterthwaite" in one for one in said[peer]) else both[:1]
                    for clock in ("seconds", "cpu"):
                        ratio = best(said[peer], steps, clock) / best(
                            said["qsmstats"], steps, clock
                        )
                        ratios.setdefault((peer, clock), []).append(ratio)
                    wall, cpu = (ratios[peer, clock][-1] for clock in ("seconds", "cpu"))
                    cells.append(f"{peer} {wall:.2f} ({cpu:.2f})")
                print(f"  threads {name:8} {load:18} {', '.join(cells)}", flush=True)
    for (peer, clock), found in ratios.items():
        word = "wall" if clock == "seconds" else "CPU"
        print(f"  {peer}, {word}: largest over smallest {max(found) / min(found) - 1:.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cases", default="a,b")
    parser.add_argument("--peers", default="lmerTest,mixedlm")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for case in given.cases.split(","):
        compare(case, [peer for peer in given.peers.split(",") if tried(peer, 0)], given.rounds)


if __name__ == "__main__":
    main()
