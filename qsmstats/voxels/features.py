"""One row per region and map: what the maps say of each lesion and of the white matter.

Regions are the lesions of a label image and, where a white-matter mask is given, the white matter
as a whole and the normal-appearing white matter (NAWM): the mask at least `nawm_distance_mm` from
every lesion of every session. The NAWM is summed up by median m and s = 1.4826 MAD, which a few
lesions that nobody labelled do not move; z = (x - m) / s places a lesion's mean, shell, core and
ring against it. Statistics of groups: `qsmstats.voxels.kernels`; shapes:
`qsmstats.voxels.geometry`; layers and rings: `qsmstats.voxels.shells`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.errors import UsageError
from qsmstats.settings import FeatureSettings
from qsmstats.voxels.columns import feature_types
from qsmstats.voxels.flags import Flags
from qsmstats.voxels.grids import BoolArray, Columns, FloatArray
from qsmstats.voxels.images import ImageSource, Volume, open_volume, require_same_grid
from qsmstats.voxels.kernels import MAD_TO_SD, describe
from qsmstats.voxels.profiles import measure_profiles, standardise
from qsmstats.voxels.regions import Regions, read_regions
from qsmstats.voxels.rows import RegionRows, padded, region_rows
from qsmstats.voxels.stream import gather
from qsmstats.voxels.units import MapUnit, map_unit

__all__ = ["extract_features"]


def extract_features(
    labels: ImageSource | None,
    maps: Mapping[str, ImageSource],
    *,
    tissue: ImageSource | None = None,
    other_labels: Sequence[ImageSource] = (),
    units: Mapping[str, str] | None = None,
    missing: Mapping[str, float] | None = None,
    settings: FeatureSettings | None = None,
    basic: bool = False,
) -> pd.DataFrame:
    """Measure every lesion of a label image on every map.

    Parameters
    ----------
    labels
        Label image: 0 outside lesions, one whole number per lesion. None where there are no
        lesions to measure.
    maps
        Name -> map. Names that the schema knows (``susceptibility_ppb``, ``mwf_percent``,
        ``ndi``) carry a unit, to which the map is converted and against which its values are
        checked; maps of other names are taken as they are.
    tissue
        White-matter mask; gives the rows "white_matter" and "nawm", and confines the rings.
    other_labels
        Label images of the participant's other sessions, on the same grid: their lesions are
        kept out of NAWM. On another grid they cannot be, which is flagged.
    units
        Name of a map -> unit of its stored values; by default the canonical one.
    missing
        Name of a map -> stored value that means "not measured".
    settings
        Distances in mm; by default `FeatureSettings()`.
    basic
        Counts, statistics, volume and centroid of lesions only: no mask is read, no distance
        computed.

    Returns
    -------
    DataFrame
        One row per region and map, lesions by label; columns as in
        data_schemas/features.schema.json (there with units), from `region` on.

    Raises
    ------
    ImageError
        If an image cannot be read, does not lie on the grid of the others, or its values
        contradict its unit.
    UsageError
        If no map is given, or a unit or missing value is given for a map that is not there.
    """
    units, missing = units or {}, missing or {}
    _check_names(maps, units, missing)
    if basic:
        regions = read_regions(labels, None, (), None)
    else:
        regions = read_regions(labels, tissue, other_labels, settings or FeatureSettings())
    rows = region_rows(regions)
    frames = []
    for name, source in maps.items():
        volume = open_volume(source, name)
        require_same_grid(regions.reference, volume)
        measured = _Map(
            name=name, volume=volume, unit=map_unit(name, units), missing=missing.get(name)
        )
        frames.append(_measure(regions, rows, measured))
    return _ordered(pd.concat(frames, ignore_index=True))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Map:
    name: str
    volume: Volume
    unit: MapUnit
    missing: float | None


def _measure(regions: Regions, rows: RegionRows, measured: _Map) -> pd.DataFrame:
    """Read one map and fill in the rows."""
    values = gather(measured.volume, regions.kept)
    absent = values == measured.missing
    values *= measured.unit.factor
    valid = np.isfinite(values) & ~absent
    _check_unit(regions, values, valid, measured)
    statistics = describe(values[rows.positions], rows.counts, absent[rows.positions])
    columns = {**rows.columns, "map": measured.name, **statistics}
    lesions = len(regions.groups.labels)
    if regions.layers is not None:
        profiles = measure_profiles(regions, values, valid)
        median, spread = _reference(statistics, rows)
        means = {**profiles, "mean": statistics["mean"][:lesions]}
        profiles |= standardise(means, median, spread)
        columns |= {name: padded(column, len(rows.counts)) for name, column in profiles.items()}
    columns["flags"] = rows.flags.join(_flags(columns, measured, lesions))
    return pd.DataFrame(columns)


def _reference(statistics: Columns, rows: RegionRows) -> tuple[float, float]:
    if rows.nawm_row is None:
        return np.nan, np.nan
    median, mad = statistics["median"][rows.nawm_row], statistics["mad"][rows.nawm_row]
    return float(median), MAD_TO_SD * float(mad)


def _flags(columns: dict[str, Any], measured: _Map, lesions: int) -> Flags:
    flags = Flags(len(columns["region"]), measured.volume.flags)
    flags.add("not_measured", columns["n_valid"] == 0)
    flags.add("partial_coverage", (columns["n_valid"] > 0) & (columns["coverage"] < 1))
    flags.add("nonfinite_values", columns["n_nonfinite"] > 0)
    schema = measured.unit.schema
    if schema is not None:
        flags.add("out_of_range", (columns["min"] < schema.low) | (columns["max"] > schema.high))
    if "z" in columns and "white_matter" in columns["region"]:
        measurable = columns["n_valid"][:lesions] > 0
        flags.add("nawm_unusable", measurable & np.isnan(columns["z"][:lesions]))
    return flags


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Order columns and give them types after the schema; keep the maps of a region together."""
    types = {name: kind for name, kind in feature_types().items() if name in frame.columns}
    place = frame.groupby(["region", "label"], dropna=False, sort=False).ngroup()
    order = place.sort_values(kind="stable").index
    return frame.astype(types).loc[order, list(types)].reset_index(drop=True)


def _check_names(
    maps: Mapping[str, ImageSource], units: Mapping[str, str], missing: Mapping[str, float]
) -> None:
    if not maps:
        message = "maps is empty; give at least one, such as {'mwf_percent': 'mwf.nii.gz'}"
        raise UsageError(message)
    for argument, names in (("units", units), ("missing", missing)):
        unknown = [name for name in names if name not in maps]
        if unknown:
            message = f"{argument} names '{unknown[0]}', which is none of maps: {', '.join(maps)}"
            raise UsageError(message)


def _check_unit(regions: Regions, values: FloatArray, valid: BoolArray, measured: _Map) -> None:
    mask = regions.white_matter
    part = regions.lesion if mask is None else mask
    used = values[part][valid[part]]
    error = measured.unit.contradiction(measured.volume.name, used, tissue=mask is not None)
    if error is not None:
        raise error
