"""What is shown of the maps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qsmstats.errors import UsageError
from qsmstats.voxelwise.fit_voxels import fit_voxels
from qsmstats.voxelwise.result import minus_log10, q_values
from tests.voxelwise.conftest import AFFINE


@pytest.fixture(scope="module")
def found(made):
    return fit_voxels("mwf_percent ~ years + (1 | participant_id)", **made.arguments)


def test_minus_log10_is_exact_and_never_infinite():
    t, df = np.array([0.0, 2.0, -7.0, 3.0]), np.array([9.0, 10.0, 40.0, np.inf])
    expected = -np.log10(2 * np.append(stats.t.sf(np.abs(t[:3]), df[:3]), stats.norm.sf(3.0)))
    np.testing.assert_allclose(minus_log10(t, df), expected, rtol=1e-12)
    huge = minus_log10(np.array([60.0, 1e300]), np.array([np.inf, 30.0]))
    assert np.isfinite(huge).all()
    assert huge.min() > 300
    assert np.isnan(minus_log10(np.array([np.nan]), np.array([np.nan]))).all()


def test_q_leaves_out_what_is_missing():
    p = np.array([[0.01, np.nan], [0.04, np.nan], [np.nan, np.nan], [0.03, np.nan]])
    np.testing.assert_allclose(q_values(p)[:, 0], [0.03, 0.04, np.nan, 0.04])
    assert np.isnan(q_values(p)[:, 1]).all()


def test_maps_have_the_grid_of_the_mask(found):
    for image in (found.estimate("years"), found.image("converged"), found.image("mean")):
        assert image.shape == (6, 6, 6)
        np.testing.assert_array_equal(image.affine, AFFINE)
    assert np.isnan(found.statistic("years").get_fdata()[:, :, 5]).all()
    assert found.image("converged").get_data_dtype() == np.uint8
    assert found.image("sd(Intercept | participant_id)").get_fdata()[0, 0, 0] > 0
    t = found.values["estimate"] / found.values["std_error"]
    np.testing.assert_allclose(found.values["statistic"], t)


def test_clusters_have_the_numbers_of_their_peaks(found):
    clusters = found.clusters("years", by="p_value", level=0.2)
    assert (clusters["p_value"] <= 0.2).all()
    assert clusters["cluster"].tolist() == list(range(1, len(clusters) + 1))
    assert clusters["statistic"].abs().is_monotonic_decreasing
    assert clusters["n_voxels"].sum() == (found.values["p_value"] <= 0.2).sum()
    t = found.statistic("years").get_fdata()
    for row in clusters.itertuples():
        place = np.linalg.solve(AFFINE[:3, :3], np.array([row.x, row.y, row.z]) - AFFINE[:3, 3])
        assert t[tuple(np.rint(place).astype(int))] == pytest.approx(row.statistic)
    signs = np.sign(found.values["statistic"][found.values["p_value"] <= 0.2])
    assert {*np.sign(clusters["statistic"])} == {*signs}
    few = found.clusters("years", by="p_value", level=0.2, least_mm3=129.0)
    assert (few["n_voxels"] >= 3).all()
    assert found.clusters("years", by="p_value", level=0.0).empty


def test_what_is_not_there_is_named(found):
    with pytest.raises(UsageError, match=r"'year' is not an effect .* did you mean 'years'"):
        found.estimate("year")
    with pytest.raises(UsageError, match="'tfce' is not a map of an effect"):
        found.image("tfce", "years")
    with pytest.raises(UsageError, match='by must be "q_value" or "p_value"'):
        found.clusters("years", by="p_fwe")
