"""One row per region and map: the statistics of each lesion and of the white matter.

Regions are the lesions of a label image and, where a white-matter mask is given, the white matter
as a whole and the normal-appearing white matter (NAWM): the mask at least `nawm_distance_mm` from
every lesion of every session. The NAWM is described by its median m and s = 1.4826 MAD, which a
few unlabelled lesions hardly change; z = (x - m) / s compares a lesion's mean, shell, core and ring
with it. Statistics of groups: `qsmstats.voxels.kernels`; shapes:
`qsmstats.voxels.geometry`; layers and rings: `qsmstats.voxels.edge_distance`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from qsmstats.errors import UsageError
from qsmstats.settings import FeatureSettings
from qsmstats.voxels.feature_table import RowFlags, feature_types
from qsmstats.voxels.images import ImageSource, Volume, open_volume, require_same_grid
from qsmstats.voxels.kernels import MAD_TO_SD, describe
from qsmstats.voxels.labels import LabelSource, TissueSource
from qsmstats.voxels.maps import read_map
from qsmstats.voxels.profiles import measure_profiles, standardise
from qsmstats.voxels.region_rows import RegionRows, padded, region_rows
from qsmstats.voxels.regions import Regions, read_regions
from qsmstats.voxels.units import MapUnit, map_unit

__all__ = ["extract_features"]


def extract_features(
    labels: LabelSource | None,
    maps: Mapping[str, ImageSource],
    *,
    tissue: TissueSource | None = None,
    other_labels: Sequence[LabelSource] = (),
    units: Mapping[str, str] | None = None,
    missing: Mapping[str, float] | None = None,
    plausible: Mapping[str, Sequence[float]] | None = None,
    volumes: Mapping[str, int] | None = None,
    settings: FeatureSettings | None = None,
    basic: bool = False,
) -> pd.DataFrame:
    """Measure every lesion of a label image on every map.

    Parameters
    ----------
    labels
        Label image: 0 outside lesions, one whole number per lesion; or `LabelFiles`
        (`qsmstats.voxels.labels`) for other forms. None where there are no lesions to measure.
    maps
        Name -> map. Names that the schema knows (``susceptibility_ppb``, ``mwf_percent``,
        ``ndi``) carry a unit, to which the map is converted and against which its values are
        checked; maps of other names keep the values of their files.
    tissue
        White-matter mask, or a `TissueFile` for a parcellation; gives the rows "white_matter" and
        "nawm", and confines the rings.
    other_labels
        Label images of the participant's other sessions, on the same grid: their lesions are
        excluded from NAWM. Where the grid differs or the image is damaged they cannot be, which
        is flagged.
    units
        Name of a map -> unit of its stored values; by default the canonical one.
    missing
        Name of a map -> stored value that means "not measured".
    plausible
        Name of a map that the schema does not know -> lowest and highest plausible value. White
        matter (or lesions, without a mask) whose median lies outside is an error; rows with single
        values outside are flagged.
    volumes
        Name of a map -> number, from 0, of its volume in an image of several.
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
        If no map is given, a unit, missing value, range or volume is given for a map that is not
        there, or a unit or range that a known map does not have.

    Examples
    --------
    >>> import nibabel as nib, numpy as np
    >>> labels, mwf = np.zeros((9, 9, 9), "int16"), np.full((9, 9, 9), 12.0)
    >>> labels[3:6, 3:6, 3:6], mwf[3:6, 3:6, 3:6] = 1, 7.0
    >>> image = lambda values: nib.Nifti1Image(values, np.eye(4))
    >>> maps, units = {"mwf_percent": image(mwf)}, {"mwf_percent": "percent"}
    >>> features = qs.extract_features(image(labels), maps, units=units)
    >>> float(features.loc[0, "mean"])
    7.0
    """
    units, missing, volumes, plausible = units or {}, missing or {}, volumes or {}, plausible or {}
    if not maps:
        message = "maps is empty; give at least one, such as {'mwf_percent': 'mwf.nii.gz'}"
        raise UsageError(message)
    named = {"units": units, "missing": missing, "plausible": plausible, "volumes": volumes}
    for argument, names in named.items():
        unknown = [name for name in names if name not in maps]
        if unknown:
            message = (
                f"{argument} names '{unknown[0]}', which is not in maps; correct it to one of "
                f"{', '.join(maps)}"
            )
            raise UsageError(message)
    declared = {name: map_unit(name, units, plausible) for name in maps}
    if basic:
        regions = read_regions(labels, None, (), None)
    else:
        regions = read_regions(labels, tissue, other_labels, settings or FeatureSettings())
    rows = region_rows(regions)
    measured = []
    for name, source in maps.items():
        volume = open_volume(source, name, volumes.get(name))
        require_same_grid(regions.reference, volume)
        columns = _measure(regions, rows, volume, declared[name], missing.get(name))
        measured.append({**columns, "map": np.full(len(rows.counts), name, dtype=object)})
    # The maps of a region stand together, in the columns of the schema.
    table = {name: column.repeat(len(measured)) for name, column in rows.columns.items()}
    for name in measured[0]:
        table[name] = np.stack([one[name] for one in measured], axis=1).ravel()
    types = {name: kind for name, kind in feature_types().items() if name in table}
    return pd.DataFrame({name: table[name] for name in types}).astype(types)


def _measure(
    regions: Regions, rows: RegionRows, volume: Volume, unit: MapUnit, missing: float | None
) -> dict[str, npt.NDArray[Any]]:
    """Read one map and return the columns that it fills, with one value per region."""
    white_matter = regions.white_matter
    values, valid, absent = read_map(
        volume,
        regions.kept,
        np.sort(regions.lesion) if white_matter is None else white_matter,
        unit=unit,
        missing=missing,
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
        median = spread = np.nan
        if rows.nawm_row is not None:
            median = columns["median"][rows.nawm_row]
            spread = MAD_TO_SD * columns["mad"][rows.nawm_row]
        means = {**profiles, "mean": columns["mean"][: rows.lesions]}
        profiles |= standardise(means, median, spread)
        columns |= {name: padded(column, len(rows.counts)) for name, column in profiles.items()}
    flags = RowFlags(len(rows.counts), volume.flags)
    flags.add("not_measured", columns["n_valid"] == 0)
    flags.add("partial_coverage", (columns["n_valid"] > 0) & (columns["coverage"] < 1))
    flags.add("nonfinite_values", columns["n_nonfinite"] > 0)
    low, high = unit.schema.low, unit.schema.high
    flags.add("out_of_range", (columns["min"] < low) | (columns["max"] > high))
    if white_matter is not None:
        measurable = columns["n_valid"][: rows.lesions] > 0
        flags.add("nawm_unusable", measurable & np.isnan(columns["z"][: rows.lesions]))
    columns["flags"] = np.array(rows.flags.join(flags), dtype=object)
    return columns
