"""One row per region and map: what the maps say of each lesion and of the white matter.

Regions are the lesions of a label image and, where a white-matter mask is given, the white matter
as a whole and the normal-appearing white matter (NAWM): the mask at least `nawm_distance_mm` from
every lesion of every session. The NAWM is summed up by median m and s = 1.4826 MAD, which a few
lesions that nobody labelled do not move; z = (x - m) / s places a lesion's mean, shell, core and
ring against it. Statistics of groups: `qsmstats.voxels.kernels`; shapes:
`qsmstats.voxels.geometry`; layers and rings: `qsmstats.voxels.edge_distance`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from qsmstats.errors import UsageError
from qsmstats.settings import FeatureSettings
from qsmstats.voxels.feature_table import feature_types
from qsmstats.voxels.flags import RowFlags
from qsmstats.voxels.images import ImageSource, Volume, open_volume, require_same_grid
from qsmstats.voxels.kernels import MAD_TO_SD, describe
from qsmstats.voxels.maps import read_map
from qsmstats.voxels.profiles import measure_profiles, standardise
from qsmstats.voxels.region_rows import RegionRows, padded, region_rows
from qsmstats.voxels.regions import Regions, read_regions
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
        kept out of NAWM. On another grid, or where the image is damaged, they cannot be, which is
        flagged.
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
    declared = {name: map_unit(name, units) for name in maps}
    if basic:
        regions = read_regions(labels, None, (), None)
    else:
        regions = read_regions(labels, tissue, other_labels, settings or FeatureSettings())
    rows = region_rows(regions)
    measured = []
    for name, source in maps.items():
        volume = open_volume(source, name)
        require_same_grid(regions.reference, volume)
        one = _Map(name=name, volume=volume, unit=declared[name], missing=missing.get(name))
        measured.append(_measure(regions, rows, one))
    return _table(rows, measured)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Map:
    name: str
    volume: Volume
    unit: MapUnit
    missing: float | None


def _measure(regions: Regions, rows: RegionRows, one: _Map) -> dict[str, npt.NDArray[Any]]:
    """Read one map and return the columns that it fills, with one value per region."""
    white_matter = regions.white_matter
    values, valid, absent = read_map(
        one.volume,
        regions.kept,
        np.sort(regions.lesion) if white_matter is None else white_matter,
        unit=one.unit,
        missing=one.missing,
        tissue=white_matter is not None,
    )
    columns: dict[str, npt.NDArray[Any]] = dict(
        describe(
            np.take(values, rows.positions),
            rows.counts,
            None if absent is None else np.take(absent, rows.positions),
        )
    )
    if regions.layers is not None:
        profiles = measure_profiles(regions, values, valid)
        median, spread = _reference(columns, rows)
        means = {**profiles, "mean": columns["mean"][: rows.lesions]}
        profiles |= standardise(means, median, spread)
        columns |= {name: padded(column, len(rows.counts)) for name, column in profiles.items()}
    columns["map"] = np.full(len(rows.counts), one.name, dtype=object)
    columns["flags"] = np.array(rows.flags.join(_flags(columns, rows, one)), dtype=object)
    return columns


def _reference(columns: Mapping[str, Any], rows: RegionRows) -> tuple[float, float]:
    """Return median and 1.4826 MAD of the map in NAWM."""
    if rows.nawm_row is None:
        return np.nan, np.nan
    return columns["median"][rows.nawm_row], MAD_TO_SD * columns["mad"][rows.nawm_row]


def _flags(columns: Mapping[str, Any], rows: RegionRows, one: _Map) -> RowFlags:
    flags = RowFlags(len(rows.counts), one.volume.flags)
    flags.add("not_measured", columns["n_valid"] == 0)
    flags.add("partial_coverage", (columns["n_valid"] > 0) & (columns["coverage"] < 1))
    flags.add("nonfinite_values", columns["n_nonfinite"] > 0)
    schema = one.unit.schema
    if schema is not None:
        flags.add("out_of_range", (columns["min"] < schema.low) | (columns["max"] > schema.high))
    if rows.with_mask:
        measurable = columns["n_valid"][: rows.lesions] > 0
        flags.add("nawm_unusable", measurable & np.isnan(columns["z"][: rows.lesions]))
    return flags


def _table(rows: RegionRows, measured: Sequence[Mapping[str, npt.NDArray[Any]]]) -> pd.DataFrame:
    """Interleave the maps, so that those of a region stand together, in the schema's columns."""
    columns = {name: column.repeat(len(measured)) for name, column in rows.columns.items()}
    for name in measured[0]:
        columns[name] = np.stack([one[name] for one in measured], axis=1).ravel()
    types = {name: kind for name, kind in feature_types().items() if name in columns}
    return pd.DataFrame({name: columns[name] for name in types}).astype(types)


def _check_names(
    maps: Mapping[str, ImageSource], units: Mapping[str, str], missing: Mapping[str, float]
) -> None:
    if not maps:
        message = "maps is empty; give at least one, such as {'mwf_percent': 'mwf.nii.gz'}"
        raise UsageError(message)
    for argument, names in (("units", units), ("missing", missing)):
        unknown = [name for name in names if name not in maps]
        if unknown:
            message = (
                f"{argument} names '{unknown[0]}', which is none of maps; correct it to one of "
                f"{', '.join(maps)}"
            )
            raise UsageError(message)
