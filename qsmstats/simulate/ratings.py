"""Ratings of lesion types by two raters and an adjudicator; the model stands in `RaterParameters`.

Cohen's kappa between the raters follows from the model in closed form: with p the joint
probabilities of the two raters' answers, kappa = (sum p_ii - sum p_i. p_.i) / (1 - sum p_i. p_.i)
(Cohen, Educ Psychol Meas 1960;20:37-46).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from qsmstats.arrays import Floats
from qsmstats.simulate.parameters import RaterParameters

__all__ = ["ADJUDICATOR", "RATERS", "draw_ratings", "true_kappa"]

RATERS = ("rater-1", "rater-2")
ADJUDICATOR = "adjudicator"


def draw_ratings(
    rng: np.random.Generator, parameters: RaterParameters, lesion_type: str
) -> dict[str, str]:
    """Draw the ratings of one lesion: rater -> type; the adjudicator rates where the two differ."""
    other = parameters.confusion[lesion_type]
    draw = rng.random() - np.cumsum(list(other.values()))
    wrong = next((name for name, rest in zip(other, draw, strict=True) if rest < 0.0), None)
    ratings = dict.fromkeys(RATERS, lesion_type)
    if wrong is not None:
        ratings[RATERS[int(rng.integers(len(RATERS)))]] = wrong
        ratings[ADJUDICATOR] = lesion_type
    return ratings


def true_kappa(
    parameters: RaterParameters, shares: Mapping[str, float], only: str | None = None
) -> float:
    """Return Cohen's kappa between the two raters, over lesions with these shares of types.

    Parameters
    ----------
    parameters, shares
        The model, and the share of each consensus type.
    only
        Type against all others; by default all types apart.
    """
    names = list(shares)
    joint: Floats = np.zeros((len(names), len(names)))
    for name, share in shares.items():
        i = names.index(name)
        for other, probability in parameters.confusion[name].items():
            j = names.index(other)
            joint[i, j] += share * probability / 2.0
            joint[j, i] += share * probability / 2.0
        joint[i, i] += share * (1.0 - sum(parameters.confusion[name].values()))
    joint /= joint.sum()
    if only is not None:
        is_it = np.array([[name == only, name != only] for name in names], dtype=np.float64)
        joint = is_it.T @ joint @ is_it
    chance = float((joint.sum(axis=0) * joint.sum(axis=1)).sum())
    return (float(np.trace(joint)) - chance) / (1.0 - chance)
