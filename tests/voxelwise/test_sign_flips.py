"""Sign flips: the observed statistic, the variance of a flip, and the rate of false findings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import ModelError, UsageError
from qsmstats.mixed.model import MixedModel
from qsmstats.voxelwise.fit_voxels import fit_voxels
from qsmstats.voxelwise.sign_flips import flipped_scores, independent_groups_of, sign_matrix
from tests.voxelwise.conftest import as_images

SIMPLE = "mwf_percent ~ group * years + age + (1 | participant_id)"


@pytest.fixture(scope="module")
def flipped(reference):
    """Design, fit, groups, signs and flipped scores of a few voxels, of which some miss rows."""
    design = MixedModel("y ~ group * years + age + sex + (1 + years | participant_id)").design(
        reference.rows
    )
    values = reference.values[:, :12].astype(float)
    values[4, 3] = np.nan
    fit = design.fit_outcomes(values)
    row = np.eye(len(fit.terms))[-1]
    groups = independent_groups_of(design.layout)
    signs = sign_matrix(60, groups.max() + 1, 3)
    made = flipped_scores(design.layout, groups, signs, row, values=values, theta=fit.theta)
    return design, fit, groups, signs, values, made


def test_flips_equal_the_formula_with_whole_matrices(flipped):
    """By dense matrices, without the algebra that saves them: scores, and Var = a'D (V - H) D a."""
    design, fit, groups, signs, values, made = flipped
    layout, voxel = design.layout, 3
    x = layout.basis @ layout.root
    there = ~np.isnan(values[:, voxel])
    assert not there.all()
    covariance = np.eye(len(x))
    for part, factor in zip(layout.random, fit.factors(), strict=True):
        z = part.columns @ part.whitener @ factor[voxel]
        covariance += (part.codes[:, None] == part.codes) * (z @ z.T)
    covariance = covariance[np.ix_(there, there)]
    x, y, of = x[there], values[there, voxel], groups[there]
    # The null model has all columns but that of the effect: the last.
    null, own = x[:, :-1], x[:, -1]
    precision = np.linalg.inv(covariance)
    hat = null @ np.linalg.solve(null.T @ precision @ null, null.T)
    residual = y - hat @ precision @ y
    effective = precision @ (own - hat @ precision @ own)
    own_scores = np.bincount(of, effective * residual)

    def variance(turned):
        return turned @ (covariance - hat) @ turned

    for flip in (0, 7, 31):
        turned = signs[flip][of] * effective
        scale = (own_scores**2).sum() * variance(turned) / variance(effective)
        assert made[flip, voxel] == pytest.approx(turned @ residual / np.sqrt(scale), rel=2e-4)
    assert (signs[0] == 1).all()
    assert set(np.unique(signs)) == {-1.0, 1.0}
    # Its sign is that of the estimate.
    assert np.array_equal(np.sign(made[0]), np.sign(fit.estimates[:, -1]))


def test_rows_are_grouped_by_whatever_joins_them():
    rows = pd.DataFrame(
        {"a": list("ppqqrr"), "b": list("121234"), "x": [0.0, 1, 2, 0, 1, 2], "c": list("mnmnom")}
    )
    nested = MixedModel("y ~ x + (1 | a)").design(rows).layout
    assert independent_groups_of(nested).tolist() == [0, 0, 1, 1, 2, 2]
    crossed = MixedModel("y ~ x + (1 | a) + (1 | c)").design(rows).layout
    assert set(independent_groups_of(crossed)) == {0}


def test_the_family_wise_error_of_a_change_and_of_nothing(made):
    contrasts = {name: {name: 1.0} for name in ("group[T.MS]:years", "age")}
    found = fit_voxels(SIMPLE, **made.arguments, contrasts=contrasts, fwe=100, seed=4)
    effects = found.effects.set_index("effect")
    assert effects.loc["group[T.MS]:years", "n_fwe"] >= 10
    assert effects.loc["age", "n_fwe"] < 3
    p = found.values["p_fwe"]
    assert p.min() == pytest.approx(1 / 101)
    assert p.max() <= 1
    apart = found.values["tfce"] * found.values["statistic"]
    assert (apart >= 0).all()
    assert (found.clusters("group[T.MS]:years", by="p_fwe")["p_fwe"] <= 0.05).all()


def test_what_sign_flips_cannot_do_is_refused(made):
    with pytest.raises(UsageError, match="5 sign flips give no family-wise error"):
        fit_voxels(SIMPLE, **made.arguments, fwe=5)
    few = made.rows["participant_id"] < "sub-08"
    less = as_images(made.rows[few], made.values[few], (6, 6, 5))
    with pytest.raises(ModelError, match="8 independent groups"):
        fit_voxels("mwf_percent ~ years + (1 | participant_id)", **less.arguments, fwe=100)


@pytest.mark.slow
def test_the_null_is_rejected_at_its_level():
    """400 studies without an effect: rejections at .05 within three Monte-Carlo errors."""
    rng = np.random.default_rng(8)
    people, voxels, studies = 24, 12, 400
    rows = pd.DataFrame(
        {
            "participant_id": np.repeat(np.arange(people).astype(str), 2),
            "group": np.repeat(np.where(np.arange(people) < 12, "MS", "HC"), 2),
            "years": np.tile([0.0, 1.0], people),
        }
    )
    design = MixedModel("y ~ group * years + (1 | participant_id)").design(rows)
    groups = independent_groups_of(design.layout)
    row, below = np.eye(4)[-1], 0
    for study in range(studies):
        values = np.repeat(rng.normal(size=(people, voxels)), 2, axis=0)
        values = values + rng.normal(size=values.shape)
        fit = design.fit_outcomes(values)
        signs = sign_matrix(199, people, study)
        made = flipped_scores(design.layout, groups, signs, row, values=values, theta=fit.theta)
        largest = np.abs(made).max(axis=1)
        below += (1 + (largest[1:] >= largest[0]).sum()) / 200 <= 0.05
    assert abs(below / studies - 0.05) < 3 * np.sqrt(0.05 * 0.95 / studies)
