"""The truth of a simulated study, as the numbers that each default model estimates.

The models of `qsmstats.settings.ModelSettings` differ in what they adjust for, hence in their
truth:

- baseline adjusts for log volume: the difference of two types is that of their means, and the
  residual holds region and session.
- tissue and trajectory do not: the difference of two types includes the volume effect times the
  difference of their mean log volumes, which are those of the lesions drawn. The lesion's random
  intercept of the trajectory model includes the spread of the volume effect within types.

Contrasts are named and ordered as the analysis does ("a - b", levels in the schema's order), at
baseline; slopes are per year, changes hold over two years.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from qsmstats.schemas import load_schema
from qsmstats.settings import HistologySettings
from qsmstats.simulate.histology import true_accuracy
from qsmstats.simulate.maps import CONTROL_TISSUE, PATIENT_TISSUE, VOLUME_REFERENCE, MapParameters
from qsmstats.simulate.parameters import Parameters
from qsmstats.simulate.ratings import true_kappa
from qsmstats.simulate.records import ParticipantRecord

__all__ = ["map_truth", "study_truth"]

TWO_YEARS = 2.0
DEFINITION = (
    "Values in canonical units. regions: the mean over the measured voxels of each region at each "
    "session is this value, up to the rounding of stored voxels; region white_matter is the white "
    "matter of a control, or a patient's that is at least 4 mm from every lesion of any session. "
    "maps: what each default model estimates; contrasts of baseline, tissue and trajectory are at "
    "the first session. histology: accuracy of a random lesion of a random brain under the default "
    "mapping. The lesion type is the consensus of the raters, without error; that of regions is the"
    " type at the first session, by which the values are drawn. transitions: rates per 100"
    " lesion-years of lesions of both sessions; what vanishes, and how many are new, between two"
    " sessions. clinical: coefficients of EDSS (before it is rounded) and of log NfL."
)


def map_truth(
    truth: MapParameters,
    first: Mapping[str, Sequence[float]],
    followed: Mapping[str, Sequence[float]],
) -> dict[str, Any]:
    """Return what the baseline, tissue and trajectory models estimate of one map.

    Parameters
    ----------
    truth
        Parameters of the map.
    first, followed
        Lesion type -> log volumes (mm³) of the lesions of all first sessions, and of all lesions of
        patients with a second session. A type without lesions has no truth in that model.
    """
    terms = {"age": truth.age, "sex M": truth.male}
    between = truth.participant_sd**2
    residual = truth.region_sd**2 + truth.session_sd**2
    white = [CONTROL_TISSUE, PATIENT_TISSUE]
    types = _types(first)
    tissue = {name: truth.means[name] for name in white} | _shifted(truth, first)
    trajectory = _shifted(truth, followed)
    slopes = {name: truth.slopes[name] for name in trajectory}
    return {
        "baseline": {
            "means": {name: truth.means[name] for name in types},
            "contrasts": _differences({name: truth.means[name] for name in types}),
            "terms": terms | {"log(volume_mm3)": truth.log_volume},
            "variances": {"participant_id": between, "residual": residual},
        },
        "tissue": {
            "means": tissue,
            "contrasts": _differences(tissue),
            "terms": terms,
            "variances": {"participant_id": between, "residual": residual},
        },
        "trajectory": {
            "means": trajectory,
            "contrasts": _differences(trajectory),
            "terms": terms,
            "slopes": slopes,
            "slope_contrasts": _differences(slopes),
            "two_year_changes": {name: TWO_YEARS * slope for name, slope in slopes.items()},
            "variances": {
                "participant_id": between,
                "participant_id years": truth.slope_sd**2,
                "participant_id correlation": truth.correlation,
                "participant_id:lesion_id": truth.region_sd**2 + _spread(truth, followed),
                "residual": truth.session_sd**2,
            },
        },
    }


def _types(log_volumes: Mapping[str, Sequence[float]]) -> list[str]:
    levels = load_schema("lesions").column("lesion_type").levels
    return [name for name in levels if log_volumes.get(name)]


def _shifted(truth: MapParameters, log_volumes: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the mean of each type at its own mean log volume."""
    return {
        name: truth.means[name]
        + truth.log_volume * (float(np.mean(log_volumes[name])) - np.log(VOLUME_REFERENCE))
        for name in _types(log_volumes)
    }


def _spread(truth: MapParameters, log_volumes: Mapping[str, Sequence[float]]) -> float:
    """Return the variance within types that the volume effect leaves in the intercepts."""
    centred = [
        value - np.mean(log_volumes[name])
        for name in _types(log_volumes)
        for value in log_volumes[name]
    ]
    return truth.log_volume**2 * float(np.mean(np.square(centred))) if centred else 0.0


def _differences(means: Mapping[str, float]) -> dict[str, float]:
    return {f"{a} - {b}": means[a] - means[b] for a, b in combinations(means, 2)}


def study_truth(
    parameters: Parameters, records: Sequence[ParticipantRecord], *, seed: int
) -> dict[str, Any]:
    """Return everything that is true of a simulated study, ready for JSON."""
    regions = [row for record in records for row in record.regions]
    first = _log_volumes([row for row in regions if row["session_id"] == "ses-01"])
    followed = _log_volumes(
        [row for record in records if record.sessions > 1 for row in record.regions]
    )
    shares = parameters.lesions.shares
    return {
        "definition": DEFINITION,
        "seed": seed,
        "maps": {
            name: map_truth(truth, first, followed) for name, truth in parameters.maps.items()
        },
        "histology": true_accuracy(parameters.histology, HistologySettings().mapping),
        "raters": {
            "kappa": true_kappa(parameters.raters, shares),
            "kappa paramagnetic_rim": true_kappa(parameters.raters, shares, "paramagnetic_rim"),
        },
        "transitions": {
            "per_100_lesion_years": {
                name: {later: 100.0 * rate for later, rate in others.items()}
                for name, others in parameters.lesions.transitions.items()
            },
            "vanished": parameters.lesions.vanished,
            "new": parameters.lesions.new,
        },
        "clinical": asdict(parameters.clinical),
        "lesions_left_out": sum(record.left_out for record in records),
        "values_lifted": sum(record.lifted for record in records),
        "parameters": asdict(parameters),
        "regions": regions,
    }


def _log_volumes(regions: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Collect the log volumes of lesions, each lesion once, by type."""
    lesions = {
        (row["participant_id"], row["region"]): row for row in regions if "lesion_type" in row
    }
    found: dict[str, list[float]] = {}
    for row in lesions.values():
        found.setdefault(row["lesion_type"], []).append(row["log_volume"])
    return found
