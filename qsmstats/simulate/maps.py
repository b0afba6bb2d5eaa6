"""What each map shows of each tissue: the model of the values, and its true parameters.

One model generates what a region (a lesion, the normal-appearing white matter of a patient, the
white matter of a control) shows on one map, in the map's canonical unit:

    y = mean[tissue] + slope[tissue] * t + age * (A - 45) + male * [sex is M]
        + log_volume * (log V - log 250) + u + v * t + w + e

with t the years since the first session, A the age at the first session and V the lesion's volume
in mm³ at the first session that shows it (white matter has no volume term). The random parts are
independent between participants, regions and sessions and normal: (u, v) of the participant, w of
the region, e of the region at one session. y is the mean over the region's measured voxels, exactly
up to the rounding of stored values: what varies between the voxels of a region has mean zero.

A comment names the source of each number; "assumption" marks what no source gives. Sources:
[Rahmanzadeh] Ann Neurol 2022;92:486-502, abstract; [Laule] J Neurol 2004;251:284-293;
[Yu] axonal volume fractions in lesions, 2019; [Zhang] QSM of shell and nodular lesions, 2016;
[Chen] QSM of chronic lesions, 2014; [pooled] counts and types of 5,081 lesions of 143 patients,
pooled over published cohorts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "AGE_REFERENCE",
    "CONTROL_TISSUE",
    "PATIENT_TISSUE",
    "VOLUME_REFERENCE",
    "MapParameters",
    "mwf",
    "ndi",
    "susceptibility",
]

CONTROL_TISSUE = "hc_white_matter"
PATIENT_TISSUE = "nawm"
AGE_REFERENCE = 45.0
VOLUME_REFERENCE = 250.0
"""Age in years and volume in mm³ at which `MapParameters.means` hold, for women."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapParameters:
    """Truth of one map, in its canonical unit.

    Attributes
    ----------
    means, slopes
        Mean at the reference covariates and change per year, by tissue.
    age, male, log_volume
        Effects of one year of age, of male sex, and of one unit of log volume.
    participant_sd, slope_sd, correlation
        Random intercept (u) and slope per year (v) of the participant, and their correlation.
    region_sd, session_sd
        Random intercept of the region (w) and what changes from one session to the next (e).
    contrasts
        Mean of the outer shell minus mean of the core, by lesion type, before voxel noise.
    voxel_sd
        Spread of the voxels within a region.
    relative
        Whether `contrasts` and `voxel_sd` are shares of the region's mean. Such maps are positive
        in every voxel without any clipping.
    grey_matter, fluid
        Values outside white matter; no analysis reads them.
    iron
        Share of the deep grey nuclei's iron that the map shows; no analysis reads it.
    texture
        Change of white matter by one unit of the T1 image's local deviation, share or value.
    step
        Step of the stored values.
    """

    means: Mapping[str, float]
    slopes: Mapping[str, float]
    age: float
    male: float
    log_volume: float
    participant_sd: float
    slope_sd: float
    correlation: float
    region_sd: float
    session_sd: float
    contrasts: Mapping[str, float]
    voxel_sd: float
    relative: bool
    grey_matter: float
    fluid: float
    iron: float
    texture: float
    step: float


def mwf() -> MapParameters:
    """Truth of the myelin water fraction, percent."""
    # Lesion means of about 0.1 to 12 %: the floor of values.least_value is met by about one
    # PRL in 10,000 and by fewer of the other types, so that it biases no mean noticeably.
    return MapParameters(
        means={
            CONTROL_TISSUE: 11.4,  # Laule
            PATIENT_TISSUE: 9.4,  # Laule: 16 % below controls; 9.4 as measured
            # Mean over lesions 4.8, 52 % of NAWM (Laule); hypo-/isointense above the other types
            # (Rahmanzadeh); the distances between types are an assumption.
            "isointense": 5.2,
            "hypointense": 6.0,
            "hyperintense": 3.9,
            "hypointense_rim": 4.1,
            "paramagnetic_rim": 3.6,
        },
        slopes={
            CONTROL_TISSUE: 0.0,  # assumption
            PATIENT_TISSUE: 0.0,  # assumption
            # Hypo-/isointense lesions rise (Rahmanzadeh); all sizes are an assumption.
            "isointense": 0.15,
            "hypointense": 0.20,
            "hyperintense": -0.02,
            "hypointense_rim": -0.02,
            "paramagnetic_rim": -0.06,
        },
        age=-0.012,  # assumption
        male=-0.10,  # assumption
        log_volume=-0.10,  # assumption: larger lesions are more damaged
        # Rescan correlation of regions of lesion size 0.89; with session_sd, total variance
        # 0.50² + 0.68² + 0.30² = 0.80 and 1 - 0.09 / 0.80 = 0.89. The split is an assumption.
        participant_sd=0.50,
        slope_sd=0.06,  # assumption
        correlation=-0.2,  # assumption
        region_sd=0.68,
        session_sd=0.30,  # 6 % of a lesion's mean: within 4.5 to 18 % of regions
        contrasts={
            # Share of the lesion's mean, shell minus core; assumption: myelin is lost from the
            # centre, and remyelination starts at the edge.
            "isointense": 0.10,
            "hypointense": 0.15,
            "hyperintense": 0.15,
            "hypointense_rim": 0.25,
            "paramagnetic_rim": 0.10,
        },
        voxel_sd=0.18,  # assumption
        relative=True,
        grey_matter=3.2,  # assumption
        fluid=0.4,  # assumption
        iron=0.0,
        texture=0.5,  # assumption
        step=0.005,
    )


def ndi() -> MapParameters:
    """Truth of the neurite density index, fraction."""
    return MapParameters(
        means={
            CONTROL_TISSUE: 0.60,  # assumption
            PATIENT_TISSUE: 0.56,  # assumption
            # Mean over lesions 0.74 of NAWM (Yu); order of types as for MWF (Rahmanzadeh).
            "isointense": 0.43,
            "hypointense": 0.46,
            "hyperintense": 0.37,
            "hypointense_rim": 0.38,
            "paramagnetic_rim": 0.34,
        },
        slopes={
            CONTROL_TISSUE: 0.0,  # assumption
            PATIENT_TISSUE: 0.0,  # assumption
            # No published two-year change of NDI by type: assumption.
            "isointense": 0.002,
            "hypointense": 0.003,
            "hyperintense": -0.002,
            "hypointense_rim": -0.002,
            "paramagnetic_rim": -0.006,
        },
        age=-0.0006,  # assumption
        male=0.004,  # assumption
        log_volume=-0.006,  # assumption
        participant_sd=0.022,  # assumption, as the three below
        slope_sd=0.003,
        correlation=-0.2,
        region_sd=0.035,
        session_sd=0.014,
        contrasts={
            # Share of the lesion's mean, shell minus core; assumption.
            "isointense": 0.08,
            "hypointense": 0.08,
            "hyperintense": 0.10,
            "hypointense_rim": 0.12,
            "paramagnetic_rim": 0.12,
        },
        voxel_sd=0.07,  # assumption
        relative=True,
        grey_matter=0.40,  # assumption
        fluid=0.04,  # assumption
        iron=0.0,
        texture=0.5,  # assumption
        step=0.0005,
    )


def susceptibility() -> MapParameters:
    """Truth of the magnetic susceptibility, ppb."""
    nawm = -22.0  # assumption: white matter is diamagnetic against whole-brain reference
    return MapParameters(
        means={
            CONTROL_TISSUE: -25.0,  # assumption: more myelin, more diamagnetic
            PATIENT_TISSUE: nawm,
            "isointense": nawm + 0.5,  # Zhang, nodular: 0.5 ± 4.4 against NAWM
            "hypointense": nawm - 10.0,  # assumption
            "hyperintense": nawm + 9.0,  # assumption; all chronic lesions 4.7 ± 3.2 (Chen)
            "hypointense_rim": nawm + 1.0,  # assumption
            "paramagnetic_rim": nawm + 10.2,  # Zhang, shell: 10.2 ± 5.4
        },
        slopes={
            CONTROL_TISSUE: 0.0,  # assumption
            PATIENT_TISSUE: 0.0,  # assumption
            # No published change by type in the sources at hand: assumption.
            "isointense": -0.2,
            "hypointense": -0.3,
            "hyperintense": 0.2,
            "hypointense_rim": 0.0,
            "paramagnetic_rim": -0.5,
        },
        age=0.03,  # assumption
        male=0.3,  # assumption
        log_volume=0.3,  # assumption
        participant_sd=1.6,  # assumption; with region_sd and session_sd a lesion differs from its
        slope_sd=0.25,  # participant's NAWM by 4.6 ppb SD, as in Zhang (4.4 to 5.4)
        correlation=0.0,
        region_sd=3.0,
        session_sd=1.2,
        contrasts={
            # ppb, shell minus core; assumption. A bright rim makes a PRL, a dark one a hypointense
            # rim.
            "isointense": 0.0,
            "hypointense": 2.0,
            "hyperintense": -4.0,
            "hypointense_rim": -16.0,
            "paramagnetic_rim": 20.0,
        },
        voxel_sd=5.0,  # assumption
        relative=False,
        grey_matter=6.0,  # assumption
        fluid=0.0,  # assumption
        iron=1.0,
        texture=-20.0,  # assumption
        step=0.1,
    )
