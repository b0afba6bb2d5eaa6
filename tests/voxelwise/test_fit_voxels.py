"""The model in every voxel: the same numbers as lmer, whatever the number of processes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import fdrcorrection

from qsmstats.mixed.model import MixedModel
from qsmstats.voxelwise.contrast_text import contrast_in_words
from qsmstats.voxelwise.fit_voxels import fit_voxels
from tests.voxelwise.conftest import AFFINE, FORMULA

SIMPLE = "mwf_percent ~ group * years + age + (1 | participant_id)"
NAMES = ["Intercept", "group[T.MS]", "years", "age", "sex[T.M]", "group[T.MS]:years"]


@pytest.fixture(scope="module")
def fitted(reference):
    contrasts = {name: {name: 1.0} for name in NAMES}
    return fit_voxels(FORMULA, **reference.arguments, contrasts=contrasts)


@pytest.fixture(scope="module")
def found(made):
    return fit_voxels(SIMPLE, **made.arguments)


def test_voxels_equal_lmer(fitted, lmer):
    def column(name):
        return np.array([voxel[name] for voxel in lmer["voxels"].values()])

    std_error = column("std_error")
    assert np.abs((fitted.values["estimate"] - column("estimate")) / std_error).max() < 1e-6
    np.testing.assert_allclose(fitted.values["std_error"], std_error, rtol=1e-6)
    # lmerTest differentiates numerically; at three optima near a boundary to 1e-5 only.
    np.testing.assert_allclose(fitted.values["df"], column("df"), rtol=1e-4)
    # A p of 1e-24 magnifies what the degrees of freedom differ by.
    np.testing.assert_allclose(fitted.values["p_value"], column("p_value"), rtol=1e-3)
    np.testing.assert_allclose(fitted.voxels["sd(Residual)"], column("sigma"), rtol=1e-6)
    assert fitted.voxels["singular"].tolist() == column("singular").tolist()
    assert 5 < fitted.voxels["singular"].sum() < 35
    assert fitted.voxels["n_obs"].tolist() == column("n").tolist()
    assert fitted.voxels["n_obs"].min() < len(fitted.voxels["n_obs"]) * 3


def test_kenward_roger_is_that_of_a_single_fit(made):
    many = fit_voxels(SIMPLE, **made.arguments, df="kenward-roger")
    rows = made.rows.assign(mwf_percent=made.values[:, 17].astype(float))
    one = MixedModel(SIMPLE).fit(rows).coefficients(df="kenward-roger")
    one = one.set_index("term").loc[many.effects["effect"]]
    for name in ("estimate", "std_error", "df"):
        np.testing.assert_allclose(many.values[name][17], one[name], rtol=1e-6)
    assert many.df_method == "kenward-roger"


def test_q_is_that_of_statsmodels(found):
    effect = "group[T.MS]:years"
    p, q = found.p(effect).get_fdata(), found.q(effect).get_fdata()
    known = np.isfinite(p)
    assert known.sum() == len(found.index) == 6 * 6 * 5
    np.testing.assert_allclose(q[known], fdrcorrection(p[known])[1], rtol=1e-12)


def test_the_change_is_found_where_it_is(found):
    clusters = found.clusters("group[T.MS]:years")
    largest = clusters.loc[clusters["n_voxels"].idxmax()]
    assert largest["n_voxels"] > 15
    place = np.linalg.solve(AFFINE[:3, :3], largest[["x", "y", "z"]].astype(float) - AFFINE[:3, 3])
    assert (place < 3).all()
    assert largest["estimate"] == pytest.approx(0.8, abs=0.5)
    assert found.clusters("age").empty


@pytest.mark.slow
def test_processes_do_not_change_a_number(made, found):
    both = fit_voxels(SIMPLE, **made.arguments, jobs=2)
    for name, values in found.values.items():
        assert np.array_equal(both.values[name], values, equal_nan=True), name


def test_missing_values_count_for_their_voxel_alone(made):
    values = [np.asarray(one.dataobj).copy() for one in made.images]
    values[0][0, 0, 0] = -1.0
    values[4][0, 0, 0] = np.nan
    for one in values[:20]:
        one[1, 0, 0] = -1.0
    images = [type(made.images[0])(one, AFFINE) for one in values]
    found = fit_voxels(SIMPLE, images, made.rows, mask=made.mask, missing=-1.0)
    counts = found.image("n_obs").get_fdata()
    assert counts[0, 0, 0] == len(images) - 2
    assert counts[2, 0, 0] == len(images)
    assert found.counts["n_left_out"] == 1
    assert np.isnan(found.estimate("age").get_fdata()[1, 0, 0])
    more = fit_voxels(SIMPLE, images, made.rows, mask=made.mask, missing=-1.0, present=0.5)
    assert more.counts["n_left_out"] == 0
    assert more.image("n_obs").get_fdata()[1, 0, 0] == 28


def test_rows_without_a_covariate_are_left_out_and_their_images_not_read(made):
    rows = made.rows.assign(age=made.rows["age"].where(np.arange(48) != 3))
    images = [image if at != 3 else "no such file" for at, image in enumerate(made.images)]
    found = fit_voxels(SIMPLE, images, rows, mask=made.mask)
    assert found.counts["n_images"] == 47
    assert found.counts["n_rows_dropped"] == 1


def test_a_voxel_that_cannot_be_fitted_is_named_and_the_others_are_fitted(made):
    values = [np.asarray(one.dataobj).copy() for one in made.images]
    for one in values:
        one[0, 0, 0] = 3.0
    images = [type(made.images[0])(one, AFFINE) for one in values]
    found = fit_voxels(SIMPLE, images, made.rows, mask=made.mask)
    assert found.counts["n_failed"] == 1
    assert found.problems["n_voxels"].tolist() == [1]
    assert np.isnan(found.estimate("age").get_fdata()[0, 0, 0])
    assert found.effects["n_voxels"].eq(6 * 6 * 5 - 1).all()
    assert "variance" in found.problems["problem"][0]


def test_a_contrast_is_the_sum_of_its_parts(made, found):
    _, weights = contrast_in_words("years + group[T.MS]:years")
    slope = fit_voxels(SIMPLE, **made.arguments, contrasts={"slope": weights})
    parts = found.estimate("years").get_fdata() + found.estimate("group[T.MS]:years").get_fdata()
    np.testing.assert_allclose(slope.estimate("slope").get_fdata(), parts, rtol=1e-9)
    assert slope.effects["effect"].tolist() == ["slope"]


def test_a_table_of_any_index_is_taken_row_by_row(made, found):
    rows = made.rows.set_index(pd.Index(np.arange(48) % 7))
    again = fit_voxels(SIMPLE, made.images, rows, mask=made.mask)
    assert np.array_equal(again.values["estimate"], found.values["estimate"])
