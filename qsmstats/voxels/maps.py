"""Reads a map where it is measured, in its canonical unit, which its values must not contradict.

Measuring and checking read maps by this one function, so that they judge them alike.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.voxels.images import Volume
from qsmstats.voxels.stream import gather
from qsmstats.voxels.units import MapUnit

__all__ = ["MapValues", "read_map"]

MapValues: TypeAlias = tuple[Floats, Flags, Flags | None]
"""Values; which of them are valid; which say "not measured" (None where no value means that)."""

UNIT_SAMPLE = 20_000


def read_map(
    volume: Volume,
    index: Integers,
    judged: Integers | None,
    *,
    unit: MapUnit,
    missing: float | None,
    tissue: bool,
    place: str = "",
) -> MapValues:
    """Read the values of some voxels of a map.

    Parameters
    ----------
    volume
        The map.
    index
        Shape (n,); flat indices in Fortran order, ascending.
    judged
        Positions in `index`, ascending, of the voxels whose values are compared with the unit;
        None for all.
    unit
        Unit of the stored values.
    missing
        Stored value that means "not measured".
    tissue
        Whether the voxels judged are those of white matter (rather than of lesions).
    place
        What they are called in messages, where they are neither.

    Returns
    -------
    MapValues
        Shape (n,) each; the values in the canonical unit.

    Raises
    ------
    ImageError
        As `gather`.
    UnitError
        If the values contradict the unit.
    """
    values = gather(volume, index)
    absent = None if missing is None else values == missing
    values *= unit.factor
    valid = np.isfinite(values) if absent is None else np.isfinite(values) & ~absent
    part = np.arange(len(index)) if judged is None else judged
    # Evenly spaced voxels tell units apart, which differ by factors of 100.
    part = part[:: 1 + len(part) // UNIT_SAMPLE]
    error = unit.contradiction(volume.name, values[part][valid[part]], tissue=tissue, place=place)
    if error is not None:
        raise error
    return values, valid, absent
