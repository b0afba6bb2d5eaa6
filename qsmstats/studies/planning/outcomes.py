r"""Outcomes of a trial, simulated, and which of them are seen.

.. math:: y_{ijt} = \mu_k + \gamma_k t + s_k \Delta a_i t + u_{0i} + u_{1i} t + w_{ij} + e_{ijt}

with all variances as assumed and new patients in every simulation; s is the share of the effect
that a type has (`TrialDesign.shares_of_effect`). Dropout follows the hazard stated in `design`; the
deviation it depends on is the patient's observed mean over lesions at the previous visit, less its
expectation without treatment, over

.. math:: \sqrt{G_{00} + 2 t G_{01} + t^2 G_{11} + (\omega^2 + \sigma^2) / n_i},

its standard deviation for the patient's number of lesions :math:`n_i`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from qsmstats.arrays import Flags, Floats
from qsmstats.studies.planning.assumptions import TrialAssumptions
from qsmstats.studies.planning.design import TrialDesign
from qsmstats.studies.planning.patients import Trial, check_trial, draw_trial

__all__ = ["draw_noise", "outcomes", "simulate_trial", "unrelated_losses"]


def draw_noise(
    trial: Trial, simulations: int, random: np.random.Generator
) -> tuple[Floats, Floats | None]:
    """Draw what chance does in simulations that share the patients of one trial.

    Returns
    -------
    deviations
        Random effects and errors: deviation of each row from its mean, shape (lesions, visits,
        simulations).
    fate
        Uniform numbers that decide who leaves, shape (patients, visits - 1, simulations); None
        without dropout.
    """
    assumed, times = trial.assumptions, trial.times
    patients, lesions = len(trial.treated), len(trial.patient)
    values, vectors = np.linalg.eigh(assumed.patient_covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    effects = random.standard_normal((patients, simulations, 2)) @ root.T
    made = random.standard_normal((lesions, len(times), simulations))
    made *= assumed.residual_sd
    made += assumed.lesion_sd * random.standard_normal((lesions, 1, simulations))
    lines = effects[:, None, :, 0] + times[:, None] * effects[:, None, :, 1]
    made += lines[trial.patient]
    fate = None
    if trial.design.dropout.annual_rate > 0.0:
        fate = random.random((patients, len(times) - 1, simulations))
    return made, fate


def outcomes(trial: Trial, noise: tuple[Floats, Floats | None], effect: float) -> Floats:
    """Return outcomes under a treatment effect, shape (rows, simulations); NaN where not seen.

    Parameters
    ----------
    trial
        The patients.
    noise
        What chance does to them, from `draw_noise`.
    effect
        The contrast, in units of the outcome per year.
    """
    means = trial.expected + effect * trial.effect
    deviations, fate = noise
    made = means[:, :, None] + deviations
    if fate is not None:
        from_control = effect * trial.effect[:, :, None] + deviations
        seen = _seen(trial, fate, _scores(trial, from_control))
        made[~seen[trial.patient]] = np.nan
    return made.reshape(trial.n_rows, -1)


def unrelated_losses(trial: Trial, random: np.random.Generator) -> Flags | None:
    """Draw who is seen as if losses had nothing to do with the outcome, shape (rows,).

    None without dropout.
    """
    if trial.design.dropout.annual_rate == 0.0:
        return None
    shape = (len(trial.treated), len(trial.times) - 1, 1)
    seen = _seen(trial, random.random(shape), np.zeros((len(trial.treated), len(trial.times), 1)))
    rows: Flags = seen[trial.patient].reshape(trial.n_rows)
    return rows


def _seen(trial: Trial, fate: Floats, scores: Floats) -> Flags:
    """Return whether each patient is still seen, shape (patients, visits, simulations)."""
    dropout = trial.design.dropout
    hazard = -np.log1p(-dropout.annual_rate) * np.where(trial.treated, dropout.treatment_ratio, 1.0)
    stays = np.ones((len(trial.treated), len(trial.times), fate.shape[2]), dtype=bool)
    for visit in range(1, len(trial.times)):
        rate = hazard[:, None] * dropout.low_mean_ratio ** -scores[:, visit - 1]
        step = trial.times[visit] - trial.times[visit - 1]
        stays[:, visit] = stays[:, visit - 1] & (fate[:, visit - 1] < np.exp(-rate * step))
    return stays


def _scores(trial: Trial, deviations: Floats) -> Floats:
    """Return patients' means less expectation, in SD, shape (patients, visits, simulations)."""
    first = trial.first_lesions
    number = np.diff(np.r_[first, len(trial.patient)])
    means = np.add.reduceat(deviations, first, axis=0) / number[:, None, None]
    assumed, line = trial.assumptions, np.vander(trial.times, 2, increasing=True)
    between = np.einsum("ta,ab,tb->t", line, assumed.patient_covariance, line)
    within = (assumed.lesion_sd**2 + assumed.residual_sd**2) / number
    scores: Floats = means / np.sqrt(between + within[:, None])[:, :, None]
    return scores


def simulate_trial(
    assumptions: TrialAssumptions,
    design: TrialDesign | None = None,
    *,
    patients: int,
    effect: float = 0.0,
    seed: int | None = None,
) -> pd.DataFrame:
    """Simulate one trial as a table, to look at or to try another analysis on.

    Parameters
    ----------
    assumptions, design
        What the trial is planned from; by default the default design.
    patients
        Patients in the control arm.
    effect
        What treatment adds to the slope of the target types (with weights: to the contrast), in
        units of the outcome per year.
    seed
        Seed of the generator.

    Returns
    -------
    DataFrame
        participant_id, treated, lesion_id, lesion_type, years, and the outcome under its name; only
        rows that are seen.

    Raises
    ------
    UsageError, NotIdentifiedError
        If the trial could not be analysed.

    Examples
    --------
    >>> assumptions = qs.TrialAssumptions(patient_sd=1.0, slope_sd=0.2, lesion_sd=1.0,
    ...     residual_sd=0.5, lesions={"isointense": 2, "hypointense": 2})
    >>> trial = qs.simulate_trial(assumptions, patients=5, effect=0.3, seed=1)
    >>> trial.shape
    (120, 6)
    """
    design = TrialDesign() if design is None else design
    check_trial(assumptions, design, patients)
    random = np.random.default_rng(seed)
    trial = draw_trial(assumptions, design, patients, random)
    values = outcomes(trial, draw_noise(trial, 1, random), effect)[:, 0]
    visits = len(design.visits)
    owner = np.repeat(trial.patient, visits)
    table = pd.DataFrame(
        {
            "participant_id": [f"sub-{number + 1:03d}" for number in owner],
            "treated": trial.treated[owner],
            "lesion_id": [
                f"lesion-{number + 1:04d}"
                for number in np.repeat(range(len(trial.patient)), visits)
            ],
            "lesion_type": pd.Categorical(
                np.array(trial.types)[np.repeat(trial.lesion_type, visits)], list(trial.types)
            ),
            "years": np.tile(trial.times, len(trial.patient)),
            assumptions.outcome: values,
        }
    )
    return table[np.isfinite(values)].reset_index(drop=True)
