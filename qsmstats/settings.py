"""What a study may set: layers of a lesion, models, and the mapping to pathology.

The values here are this project's defaults; study.toml states others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from qsmstats.method_names import Adjustment, DfMethod

__all__ = [
    "FeatureSettings",
    "FolderSettings",
    "HistologySettings",
    "LesionIds",
    "LesionTypeRule",
    "MatchingSettings",
    "ModelSettings",
    "RaterSettings",
]

LesionIds = Literal["consistent", "independent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSettings:
    """What the study may read.

    Attributes
    ----------
    outside
        Whether images, tables and sidecars may lie outside the study folder, by ``../``, an
        absolute path or a symbolic link. Set it for folders that you trust only.
    """

    outside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSettings:
    """Distances in mm that divide a lesion and its surroundings into layers.

    Attributes
    ----------
    shell_mm
        The outer shell: lesion voxels at most this far inside the lesion's edge. 2 mm is about the
        width of a paramagnetic rim on 3 T QSM, and one voxel at 2 mm.
    ring_mm
        Width of the perilesional ring outside the edge.
    nawm_distance_mm
        Normal-appearing white matter starts this far from every lesion of the participant.
    layer_mm
        Depth of one layer of the layer profile.
    """

    shell_mm: float = 2.0
    ring_mm: float = 2.0
    nawm_distance_mm: float = 4.0
    layer_mm: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingSettings:
    """Which lesion of one session is which lesion of the next.

    Attributes
    ----------
    lesion_ids
        "consistent": a lesion has the same `lesion_id` at every session of its participant.
        "independent": each session was labelled on its own, so that equal identifiers mean
        nothing; lesions are then matched by their voxels (`qsmstats.match_visits`).
    min_overlap
        Share of the smaller lesion that two lesions must have in common to be matched.
    """

    lesion_ids: LesionIds = "consistent"
    min_overlap: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionTypeRule:
    """Thresholds of `suggest_lesion_types`, in standard deviations of NAWM (1.4826 MAD) on QSM.

    They are this project's choice, changed once after a simulated study: with 5 ppb for one
    standard deviation of NAWM (an assumption), 1 is midway between lesions like NAWM
    (0.5 ppb above it) and bright shells (10.2 ppb above it; Zhang 2016).

    Attributes
    ----------
    rim
        Shell minus core, or core minus shell, of a lesion with a rim.
    edge
        Shell minus ring of a paramagnetic rim, which stands out against both of its sides.
    level
        Mean minus ring of a hyperintense lesion, ring minus mean of a hypointense one; the shell
        of a hypointense rim is less than this above the ring.
    rim_noise
        Standard errors that a rim must stand out by, too. At 3, noise draws a rim of either kind
        on 1 of 370 lesions, that is on less than one per ten patients with 35 lesions each; at 2,
        on 1 of 22.
    decided
        Standard errors by which the evidence must differ from a threshold for a suggestion to be
        decided.
    """

    rim: float = 1.0
    edge: float = 0.25
    level: float = 1.0
    rim_noise: float = 3.0
    decided: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """The models of the three studies; the values here are this project's defaults.

    Attributes
    ----------
    baseline
        Lesions of the first session of each participant.
    tissue
        The same lesions beside their participant's normal-appearing white matter and the white
        matter of controls (column `tissue`).
    trajectory
        Lesions of every session of participants with at least two.
    outcomes
        Maps and features of maps to analyse: "mwf_percent" for the mean of a map,
        "mwf_percent.median" for another feature; empty for the means of every map of the study.
    df, adjust, level
        Degrees of freedom, adjustment for the number of comparisons and confidence level.
    imputations
        Sets of imputed values for the answers that carry along what is not known: types that
        raters disagree on, and lesions without a later visit; 0 for none of these answers.
    """

    baseline: str = "{outcome} ~ lesion_type + age + sex + log(volume_mm3) + (1 | participant_id)"
    tissue: str = "{outcome} ~ tissue + age + sex + (1 | participant_id)"
    trajectory: str = (
        "{outcome} ~ lesion_type * years + age + sex"
        " + (1 + years | participant_id) + (1 | participant_id:lesion_id)"
    )
    outcomes: tuple[str, ...] = ()
    df: DfMethod = "satterthwaite"
    adjust: Adjustment = "mvt"
    level: float = 0.95
    imputations: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HistologySettings:
    """Which levels of the index test, and which values, stand for which class of pathology.

    Attributes
    ----------
    mapping
        Reference class -> levels of the index test that predict it; none where no level does.
    unmapped
        What a level not mapped to any class counts as: "exclude" or "negative".
    high_in
        Continuous feature of the histology table -> classes that its high values speak for; low
        values speak for every other class.
    """

    mapping: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            "remyelinated": ("isointense", "hypointense"),
            "chronic_inactive": ("hyperintense",),
            "chronic_active": ("paramagnetic_rim",),
        }
    )
    unmapped: str = "negative"
    high_in: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            "mwf_percent": ("remyelinated",),
            "rim_contrast_ppb": ("chronic_active",),
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterSettings:
    """How the ratings of a lesion become its consensus.

    Attributes
    ----------
    adjudicator
        Name of the rater who decides where the others disagree; left out of their agreement.
    """

    adjudicator: str = "adjudicator"
