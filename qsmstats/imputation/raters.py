r"""Types of lesions drawn from what raters said of them, and from the outcome.

Latent classes (Dawid & Skene 1979, Appl Stat 28:20-28): lesion u has the type k with probability
:math:`\pi_k`; given the type, raters answer independently of one another, rater r with l where the
type is k with probability :math:`c_{rkl}`. A lesion's ratings and outcomes give

.. math:: P(T_u = k \mid R, y) \propto \pi_k \prod_r c_{r k R_{ur}} \; f(y_u \mid k)

with f the density of the lesion's rows in the mixed model that is to be fitted. The outcome must be
part of it: types drawn from the ratings alone would be unrelated to the outcome where raters err,
and differences between types would shrink (Bartlett et al. 2015, Stat Methods Med 24:462-487).
Types, :math:`\pi`, c and the parameters of the mixed model (`linear_draws`) are drawn in turn
(Tanner & Wong 1987, J Am Stat Assoc 82:528-540), so that all of them vary between imputations.
Missing ratings are allowed; which are missing may depend on the ratings that are there (an
adjudicator sees what the others disagree on).

Priors. :math:`\pi` is Dirichlet with one half for each type. Row k of every rater is Dirichlet with
a weight of five lesions, divided as all raters together divided their answers where the start was
k; that in turn is pooled with the overall rate of errors e, spread over the other types, with the
weight of another five lesions. Rare rows thus lean on the common ones, and raters who never
disagree are without error: every imputation is then the start itself. The start, the types on file,
also tells which class is which type: a class is tied to its name by the raters' answers.

A type does not become empty: an imputation in which one would is not accepted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.imputation.linear_draws import LinearDraws

__all__ = ["TypeDraws", "draw_types"]

PRIOR_LESIONS = 5.0
BURN_IN, THIN = 50, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeDraws:
    """Types of U lesions, drawn m times.

    Attributes
    ----------
    types
        Shape (m, U).
    probability
        Share of the draws after the first ones that have each type, shape (U, K).
    confusion
        Mean probability of each answer of each rater given the type, shape (raters, K, L), and its
        standard deviation.
    """

    types: Integers
    probability: Floats
    confusion: Floats
    confusion_sd: Floats


def draw_types(
    linear: LinearDraws,
    unit: Integers,
    ratings: Integers,
    start: Integers,
    answers: int,
    *,
    m: int,
    random: np.random.Generator,
) -> TypeDraws:
    """Draw the types of lesions m times.

    Parameters
    ----------
    linear
        The mixed model; its K values are the first K of the answers.
    unit
        Lesion of each row, shape (n,).
    ratings
        Answer of each rater to each lesion, -1 where there is none, shape (U, raters). Lesions with
        fewer than two keep their start.
    start
        Type of each lesion to start from, shape (U,).
    answers
        Number L of answers that a rater may give.
    m
        Number of imputations.
    random
        Generator.
    """
    kinds = len(linear.rows.fixed)
    rated = np.flatnonzero((ratings >= 0).sum(axis=1) >= 2)
    seen = ratings[rated]
    prior = _prior_rows(_counts(seen, start[rated], kinds, answers))
    # A rater who never errs leaves one type, and the outcome nothing to say.
    refuted = (prior == 0.0)[:, seen] & (seen >= 0)
    undecided = np.flatnonzero((~refuted.any(axis=2)).sum(axis=0) > 1)
    log_densities = linear.log_densities(rated[undecided])
    types = start.copy()
    kept, sums = [], np.zeros((len(start), kinds))
    confusions = []
    for step in range(BURN_IN + m * THIN):
        shares = random.dirichlet(0.5 + np.bincount(types[rated], minlength=kinds))
        # Dirichlet rows from gamma variables: a weight of zero gives a probability of zero.
        drawn = random.standard_gamma(prior + _counts(seen, types[rated], kinds, answers))
        confusion = drawn / drawn.sum(axis=-1, keepdims=True)
        if len(undecided):
            linear.draw(types[unit], random)
            with np.errstate(divide="ignore"):
                log = np.log(shares) + _log_likelihood(np.log(confusion), seen[undecided])
            log = log + log_densities()
            # The largest of independent Gumbel variables shifted by log p is k with probability
            # p_k.
            moved = types.copy()
            moved[rated[undecided]] = (log + random.gumbel(size=log.shape)).argmax(axis=1)
            if np.bincount(moved, minlength=kinds).min() > 0:
                types = moved
        if step >= BURN_IN:
            sums[np.arange(len(types)), types] += 1.0
            confusions.append(confusion)
            if (step - BURN_IN) % THIN == THIN - 1:
                kept.append(types)
    return TypeDraws(
        types=np.array(kept),
        probability=sums / sums.sum(axis=1, keepdims=True),
        confusion=np.mean(confusions, axis=0),
        confusion_sd=np.std(confusions, axis=0),
    )


def _counts(ratings: Integers, types: Integers, kinds: int, answers: int) -> Floats:
    """Count answers by rater and type, shape (raters, K, L)."""
    made = np.zeros((ratings.shape[1], kinds, answers))
    lesion, rater = np.nonzero(ratings >= 0)
    np.add.at(made, (rater, types[lesion], ratings[lesion, rater]), 1.0)
    return made


def _prior_rows(counts: Floats) -> Floats:
    """Dirichlet weights of one rater's answers given the type, shape (K, L)."""
    pooled = counts.sum(axis=0)
    kinds, answers = pooled.shape
    same = np.eye(kinds, answers)
    error = 1.0 - (pooled * same).sum() / pooled.sum()
    common = (1.0 - error) * same + error * (1.0 - same) / (answers - 1)
    rows = pooled + PRIOR_LESIONS * common
    weights: Floats = PRIOR_LESIONS * rows / rows.sum(axis=1, keepdims=True)
    return weights


def _log_likelihood(log_confusion: Floats, ratings: Integers) -> Floats:
    """Log probability of each lesion's ratings given each type, shape (U, K)."""
    there: Flags = ratings >= 0
    raters = np.arange(ratings.shape[1])
    found = log_confusion[raters, :, np.where(there, ratings, 0)]
    made: Floats = np.where(there[..., None], found, 0.0).sum(axis=1)
    return made
