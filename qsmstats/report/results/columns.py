"""The columns that the page reads by name, for each table of results.

A table that an older version wrote may lack some of them; it is refused when it is read
(`Results.table`), so that no section asks again. Columns that are only shown are not listed.
"""

from __future__ import annotations

import re

__all__ = ["is_read", "needed"]

_ESTIMATES = ("estimate", "std_error", "conf_low", "conf_high", "p_value")
_SCALE = ("outcome", "quantity", "unit")
_CONTRASTS = (*_SCALE, "null", "first", "second", *_ESTIMATES)
_IMPUTED = (*("plain_estimate", "plain_conf_low", "plain_conf_high", "plain_p_value"), "fmi")
_LESIONS = ("participant_id", "session_id", "lesion_id", "lesion_type")

# Tables of one name hold the same columns, whichever study they answer.
_OF_MODELS = {
    "contrasts": _CONTRASTS,
    "slope_contrasts": _CONTRASTS,
    "means": (*_SCALE, "level", *_ESTIMATES[:-1]),
    "slopes": (*_SCALE, "null", "lesion_type", *_ESTIMATES),
    "changes": (*_SCALE, "first", "second"),
    "residuals": ("outcome", "level", "value", "fitted", "residual"),
    "random_effects": ("outcome", "group", "term", "estimate"),
    "anova": ("outcome", "term", "num_df", "den_df", "statistic", "p_value"),
    "coefficients": ("outcome", "term"),
    "variances": ("outcome", "group", "term", "std_dev"),
    "models": ("outcome", "formula", "n_obs", "n_groups", "converged", "singular", "messages"),
    "checks": ("outcome", "check", "p_adjusted", "failed", "meaning"),
    "notes": ("outcome", "note"),
    "flow": ("outcome",),
}
_OF_ONE_STUDY = {
    "tidy": (
        *(*_LESIONS, "label", "years", "volume_mm3"),
        *("centroid_x", "centroid_y", "centroid_z"),
    ),
    "features": (*_LESIONS[:2], "region", "label", "map", "median", "n_core", "ring_mean"),
    "failures": ("participant_id", "session_id", "file", "reason"),
    "cohort/flow": ("stage", "n_participants", "n_sessions", "n_lesions"),
    "cohort/table_one": (
        *("variable", "level", "statistic", "HC", "MS", "followed", "not_followed"),
        *("missing_HC", "missing_MS", "missing_followed", "missing_not_followed"),
        *("standardised_difference", "standardised_difference_followed"),
    ),
    "cohort/scanners": ("scanner", "group", "n_participants", "n_sessions"),
    **dict.fromkeys(
        (
            *("baseline_harmonised/contrasts", "trajectory_harmonised/slope_contrasts"),
            "trajectory_harmonised/slopes",
        ),
        (*_SCALE, "null", *_ESTIMATES, *_IMPUTED[:-1]),
    ),
    "trajectory/means": (*_SCALE, "lesion_type", "years", *_ESTIMATES[:-1]),
    "trajectory/residuals": (
        *("outcome", "participant_id", "lesion_id", "years"),
        *("level", "value", "fitted", "residual"),
    ),
    "baseline_raters/contrasts": (*_CONTRASTS, *_IMPUTED),
    "trajectory_delta/slopes": (
        *(*_SCALE, "null", "lesion_type", *_ESTIMATES),
        *("delta", "fmi", "mc_error"),
    ),
    "trajectory_delta/tipping": (
        *("outcome", "lesion_type", "n_lesions", "n_lost", "significant", "delta"),
        *("lowest", "highest", "expected", "unit"),
    ),
    "trajectory_raters/slopes": (*_SCALE, "null", "lesion_type", *_ESTIMATES, *_IMPUTED),
    "histology/accuracy": (
        *("class_", "measure", "estimate", "conf_low", "conf_high", "numerator", "denominator"),
        *("n", "n_clusters", "method", "role", "missing", "indeterminate"),
    ),
    "histology/confusion": ("index_test", "reference_standard", "n"),
    "histology/class_counts": ("index_class", "reference_class", "n"),
    "histology/flow": ("step", "n", "n_clusters"),
    "histology/clusters": ("class_", "measure", "cluster", "numerator", "denominator"),
    "histology/roc": ("feature", "class_", "sensitivity", "specificity"),
    "histology/areas": ("feature", "class_", "estimate", "conf_low", "conf_high"),
    "histology/stard": ("item", "topic", "status", "text"),
    "raters/agreement": (
        *("coefficient", "category", "raters", "role", "estimate", "conf_low", "conf_high"),
    ),
    "patients": ("participant_id", "years", "n_lesions"),
    "patients/associations": (
        *("question", "analysis", "outcome", "variable", "level", "estimate", "std_error"),
        *("conf_low", "conf_high", "quantity", "unit", "p_value", "p_adjusted"),
    ),
    "patients/groups": ("lesion_type", "group"),
    "patients/notes": ("note",),
    "transitions/flows": ("from_type", "to_type", "n_intervals"),
    "transitions/rates": (
        *("from_type", "to_type", "n_events", "n_changed_participants", "n_participants"),
        *("exposure_years", "estimate", "std_error", "conf_low", "conf_high", "unit"),
    ),
    "transitions/flow": ("stage",),
    "planning/power": (
        *("outcome", "unit", "target", "visits", "dropout", "simulations", "significance"),
        *("patients", "effect", "fraction_of_slope", "power", "conf_low", "conf_high"),
        *("power_expected", "type_i_error", "type_i_low", "type_i_high"),
    ),
    **dict.fromkeys(("planning/assumptions", "planning/sensitivity"), ("outcome",)),
    "planning/sizes": (
        *("outcome", "effect", "power_asked", "maximum", "patients"),
        *("patients_expected", "answer"),
    ),
}


def is_read(name: str, column: str) -> bool:
    """Tell whether a column of the table `name` is read at all: those of features are many."""
    drawn = column in needed(name) or re.fullmatch(r"layer_\d+_mean", column)
    return name != "features" or bool(drawn)


def needed(name: str) -> tuple[str, ...]:
    """Return the columns of the table `name` (path below the output folder, without .tsv)."""
    study, _, table = name.rpartition("/")
    return _OF_ONE_STUDY.get(name, _OF_MODELS.get(table, ()) if study else ())
