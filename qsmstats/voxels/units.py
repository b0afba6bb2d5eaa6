"""Canonical units: each map is converted once, and a unit that its values contradict is an error.

The units that a map may have, and the bounds of its values in white matter, are in
data_schemas/features.schema.json; a study states the bounds of a map of its own. A declared unit
is contradicted where the median absolute value in white matter lies outside the bounds. Without a
mask only lesions can be compared, in which low values are common; there the 95th percentile
replaces the median for the lower bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Floats
from qsmstats.errors import ImageError, Problem, UsageError
from qsmstats.own_schemas import own_map
from qsmstats.schemas import MapSchema, map_schemas

__all__ = ["MapUnit", "UnitError", "map_unit"]

# A median of fewer values says nothing about the unit.
MIN_VALUES = 20


class UnitError(ImageError):
    """The values of a map contradict the unit that was declared for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapUnit:
    """The unit of one map's stored values.

    Attributes
    ----------
    unit
        Declared unit.
    factor
        Factor from it to the canonical unit.
    schema
        Facts about the map.
    """

    unit: str
    schema: MapSchema
    factor: float = 1.0

    def contradiction(
        self, name: str, values: Floats, *, tissue: bool, place: str = ""
    ) -> UnitError | None:
        """Return the error to raise where `values` cannot have the declared unit.

        Parameters
        ----------
        name
            Name of the image.
        values
            Valid values in the canonical unit.
        tissue
            Whether they are those of white matter (rather than of lesions).
        place
            What the voxels are called, where they are neither.
        """
        place = place or ("white matter" if tissue else "lesions")
        if len(values) < MIN_VALUES:
            return None
        middle, upper = np.quantile(np.abs(values), (0.5, 0.95))
        lower = middle if tissue else upper
        if lower >= self.schema.median_abs_low and middle <= self.schema.median_abs_high:
            return None
        low, high, unit = self.schema.median_abs_low, self.schema.median_abs_high, self.schema.unit
        too_low = lower < low
        statistic = "median" if tissue or not too_low else "95th percentile"
        value = float(f"{lower if too_low else middle:.4g}")
        others = " or ".join(f"'{other}'" for other in self.schema.units if other != self.unit)
        remedy = f"declare {others} if that is the unit of the file"
        if not others:
            remedy = f"correct the image, or unit and plausible range of {self.schema.name}"
        problem = (
            f"contradicts the unit '{self.unit}' declared for {self.schema.name}: in that unit the "
            f"{statistic} of the absolute values in {place} is "
            f"{value:g} {unit}, too {'small' if too_low else 'large'} for "
            f"tissue, where {low:g} to {high:g} {unit} is plausible; {remedy}"
        )
        return UnitError([Problem(table=name, problem=problem)])


def map_unit(
    name: str, units: Mapping[str, str], plausible: Mapping[str, Sequence[float]] | None = None
) -> MapUnit:
    """Return the unit of the map called `name`: as declared, or the canonical one.

    A map that the schema does not know keeps the values and the unit of its file.

    Parameters
    ----------
    name
        Name of the map.
    units
        Name -> declared unit.
    plausible
        Name -> lowest and highest plausible value of a map that the schema does not know.

    Raises
    ------
    UsageError
        If the declared unit is not one of the map's, or a range is given for a known map.
    """
    schema = map_schemas().get(name)
    limits = (plausible or {}).get(name)
    if schema is None:
        unit = units.get(name, "as stored")
        return MapUnit(unit=unit, schema=own_map(name, unit=unit, plausible=limits))
    if limits is not None:
        known = f"{schema.low:g} to {schema.high:g} {schema.unit}"
        message = f"plausible names '{name}', whose range is known: {known}; leave it out"
        raise UsageError(message)
    unit = units.get(name, schema.unit)
    if unit not in schema.units:
        message = f"'{unit}' is not a unit of map '{name}'; allowed: {', '.join(schema.units)}"
        raise UsageError(message)
    return MapUnit(unit=unit, factor=schema.units[unit], schema=schema)
