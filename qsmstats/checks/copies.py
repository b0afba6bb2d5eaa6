"""One image that stands for two: copied from another session, or given to two maps.

A compressed file ends with the CRC-32 and the size of what it holds (RFC 1952, section 2.3.1), so
that copies are seen without inflating anything: two measurements never agree in every voxel, and
by chance two files agree in their sums once in four thousand million. Images that are not
compressed have no such sum and are not compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from qsmstats.errors import Problem
from qsmstats.study import Study
from qsmstats.voxels.images import Volume

__all__ = ["copied_maps"]


def copied_maps(study: Study, volumes: Iterable[tuple[str, Volume]]) -> Iterator[Problem]:
    """Yield a problem for each map that holds the same as one before it.

    Parameters
    ----------
    study
        The study; its folder gives files their names.
    volumes
        Name of a map, and its image of one session; those that can be read.
    """
    first: dict[bytes, tuple[str, Path]] = {}
    for role, volume in volumes:
        if volume.path is None:
            continue
        with volume.path.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(-8, 2)
            end = file.read(8)
        expected = volume.offset + volume.grid.size * volume.dtype.itemsize + volume.behind[0]
        # The last of several members, as some programs write them, says nothing of the others.
        if not compressed or int.from_bytes(end[4:], "little") != expected % 2**32:
            continue
        # One file may hold several maps, each at a place of its own.
        end += volume.offset.to_bytes(8, "big")
        known, path = first.setdefault(end, (role, volume.path))
        if volume.path != path or role != known:
            text = (
                f"is identical to {study.name_of(path)}, the {known} of its session; replace the "
                "copy by the image that was measured"
            )
            yield Problem(table=study.name_of(volume.path), problem=text)
