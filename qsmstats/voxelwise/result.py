"""What was found in the voxels, as images and tables.

The false discovery rate is controlled for each effect over the voxels in which it was estimated, by
Benjamini and Hochberg's method (J R Stat Soc B 1995;57:289-300): q is the smallest rate at which
the voxel is among the discoveries. The statistics of neighbouring voxels are positively dependent,
under which the method holds (Benjamini & Yekutieli 2001, Ann Stat 29:1165-1188).

-log10 of p is computed from the logarithm of the tail probability where p itself would underflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from nilearn.reporting import get_clusters_table
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

from qsmstats.arrays import Floats, Integers
from qsmstats.display import Displayed
from qsmstats.errors import UsageError, did_you_mean, nearest, one_of
from qsmstats.method_names import DfMethod
from qsmstats.voxels.grids import Grid
from qsmstats.voxelwise.nifti import Image, make_image

__all__ = ["QUANTITIES", "VoxelFit", "effect_table", "minus_log10", "q_values"]

QUANTITIES = {
    "estimate": "estimate",
    "std_error": "stderr",
    "df": "df",
    "statistic": "t",
    "log10_p": "log10p",
    "log10_q": "log10q",
    "tfce": "tfce",
    "log10_p_fwe": "log10pfwe",
}
"""Quantity of an effect -> its name in the names of files."""

_TINY = np.finfo(float).smallest_subnormal


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VoxelFit(Displayed):
    """One mixed model in every voxel.

    Attributes
    ----------
    formula, df_method
        The model, and how degrees of freedom were found.
    effects
        One row per effect: effect, n_voxels (in which it was estimated), n_fdr (of these with q up
        to 0.05), n_fwe (with a family-wise p up to 0.05; missing where it was not asked for),
        largest_statistic (the t of largest size), smallest_q.
    counts
        n_images, n_rows_dropped (of the table, without a covariate or a sound image), n_mask
        (voxels of the mask), n_left_out (of these, measured by too few images), n_failed,
        n_unconverged and n_singular (of the others).
    problems
        Why voxels could not be fitted: problem, n_voxels.
    grid, index
        Grid of the mask; flat indices in Fortran order of the voxels that were fitted, shape (n,).
    values
        Quantity -> its values, shape (n, effects); see `image`.
    voxels
        Component of variance, ``mean`` (of the images), ``converged``, ``singular``, ``n_obs`` ->
        values, shape (n,).
    notes
        What a reader should know.
    """

    opened = ("effects", "problems")

    formula: str
    df_method: DfMethod
    effects: pd.DataFrame
    counts: Mapping[str, int]
    problems: pd.DataFrame
    grid: Grid
    index: Integers
    values: Mapping[str, Floats]
    voxels: Mapping[str, NDArray[Any]]
    notes: tuple[str, ...] = ()

    def image(self, quantity: str, effect: str | None = None) -> Image:
        """Return the map of a quantity, on the grid of the mask.

        Parameters
        ----------
        quantity
            Of an effect: estimate, std_error, df, statistic (t), p_value, q_value, log10_p and
            log10_q (-log10 of these), and with a family-wise error also tfce, p_fwe and
            log10_p_fwe. Of the model: a component of variance such as
            ``"sd(Intercept | participant_id)"``, mean (of the images), converged, singular, n_obs.
        effect
            The effect; None for a quantity of the model.

        Returns
        -------
        nibabel.Nifti1Image
            In double precision, NaN where nothing was estimated; whole numbers and flags are 0
            there.

        Raises
        ------
        UsageError
            If there is no such quantity or effect.
        """
        return make_image(self.quantity(quantity, effect), self.index, self.grid)

    def quantity(self, quantity: str, effect: str | None = None) -> NDArray[Any]:
        """Return the values of a map, shape (n,); see `image`."""
        known: Mapping[str, NDArray[Any]] = self.voxels if effect is None else self.values
        if quantity not in known:
            hint = did_you_mean(nearest(quantity, known))
            where = "the model" if effect is None else "an effect"
            message = f"'{quantity}' is not a map of {where}; choose from {', '.join(known)}{hint}"
            raise UsageError(message)
        return known[quantity] if effect is None else known[quantity][:, self._place(effect)]

    def estimate(self, effect: str) -> Image:
        """Return the map of an effect's estimates; see `image`."""
        return self.image("estimate", effect)

    def statistic(self, effect: str) -> Image:
        """Return the map of an effect's t statistics; see `image`."""
        return self.image("statistic", effect)

    def p(self, effect: str) -> Image:
        """Return the map of an effect's p-values, not adjusted for the voxels; see `image`."""
        return self.image("p_value", effect)

    def q(self, effect: str) -> Image:
        """Return the map of an effect's false discovery rates; see `image`."""
        return self.image("q_value", effect)

    def clusters(
        self, effect: str, *, by: str = "q_value", level: float = 0.05, least_mm3: float = 0.0
    ) -> pd.DataFrame:
        """List the clusters of voxels in which an effect is significant.

        Voxels of one sign that share a face hang together (`nilearn.reporting`).

        Parameters
        ----------
        effect
            The effect.
        by, level
            "q_value", "p_fwe" or "p_value": voxels in which it is at most `level`.
        least_mm3
            Volume of the smallest cluster to list.

        Returns
        -------
        DataFrame
            effect, cluster (numbered by the size of t at the peak), volume_mm3, n_voxels, and of
            its peak, the voxel with the largest t: x, y, z in mm, estimate, std_error, df,
            statistic, p_value, and q_value or p_fwe.

        Raises
        ------
        UsageError
            If there is no such effect or quantity.
        """
        allowed = [name for name in ("q_value", "p_fwe", "p_value") if name in self.values]
        if by not in allowed:
            message = f"by must be {one_of(allowed)}, not {by!r}"
            raise UsageError(message)
        at = self._place(effect)
        shown = ["estimate", "std_error", "df", "statistic", *allowed]
        columns = ["effect", "cluster", "volume_mm3", "n_voxels", "x", "y", "z", *shown]
        statistic = self.values["statistic"][:, at]
        chosen = self.values[by][:, at] <= level  # NaN is not
        if not chosen.any():
            return pd.DataFrame(columns=columns)
        least = float(np.abs(statistic[chosen]).min()) / 2
        smallest = int(np.ceil(least_mm3 / self.grid.voxel_volume))
        found = []
        for sign in (1.0, -1.0):
            # Zero outside, so that any threshold above it gives the voxels chosen.
            size = np.where(chosen, np.maximum(sign * statistic, 0.0), 0.0)
            if size.any():  # nilearn warns of an image of zeros
                image = make_image(size, self.index, self.grid, outside=0.0)
                found.append(get_clusters_table(image, least, smallest))
        table = pd.concat(found)
        # Rows of further peaks within a cluster have a letter, and no size.
        table = table[table["Cluster ID"].map(lambda name: isinstance(name, int))]
        world = table[["X", "Y", "Z"]].to_numpy(dtype=np.float64)
        place = np.rint(np.linalg.solve(self.grid.matrix, (world - self.grid.affine[:3, 3]).T)).T
        flat = place @ np.cumprod([1, *self.grid.shape[:2]])
        voxel = np.searchsorted(self.index, flat.astype(np.int64))
        volume = table["Cluster Size (mm3)"].to_numpy(dtype=np.float64)
        made = pd.DataFrame(
            {
                "effect": effect,
                "volume_mm3": volume,
                "n_voxels": np.rint(volume / self.grid.voxel_volume).astype(np.int64),
                **{name: world[:, axis] for axis, name in enumerate("xyz")},
                **{name: self.values[name][voxel, at] for name in shown},
            }
        )
        made = made.sort_values("statistic", key=np.abs, ascending=False, ignore_index=True)
        return made.assign(cluster=np.arange(1, len(made) + 1))[columns]

    def _place(self, effect: str) -> int:
        known = self.effects["effect"].tolist()
        if effect not in known:
            hint = did_you_mean(nearest(effect, known))
            message = f"'{effect}' is not an effect of this fit; choose from {', '.join(known)}"
            raise UsageError(message + hint)
        return known.index(effect)


def minus_log10(statistic: Floats, df: Floats) -> Floats:
    """Return -log10 of the two-sided p-values of t statistics, finite however large they are."""
    size = np.abs(statistic)
    tail = np.where(np.isinf(df), stats.norm.logsf(size), stats.t.logsf(size, df))
    made: Floats = -(np.log(2.0) + np.maximum(tail, np.log(_TINY))) / np.log(10.0)
    return made


def q_values(p: Floats) -> Floats:
    """Return the false discovery rates of p-values, shape (n, k), for each column by itself."""
    q = np.full_like(p, np.nan)
    for at, known in enumerate(np.isfinite(p).T):
        if known.any():
            q[known, at] = multipletests(p[known, at], method="fdr_bh")[1]
    return q


def effect_table(labels: tuple[str, ...], values: Mapping[str, Floats]) -> pd.DataFrame:
    """Return one row per effect; see `VoxelFit.effects`."""
    rows = []
    for at, label in enumerate(labels):
        known = np.isfinite(values["p_value"][:, at])
        t, q = values["statistic"][known, at], values["q_value"][known, at]
        rows.append(
            {
                "effect": label,
                "n_voxels": int(known.sum()),
                "n_fdr": int((q <= 0.05).sum()),
                "n_fwe": int((values["p_fwe"][:, at] <= 0.05).sum()) if "p_fwe" in values else None,
                "largest_statistic": t[np.abs(t).argmax()] if len(t) else np.nan,
                "smallest_q": q.min() if len(q) else np.nan,
            }
        )
    table = pd.DataFrame(rows)
    return table.assign(n_fwe=table["n_fwe"].astype("Int64"))
