"""The truth behind a simulated study: every parameter, with its source.

The values of the maps follow the model of `qsmstats.simulate.maps`. A comment names the source of
each number; "assumption" marks what no source gives. [Rahmanzadeh] Ann Neurol 2022;92:486-502,
abstract; [pooled] counts, types, sizes and rater agreement pooled over published cohorts, the
counts from 5,081 lesions of 143 patients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from qsmstats.simulate.maps import MapParameters, mwf, ndi, susceptibility

__all__ = [
    "RIM_TYPES",
    "ClinicalParameters",
    "HistologyParameters",
    "LesionParameters",
    "Parameters",
    "RaterParameters",
]

RIM_TYPES = ("hypointense_rim", "paramagnetic_rim")


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionParameters:
    """How many lesions of which type and size, and what becomes of them.

    Attributes
    ----------
    count_mean, count_size, count_max
        Negative binomial of lesions per patient, cut to 1..count_max.
    shares
        Share of each type among lesions; a patient's own shares are Dirichlet around them.
    concentration
        Sum of the Dirichlet's parameters.
    diameter, diameter_log_sd
        Mean and log SD of the log-normal equivalent diameter in mm, by type.
    diameter_limits, rim_diameter_minimum
        Diameters outside are drawn again; a rim needs a core.
    log_volume_change, log_volume_change_sd
        Yearly change of a lesion's log volume by type, and its spread over one follow-up.
    vanished, new
        Probability that a lesion is gone, and mean number of new lesions, at the second session.
    transitions
        Type -> type at the second session -> probability per year. The lesion's maps go on as those
        of its first type, but for the contrast between rim and core.
    """

    count_mean: float = 35.5  # pooled
    count_size: float = 1.08  # pooled: median 23, quartiles 10 to 48
    count_max: int = 173  # pooled: the highest count seen
    shares: Mapping[str, float] = field(
        default_factory=lambda: {
            # pooled: 72.3, 19.3, 6.6 and 1.7 %, times 0.971 to make room for hypointense rims,
            # whose share nobody gives: 3 % is an assumption.
            "isointense": 0.702,
            "hypointense": 0.0165,
            "hyperintense": 0.1874,
            "hypointense_rim": 0.03,
            "paramagnetic_rim": 0.0641,
        }
    )
    concentration: float = 8.0  # half of the patients have a PRL (pooled); by simulation
    diameter: Mapping[str, float] = field(
        default_factory=lambda: {
            "isointense": 7.8,  # pooled
            "hypointense": 7.8,  # assumption: as isointense
            "hyperintense": 6.4,  # pooled
            "hypointense_rim": 9.5,  # assumption: between the others and PRL
            "paramagnetic_rim": 11.9,  # pooled
        }
    )
    diameter_log_sd: float = 0.25  # assumption
    diameter_limits: tuple[float, float] = (3.6, 24.0)  # assumption
    rim_diameter_minimum: float = 7.5  # assumption
    log_volume_change: Mapping[str, float] = field(
        default_factory=lambda: {
            # Assumption: lesions shrink a little, paramagnetic rim lesions expand.
            "isointense": -0.02,
            "hypointense": -0.02,
            "hyperintense": -0.01,
            "hypointense_rim": 0.0,
            "paramagnetic_rim": 0.02,
        }
    )
    log_volume_change_sd: float = 0.08  # assumption
    vanished: float = 0.04  # assumption
    new: float = 1.2  # assumption
    transitions: Mapping[str, Mapping[str, float]] = field(
        # Assumption: rims fade and appear, between types of nearly the same mean susceptibility.
        default_factory=lambda: {
            "isointense": {"hypointense_rim": 0.006},
            "hyperintense": {"paramagnetic_rim": 0.012},
            "hypointense_rim": {"isointense": 0.04},
            "paramagnetic_rim": {"hyperintense": 0.05},
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterParameters:
    """How two raters differ.

    The two never agree on a type that is not the consensus: at most one of them errs, and the
    adjudicator decides for the other. The consensus is hence the type that generates the values,
    and models of the consensus type estimate the truth without attenuation.

    Attributes
    ----------
    confusion
        Consensus type -> type that one of the two raters gives instead -> probability.
    """

    confusion: Mapping[str, Mapping[str, float]] = field(
        default_factory=lambda: {
            # Chosen so that kappa between raters for PRL against the rest is 0.69 (pooled): a PRL
            # is missed by one of the two with probability 0.29, and as many are wrongly called.
            # How the other types are confused is an assumption.
            "isointense": {
                "hypointense": 0.01,
                "hyperintense": 0.05,
                "hypointense_rim": 0.01,
                "paramagnetic_rim": 0.005,
            },
            "hypointense": {"isointense": 0.15, "hypointense_rim": 0.10},
            "hyperintense": {"isointense": 0.12, "paramagnetic_rim": 0.07},
            "hypointense_rim": {"isointense": 0.10, "hypointense": 0.10, "paramagnetic_rim": 0.06},
            "paramagnetic_rim": {"isointense": 0.01, "hyperintense": 0.26, "hypointense_rim": 0.02},
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HistologyParameters:
    """Post-mortem lesions: their classes, and how QSM sees each class.

    Within a brain, the shares of the classes and each row of `confusion` are Dirichlet around the
    values here, which makes lesions of one brain alike and leaves the population values as stated.

    Attributes
    ----------
    brains
        Lesions per brain.
    shares
        Share of each class.
    confusion
        Class -> index test -> probability.
    concentration
        Sum of the Dirichlets' parameters; lesions of a brain correlate by 1 / (concentration + 1).
    undecided
        Lesions on top whose index test or reference standard is missing or indeterminate.
    mwf_percent, rim_contrast_ppb
        Class -> mean of the measurement.
    brain_sd, lesion_sd
        Spread between brains and between lesions, for (mwf_percent, rim_contrast_ppb).
    """

    brains: tuple[int, ...] = (27, 21, 15)  # 63 lesions in 3 brains (Rahmanzadeh)
    shares: Mapping[str, float] = field(
        # Assumption, in the range in which the published percentages can nearly be met at once.
        default_factory=lambda: {
            "remyelinated": 0.50,
            "chronic_inactive": 0.35,
            "chronic_active": 0.15,
        }
    )
    confusion: Mapping[str, Mapping[str, float]] = field(
        default_factory=lambda: {
            # Sensitivity 0.89, 0.71, 0.93 and specificity 1.00, 0.92, 0.87: Rahmanzadeh's six
            # percentages (88.89, 71.43, 92.86; 100, 92.00, 86.36) to within a point.
            "remyelinated": {
                "isointense": 0.77,
                "hypointense": 0.12,
                "hyperintense": 0.08,
                "paramagnetic_rim": 0.03,
            },
            "chronic_inactive": {
                "hyperintense": 0.71,
                "hypointense_rim": 0.02,
                "paramagnetic_rim": 0.27,
            },
            "chronic_active": {"hyperintense": 0.07, "paramagnetic_rim": 0.93},
        }
    )
    concentration: float = 15.0  # assumption
    undecided: int = 6  # assumption
    mwf_percent: Mapping[str, float] = field(
        # Assumption, after the in vivo values of the types.
        default_factory=lambda: {
            "remyelinated": 6.5,
            "chronic_inactive": 3.6,
            "chronic_active": 3.4,
        }
    )
    rim_contrast_ppb: Mapping[str, float] = field(
        default_factory=lambda: {  # assumption
            "remyelinated": 0.0,
            "chronic_inactive": 4.0,
            "chronic_active": 18.0,
        }
    )
    brain_sd: tuple[float, float] = (0.4, 2.0)  # assumption
    lesion_sd: tuple[float, float] = (1.1, 6.0)  # assumption


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalParameters:
    """How disability and NfL depend on lesions; the model stands in `qsmstats.simulate.clinical`.

    All are assumptions, the references about the means of the simulated patients.

    Attributes
    ----------
    edss_prl, edss_mwf
        Points of EDSS per PRL, and per percent of the lesions' mean MWF.
    log_nfl_mean, log_nfl_age, log_nfl_prl, log_nfl_mwf, log_nfl_sd
        Log NfL (pg/mL) at the references, its change per year of age, per PRL and per percent of
        MWF, and its spread.
    prl_reference, most_prl, mwf_reference
        Number of PRL and MWF at which nothing is added, and number above which PRL add no more.
    """

    edss_prl: float = 0.15
    edss_mwf: float = -0.40
    log_nfl_mean: float = 2.4
    log_nfl_age: float = 0.022
    log_nfl_prl: float = 0.06
    log_nfl_mwf: float = -0.12
    log_nfl_sd: float = 0.35
    prl_reference: float = 2.0
    most_prl: int = 10
    mwf_reference: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Every true parameter of a simulated study.

    Attributes
    ----------
    maps, lesions, raters, histology, clinical
        Parameters of each part.
    age_mean, age_sd, age_limits
        Normal age at the first session by group, drawn again outside the limits.
    female
        Probability of female sex by group.
    interval_mean, interval_sd, interval_limits
        Years to the second session.
    failed_voxels
        Share of brain voxels in which the MWF fit fails and writes 0.
    """

    maps: Mapping[str, MapParameters] = field(
        default_factory=lambda: {
            "susceptibility_ppb": susceptibility(),
            "mwf_percent": mwf(),
            "ndi": ndi(),
        }
    )
    lesions: LesionParameters = field(default_factory=LesionParameters)
    raters: RaterParameters = field(default_factory=RaterParameters)
    histology: HistologyParameters = field(default_factory=HistologyParameters)
    clinical: ClinicalParameters = field(default_factory=ClinicalParameters)
    age_mean: Mapping[str, float] = field(default_factory=lambda: {"HC": 38.0, "MS": 45.0})
    age_sd: float = 12.0  # assumption, as the means above and the limits below
    age_limits: tuple[float, float] = (19.0, 75.0)
    female: Mapping[str, float] = field(default_factory=lambda: {"HC": 0.57, "MS": 0.65})
    interval_mean: float = 2.0  # Rahmanzadeh: two years
    interval_sd: float = 0.15  # assumption, as the limits
    interval_limits: tuple[float, float] = (1.6, 2.6)
    failed_voxels: float = 0.003  # assumption
