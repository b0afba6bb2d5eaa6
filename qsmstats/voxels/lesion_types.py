"""A transparent rule that proposes a lesion's type from its core, shell and ring on QSM.

It stands beside the raters and never overwrites them: `disputed_lesions` lists rated lesions whose
images disagree. With all values in standard deviations of NAWM, as `extract_features` gives them,
the first that holds of

1. paramagnetic rim: shell - core >= rim and shell - ring >= edge,
2. hypointense rim: core - shell >= rim and shell - ring <= level (it is not bright itself),
3. hyperintense: mean - ring >= level,
4. hypointense: ring - mean >= level,
5. isointense.

The score of a condition is by how much it is met: for a rim the smaller of its two differences.
The margin of a suggestion is the smallest change of any score that would alter it. A lesion
without a core cannot show a rim, and is judged by its mean alone. The types are the five of
data_schemas/lesions.schema.json: a study with types of its own gets no suggestions. The thresholds
are `qsmstats.settings.LesionTypeRule`.

Noise. A voxel's value varies by about one standard deviation of NAWM, so that the difference of
the means of a and b voxels has the standard error sqrt(1 / a + 1 / b). A rim must therefore also
stand out by `rim_noise` standard errors: beside a core of one or two voxels every shell looks like
one. A suggestion is decided where every difference that it rests on is `decided` standard errors
or more away from its threshold; what is not decided is a guess, and disputes no rater.
Neighbouring voxels of QSM are not independent, which makes the true standard errors larger than
these; partial volume draws shell and ring towards each other.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats, Places
from qsmstats.errors import UsageError
from qsmstats.settings import LesionTypeRule

__all__ = [
    "KNOWN_TYPES",
    "QSM",
    "disputed_lesions",
    "not_suggested",
    "suggest_lesion_types",
    "type_confusion",
]

QSM = "susceptibility_ppb"
# In the order in which they are asked for; the last one is what remains.
_ORDER = ("paramagnetic_rim", "hypointense_rim", "hyperintense", "hypointense", "isointense")
KNOWN_TYPES = (
    "isointense",
    "hypointense",
    "hyperintense",
    "hypointense_rim",
    "paramagnetic_rim",
)
"""What the rule can propose, in the order of data_schemas/lesions.schema.json."""
_EVIDENCE = ["shell_core_z", "shell_ring_z", "mean_ring_z"]
_COUNTS = ["n_valid", "n_shell", "n_core", "n_ring"]
_NEEDED = ["region", "map", "label", "z", "ring_z", "shell_core_z", "shell_ring_z", *_COUNTS]


def suggest_lesion_types(
    features: pd.DataFrame, *, rule: LesionTypeRule | None = None
) -> pd.DataFrame:
    """Propose a type for every lesion that was measured on QSM.

    Parameters
    ----------
    features
        Rows of `extract_features` or `extract_cohort`.
    rule
        Thresholds in standard deviations of NAWM; by default `LesionTypeRule()`.

    Returns
    -------
    DataFrame
        One row per lesion: participant_id and session_id where `features` has them, label,
        suggested_type (categorical in the schema's order; missing where NAWM or the ring is),
        margin (standard deviations of NAWM), margin_se (the smallest in standard errors), decided
        (whether that is at least `rule.decided`), basis ("rim and mean", or "mean" for lesions
        without a core) and the evidence shell_core_z, shell_ring_z and mean_ring_z.

    Raises
    ------
    UsageError
        If a column that the rule needs is not there.

    Examples
    --------
    >>> study = qs.open_study("demo/study")
    >>> features = qs.extract_cohort(study).features
    >>> list(qs.suggest_lesion_types(features).columns[3:6])
    ['suggested_type', 'margin', 'margin_se']
    """
    rule = rule or LesionTypeRule()
    missing = [name for name in _NEEDED if name not in features.columns]
    if missing:
        message = (
            f"features has no column '{missing[0]}'; the rule needs the full table of "
            "extract_features (basic=False)"
        )
        raise UsageError(message)
    keys = [name for name in ("participant_id", "session_id", "label") if name in features.columns]
    asked = (features["region"] == "lesion") & (features["map"] == QSM)
    rows = features.loc[asked, [*dict.fromkeys([*keys, *_NEEDED])]]
    result = rows[[*keys, "shell_core_z", "shell_ring_z"]].reset_index(drop=True)
    result["mean_ring_z"] = (rows["z"] - rows["ring_z"]).to_numpy()
    evidence = result[_EVIDENCE].to_numpy(dtype=np.float64)
    counts = rows[_COUNTS].to_numpy(dtype=np.float64)
    scores, noise = _scores(evidence, counts, rule)
    chosen, margin, margin_se = _decide(scores, noise)
    known = result["mean_ring_z"].notna()
    names = [_ORDER[i] if there else None for i, there in zip(chosen, known, strict=True)]
    result["suggested_type"] = pd.Categorical(names, categories=list(KNOWN_TYPES))
    result["margin"] = np.where(known, margin, np.nan)
    result["margin_se"] = np.where(known, margin_se, np.nan)
    result["decided"] = result["margin_se"] >= rule.decided
    result["basis"] = np.where(result["shell_core_z"].notna(), "rim and mean", "mean")
    return result[[*keys, "suggested_type", "margin", "margin_se", "decided", "basis", *_EVIDENCE]]


def not_suggested(types: Iterable[str]) -> str:
    """Say why a study with these types gets no suggestions."""
    return (
        f"the rule that suggests lesion types from QSM knows these five: {', '.join(KNOWN_TYPES)}; "
        f"it does nothing for a study with the types {', '.join(types)}"
    )


def disputed_lesions(
    features: pd.DataFrame, lesions: pd.DataFrame, *, rule: LesionTypeRule | None = None
) -> pd.DataFrame:
    """List the rated lesions for which the rule is decided on another type.

    Parameters
    ----------
    features
        Rows of `extract_cohort`.
    lesions
        Rated lesions: participant_id, session_id, label and lesion_type.
    rule
        As for `suggest_lesion_types`.

    Returns
    -------
    DataFrame
        Columns of `suggest_lesion_types` and lesion_type; the clearest disagreement (the largest
        margin in standard errors) first.

    Raises
    ------
    UsageError
        If lesions have other types than the five that the rule knows.
    """
    both = _beside_ratings(features, lesions, rule)
    differ = both["suggested_type"].astype("str") != both["lesion_type"].astype("str")
    disputed = both[differ & both["decided"]]
    return disputed.sort_values("margin_se", ascending=False, kind="stable", ignore_index=True)


def type_confusion(
    features: pd.DataFrame, lesions: pd.DataFrame, *, rule: LesionTypeRule | None = None
) -> pd.DataFrame:
    """Count how often the rule proposes each type for lesions that raters gave each type.

    Parameters
    ----------
    features, lesions, rule
        As for `disputed_lesions`.

    Returns
    -------
    DataFrame
        lesion_type, suggested_type, n, share of the lesions of that lesion_type, and n_decided;
        one row per pair of the schema's types, those that never occur among them.

    Raises
    ------
    UsageError
        As `disputed_lesions`.
    """
    types = KNOWN_TYPES
    both = _beside_ratings(features, lesions, rule)
    counts, decided = (
        pd.crosstab(rows["lesion_type"].astype("str"), rows["suggested_type"].astype("str"))
        .reindex(index=types, columns=types, fill_value=0)
        .to_numpy(dtype=np.int64)
        for rows in (both, both[both["decided"]])
    )
    n = counts.ravel()
    total = counts.sum(axis=1).repeat(len(types))
    pairs = [(rated, proposed) for rated in types for proposed in types]
    frame = pd.DataFrame(pairs, columns=["lesion_type", "suggested_type"])
    share = np.where(total > 0, n / np.maximum(total, 1), np.nan)
    return frame.assign(n=n, share=share, n_decided=decided.ravel())


def _beside_ratings(
    features: pd.DataFrame, lesions: pd.DataFrame, rule: LesionTypeRule | None
) -> pd.DataFrame:
    """Return the suggestions, where there is one, for the lesions that raters have given a type."""
    keys = ["participant_id", "session_id", "label"]
    types = list(map(str, lesions["lesion_type"].dropna().unique()))
    if not set(types) <= set(KNOWN_TYPES):
        raise UsageError(f"{not_suggested(types)}; compare suggest_lesion_types with them yourself")
    suggested = suggest_lesion_types(features, rule=rule)
    rated = lesions.loc[lesions["lesion_type"].notna(), [*keys, "lesion_type"]]
    both = suggested.merge(rated, on=keys, how="inner", validate="one_to_one")
    return both[both["suggested_type"].notna()]


def _scores(evidence: Floats, counts: Floats, rule: LesionTypeRule) -> tuple[Floats, Floats]:
    """Return how far each of the first four conditions is met, and the standard error of that.

    Shape (n, 4) each; from the evidence, shape (n, 3), and the voxels that it rests on (n, 4).
    """
    contrast, edge, level = evidence.T
    with np.errstate(divide="ignore"):
        whole, shell, core, ring = 1 / counts.T
    of_contrast, of_edge, of_level = np.sqrt([shell + core, shell + ring, whole + ring])
    with np.errstate(invalid="ignore"):  # without a core
        rim = np.maximum(rule.rim, rule.rim_noise * of_contrast)
        bright = np.stack([contrast - rim, edge - rule.edge])
        dark = np.stack([-contrast - rim, rule.level - edge])
    scores = [bright.min(axis=0), dark.min(axis=0), level - rule.level, -level - rule.level]
    noise = [np.where(pair[0] < pair[1], of_contrast, of_edge) for pair in (bright, dark)]
    return np.column_stack(scores), np.column_stack([*noise, of_level, of_level])


def _decide(scores: Floats, noise: Floats) -> tuple[Places, Floats, Floats]:
    """Return the number of the first condition that holds, its margin, and that in noise."""
    unknown = np.isnan(scores)
    scores = np.where(unknown, -np.inf, scores)
    holds = np.column_stack([scores >= 0, np.ones(len(scores), dtype=np.bool_)])
    chosen = holds.argmax(axis=1)
    # What came before must stay unmet, and the chosen one met, for the suggestion to stand.
    before = np.arange(scores.shape[1]) < chosen[:, None]
    own = np.arange(scores.shape[1]) == chosen[:, None]
    distances = np.where(before, -scores, np.where(own, scores, np.inf))
    in_noise = distances / np.where(unknown, 1.0, noise)
    return chosen, distances.min(axis=1), in_noise.min(axis=1)
