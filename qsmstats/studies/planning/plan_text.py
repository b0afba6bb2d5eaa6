"""What a plan says: effects in words, what is shown of its table, notes and methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from qsmstats.mixed.fit import MixedFit
from qsmstats.studies.planning.assumptions import TrialAssumptions
from qsmstats.studies.planning.design import TrialDesign
from qsmstats.studies.planning.grid_cell import EXPECTED_DRAWS

__all__ = ["effect_in_words", "main_columns", "plan_methods", "plan_notes"]

TESTS = {"satterthwaite": "Satterthwaite's", "kenward-roger": "Kenward and Roger's"}
SESSIONS = (
    "With two sessions, a difference between sessions that affects all lesions of a patient alike "
    "(position, calibration) cannot be separated from a change of that patient. It is part of the "
    "variance of slopes here, so that further visits within the same period would increase power "
    "more than the curves show."
)


def effect_in_words(truth: TrialAssumptions, design: TrialDesign, effect: float) -> str:
    """Say what a treatment makes of the slope: from what to what, and whether that is slower.

    Parameters
    ----------
    truth, design
        What the trial is planned from.
    effect
        What treatment adds to the contrast, in units of the outcome per year.
    """
    unit = "%" if truth.unit == "percent" else truth.unit
    slope = f"the slope of {' and '.join(design.target).replace('_', ' ')} lesions"
    if isinstance(design.target, Mapping):
        slope = f"the weighted sum of slopes ({_weights(design.target)})"
    before = truth.target_slope(design)
    if not before:
        return f"a change of {slope} by {effect:+.3g} {unit} per year"
    # Rounded, so that the fraction -1 of a slope is no remainder of it.
    fraction = round(effect / before, 9)
    trend, other = ("rise", "decline") if before > 0.0 else ("decline", "rise")
    if fraction < -1.0:
        way = f"a {other} in place of a {trend}"
    elif fraction == -1.0:
        way = f"the {trend} stopped"
    else:
        way = f"the {trend} {100 * abs(fraction):.3g}% {'faster' if fraction > 0.0 else 'slower'}"
    return (
        f"a change of {slope} from {before:.3g} without treatment to {before + effect:.3g} {unit} "
        f"per year under it (by {effect:+.3g}; {way})"
    )


def _weights(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{one:g} {name}" for name, one in weights.items())


def main_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return patients, effect and power of a table of power; no column that is empty."""
    names = ["design", "patients", "n_treated", "effect", "power", "conf_low", "conf_high"]
    names += ["power_expected", "expected_low", "expected_high", "type_i_error"]
    return table[names].dropna(axis=1, how="all")


def plan_notes(
    truth: TrialAssumptions,
    design: TrialDesign,
    fit: MixedFit,
    sizes: pd.DataFrame,
    sensitivity: pd.DataFrame,
    power: pd.DataFrame,
) -> tuple[str, ...]:
    """Return the notes of a plan, most important first."""
    of_scale, of_fit = [], []
    scale = fit.response_scale()
    if not scale.is_plain:
        note = f"Means, slopes, effects and variances are on the scale of {scale.expression}"
        if scale.quantity("slope") == "relative change":
            steps = pd.DataFrame({"estimate": [0.01], "std_error": [0.0]})
            percent = scale.converted(steps, "slope")["estimate"].iloc[0]
            note += f", where 0.01 per year is a relative change of {percent:.2g} % per year"
        of_scale.append(f"{note}.")
    if fit.info.singular:
        of_fit.append(
            "The fit behind the assumptions is singular: a variance is estimated as zero or a "
            "correlation as one. Plan with the sizes at the upper limits."
        )
    if not fit.info.converged:
        of_fit.append("The fit behind the assumptions did not converge; do not use its numbers.")
    return (
        *of_scale,
        *_without_lesions(truth, design),
        *_uncertainty(truth, design, sizes, sensitivity),
        *of_fit,
        *_simulations(power, design),
        SESSIONS,
    )


def _without_lesions(truth: TrialAssumptions, design: TrialDesign) -> Iterator[str]:
    """Name the target types that no simulated patient has: the plan says nothing of them."""
    totals = truth.counts_for(design).sum()
    there = [name for name in totals.index[totals > 0].map(str) if name in design.target]
    if gone := [name for name in design.target if name not in there]:
        yield (
            f"No patient to draw from has {' or '.join(gone).replace('_', ' ')} lesions: power and"
            f" sizes are those of a trial that tests {' and '.join(there).replace('_', ' ')}"
            " lesions alone."
        )


def _uncertainty(
    truth: TrialAssumptions, design: TrialDesign, sizes: pd.DataFrame, sensitivity: pd.DataFrame
) -> Iterator[str]:
    """Say how uncertain the variance of slopes and the slope are that the plan starts from."""
    rows = sensitivity[(sensitivity["quantity"] == "slope_sd") & (sensitivity["limit"] == "high")]
    if not rows.empty:
        row = rows.iloc[0]
        low, high = truth.intervals["slope_sd"]
        needed = row["patients_expected"]
        size = "more than were considered" if pd.isna(needed) else f"{int(needed)}"
        yield (
            f"The standard deviation of patients' slopes is {truth.slope_sd:.3g} ({low:.3g} to "
            f"{high:.3g}, {truth.source}). At its upper limit a trial with {row['patients']} "
            f"patients in the control arm has a power of {row['power_expected']:.0%} for an effect "
            f"of {row['effect']:.3g}, and {size} would be needed."
        )
    if sizes["fraction_of_slope"].isna().all():
        return
    slope = truth.target_slope(design)
    names = list(design.target)
    ends = [
        truth.intervals[f"slope {name}"] for name in names if f"slope {name}" in truth.intervals
    ]
    unsure = any(low <= 0.0 <= high for low, high in ends)
    yield (
        f"The target types' slope without treatment, {slope:.3g} per year, comes from the same "
        "patients; an effect given as a fraction of it is as uncertain as the slope"
        + (", whose interval includes zero for a target type." if unsure else ".")
        + " The data hold no information on treatment: effects are assumptions."
    )


def _simulations(power: pd.DataFrame, design: TrialDesign) -> Iterator[str]:
    """Say how the simulated trials went, and at which sizes the test exceeds its nominal level."""
    total = int(power["simulations"].sum())
    if not total:
        yield "No trial was simulated: power is the expected one; the type I error is not known."
        return
    counts = {
        "without a test (a lesion type is missing from an arm)": int(power["n_failed"].sum()),
        "not converged": int(power["n_unconverged"].sum()),
    }
    faults = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    low, high = power["type_i_error"].min(), power["type_i_error"].max()
    singular = power["n_singular"].sum() / total
    yield (
        f"Type I error over the sizes of the curves: {low:.1%} to {high:.1%}. "
        f"{singular:.1%} of the fits were singular (singular fits are retained); "
        + (f"{faults}, counted as not significant." if faults else "all gave a test.")
    )
    rows = power.drop_duplicates("patients")
    sizes = rows.loc[rows["type_i_low"] > design.significance, "patients"]
    if sizes.empty:
        return
    found = ", ".join(str(size) for size in sizes)
    other = (
        "Kenward and Roger's test is closer to its level in small trials (--df kenward-roger)."
        if design.df == "satterthwaite"
        else "Larger trials have the nominal level."
    )
    yield (
        f"With {found} patients in the control arm {TESTS[design.df]} test exceeds its "
        f"nominal {design.significance:.0%} level (the Monte-Carlo interval lies above it), so "
        f"that power is overstated there. {other}"
    )


def plan_methods(
    fit: MixedFit, design: TrialDesign, simulations: int, seed: int, power: float
) -> str:
    """Return what was done, for a methods section."""
    if isinstance(design.target, Mapping):
        target = f"(weighted sum: {_weights(design.target)})"
    else:
        target = f"common to {' and '.join(design.target)} lesions"
    baseline = (
        "one mean per lesion type before treatment in both arms (constrained longitudinal data "
        "analysis)"
        if design.baseline == "constrained"
        else "a mean per lesion type and arm before treatment"
    )
    times = ", ".join(f"{time:g}" for time in design.visits)
    drawn = (
        "Whole patients were drawn with their numbers of lesions of all types."
        if design.lesions is None
        else "Every patient was given the stated numbers of lesions."
    )
    how = (
        f"by simulation ({simulations} trials per size, seed {seed})"
        if simulations
        else "by the power expected without simulation"
    )
    found = "where the probit curve through the simulated sizes reaches it"
    if not simulations:
        found = "the smallest whose expected power reaches it"
    adjusted = "standard error and " if design.df == "kenward-roger" else ""
    return (
        f"Sample size was determined {how}. "
        f"Variances, slopes and numbers of lesions came from the model '{fit.model.formula}' "
        f"fitted by REML to {fit.info.n_obs} rows. Trials had two arms with {design.allocation:g} "
        f"patients under treatment per control, imaged at {times} years; dropout: "
        f"{design.dropout}. {drawn} Each trial was analysed by a linear mixed model with a mean "
        f"and a slope per lesion type, {baseline}, treatment-by-time effects by type, a random "
        "intercept and slope per patient and a random intercept per lesion, fitted by REML. The "
        f"treatment-by-time effect {target} was tested two-sided at "
        f"{design.significance:g} with {TESTS[design.df]} {adjusted}degrees of freedom. The size "
        f"for a power of {power:.0%} is {found}; losses were missing at random. Power expected "
        "without simulation uses the noncentral t distribution with the expected information and, "
        "where patients or losses are drawn, is the mean over "
        f"{EXPECTED_DRAWS} draws."
    )
