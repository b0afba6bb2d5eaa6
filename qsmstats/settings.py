"""What a study may set: layers of a lesion, models, mapping to pathology, questions of patients.

The values here are this project's defaults; study.toml states others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from qsmstats.method_names import Adjustment, DfMethod

__all__ = [
    "SCANNER",
    "CountFamily",
    "CountOffset",
    "FeatureSettings",
    "FolderSettings",
    "Harmonise",
    "HistologySettings",
    "LesionIds",
    "LesionTypeRule",
    "MatchingSettings",
    "ModelSettings",
    "PatientQuestion",
    "PatientSettings",
    "RaterSettings",
    "ScannerTerm",
    "StudyModel",
    "TableOneSettings",
    "Weights",
    "column_of",
]

LesionIds = Literal["consistent", "independent"]
PatientQuestion = Literal["counts", "groups", "shares", "lesions", "change"]
CountFamily = Literal["negative_binomial", "poisson"]
CountOffset = Literal["none", "lesions", "volume"]
ScannerTerm = Literal["by_number", "fixed", "random", "none"]
Harmonise = Literal["none", "combat", "longcombat"]
StudyModel = Literal["baseline", "tissue", "trajectory"]
Weights = str | tuple[str, ...]
SCANNER = "scanner"
"""Column of the participants or the sessions that says on which scanner images were made."""


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

    Examples
    --------
    >>> qs.FeatureSettings()
    FeatureSettings(shell_mm=2.0, ring_mm=2.0, nawm_distance_mm=4.0, layer_mm=1.0)
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

    Examples
    --------
    >>> qs.LesionTypeRule(decided=3.0).decided
    3.0
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
    weights
        Columns by which residual variances differ: one of categories (each has its own, estimated),
        one of numbers w (the variance is divided by w), or both; "lesion_type" for the baseline and
        the trajectory model alike, { tissue = "tissue" } for one model. A model with none stated
        has one residual variance if its formula is stated, and one for each lesion type if not.
    outcomes
        Maps and features of maps to analyse: "mwf_percent" for the mean of a map,
        "mwf_percent.median" for another feature; empty for the means of every map of the study.
    df, adjust, level
        Degrees of freedom, adjustment for the number of comparisons and confidence level.
    covariates
        Terms that are added to the formulas of the baseline and the trajectory model, such as
        "disease_duration" or "log(nfl)"; the default models keep what else they have.
    imputations
        Sets of imputed values for the answers that carry along what is not known: types that
        raters disagree on, and lesions without a later visit; 0 for none of these answers.
    scanner
        How the column `scanner` of the participants or the sessions enters the models, unless a
        formula has it: "fixed" or "random" effects, "by_number" for fixed effects of up to four
        scanners and random ones of more, or "none". Nothing where there is no such column.
    harmonise
        "longcombat" or "combat": the differences between types and their changes are answered from
        adjusted outcomes too, in models without the scanner, and shown beside the answers; "none"
        for none of these.

    Examples
    --------
    >>> settings = qs.ModelSettings(df="kenward-roger", level=0.9)
    >>> settings.tissue
    '{outcome} ~ tissue + age + sex + (1 | participant_id)'
    """

    baseline: str = (
        "{outcome} ~ lesion_type + age + sex + log(volume_mm3)"
        " + (1 | participant_id) + (1 | participant_id:lesion_type)"
    )
    tissue: str = "{outcome} ~ tissue + age + sex + (1 | participant_id)"
    trajectory: str = (
        "{outcome} ~ lesion_type * years + age + sex"
        " + (1 + years | participant_id) + (0 + years | participant_id:lesion_type)"
        " + (1 + years | participant_id:lesion_id)"
    )
    weights: Weights | Mapping[str, Weights] = field(default_factory=dict)
    outcomes: tuple[str, ...] = ()
    df: DfMethod = "satterthwaite"
    adjust: Adjustment = "mvt"
    level: float = 0.95
    covariates: tuple[str, ...] = ()
    imputations: int = 20
    scanner: ScannerTerm = "by_number"
    harmonise: Harmonise = "none"

    def weights_of(self, model: StudyModel) -> tuple[str, ...] | None:
        """Return the columns stated for a model; None where nothing was stated."""
        stated = self.weights
        if not isinstance(stated, Mapping):
            stated = {"baseline": stated, "trajectory": stated}
        columns = stated.get(model)
        return (columns,) if isinstance(columns, str) else columns

    def formula_of(self, model: StudyModel, outcome: str) -> str:
        """Return the formula of a model for an outcome, covariates included.

        White matter has none added: what is known of patients only would leave out all controls.
        """
        formula = getattr(self, model).replace("{outcome}", outcome)
        return " + ".join([formula, *(() if model == "tissue" else self.covariates)])

    def is_default(self, model: StudyModel) -> bool:
        """Whether the formula of a model, covariates aside, is this project's default."""
        return bool(getattr(self, model) == getattr(ModelSettings(), model))

    def changed(
        self,
        model: StudyModel,
        formula: str | None,
        weights: Weights | None,
        df: DfMethod | None = None,
    ) -> ModelSettings:
        """Return settings with another formula, weights or df for one model, where given."""
        of = {name: self.weights_of(name) for name in get_args(StudyModel)}
        of[model] = (
            of[model] if weights is None else (weights,) if isinstance(weights, str) else weights
        )
        own = {model: formula, "df": df}
        given: dict[str, Any] = {name: one for name, one in own.items() if one is not None}
        return replace(
            self, weights={name: one for name, one in of.items() if one is not None}, **given
        )


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

    Examples
    --------
    >>> settings = qs.HistologySettings(mapping={"chronic_active": ("paramagnetic_rim",)})
    >>> settings.mapping
    {'chronic_active': ('paramagnetic_rim',)}
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

    Examples
    --------
    >>> qs.RaterSettings(adjudicator="expert")
    RaterSettings(adjudicator='expert')
    """

    adjudicator: str = "adjudicator"


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientSettings:
    """What is asked of the patients; nothing is asked of columns that the tables do not have.

    Columns may be those of the participants table and those of the sessions table, of which the
    value at the first session counts; ``log(nfl)`` stands for the logarithm of a column.

    Attributes
    ----------
    questions
        "counts": numbers of lesions of each type by clinical variables; "groups": patients with
        none, few and many lesions of one type by clinical variables; "shares": disability by the
        share of each type; "lesions": the type of a lesion by disability; "change": the change
        of each map by disability.
    clinical
        Clinical variables; empty for EDSS, disease duration, age and sex, where there are any.
    disability
        Ordinal scale of the questions shares, lesions and change.
    covariates
        Columns that every regression is adjusted for, except for itself.
    grouped_type
        Lesion type of the question groups; empty for "paramagnetic_rim" or, in a study with types
        of its own, the first with a rim.
    cuts
        Least number of lesions of each group of patients above the first: [1, 4] for 0, 1 to 3,
        and 4 or more.
    family, offset
        Of the question counts: distribution; and whether rates are per lesion ("lesions") or per
        volume of lesions ("volume") of the patient.
    adjust
        Adjustment of the p-values of one analysis for their number.

    Examples
    --------
    >>> qs.PatientSettings(clinical=("edss", "log(nfl)")).clinical
    ('edss', 'log(nfl)')
    """

    questions: tuple[str, ...] = get_args(PatientQuestion)
    clinical: tuple[str, ...] = ()
    disability: str = "edss"
    covariates: tuple[str, ...] = ("age", "sex")
    grouped_type: str = ""
    cuts: tuple[int, ...] = (1, 4)
    family: CountFamily = "negative_binomial"
    offset: CountOffset = "none"
    adjust: Adjustment = "fdr_bh"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOneSettings:
    """What Table 1 holds beside age, sex, disease duration, EDSS, lesions and follow-up.

    Attributes
    ----------
    variables
        Further columns of the participants table and of the sessions table (of which the value at
        the first session counts), in this order; empty for all that are numbers or have few
        categories.
    median
        Columns given as median and quartiles though they are not skewed: ordinal scales.
    titles
        Column -> title in the table, with its unit.

    Examples
    --------
    >>> settings = qs.TableOneSettings(median=("sdmt",), titles={"sdmt": "SDMT (points)"})
    >>> settings.median
    ('sdmt',)
    """

    variables: tuple[str, ...] = ()
    median: tuple[str, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)


def column_of(name: str) -> str:
    """Return the column that a clinical variable is made from.

    >>> column_of("log(nfl)"), column_of("edss")
    ('nfl', 'edss')
    """
    return name[4:-1] if name.startswith("log(") and name.endswith(")") else name
