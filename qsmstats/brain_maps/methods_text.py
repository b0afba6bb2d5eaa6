"""The methods of a map in sentences, to be copied into a paper."""

from __future__ import annotations

from qsmstats.voxelwise.result import VoxelFit

__all__ = ["methods_text"]

_DF = {
    "satterthwaite": "Satterthwaite's method",
    "kenward-roger": "Kenward and Roger's method, which also adjusts the standard errors",
    "residual": "the number of images less that of coefficients",
    "normal": "none: the normal distribution was used",
}


def methods_text(fit: VoxelFit, *, present: float, fwe: int = 0, seed: int = 1) -> str:
    """Return what was done, and with how many images and voxels.

    Parameters
    ----------
    fit
        The maps.
    present
        Least share of the images that measure a voxel.
    fwe, seed
        Sign flips for the family-wise error (0 for none), and their seed.
    """
    counts = fit.counts
    sentences = [
        f"In each voxel of the mask the linear mixed model {fit.formula} was fitted by restricted "
        f"maximum likelihood to {counts['n_images']} images in a common space.",
        f"Degrees of freedom: {_DF[fit.df_method]}.",
        f"Of {counts['n_mask']} voxels, {counts['n_left_out']} were measured in less than "
        f"{present:.0%} of the images and left out, {counts['n_failed']} could not be fitted, "
        f"{counts['n_unconverged']} did not converge, and {counts['n_singular']} have an estimated "
        "covariance of the random effects that is singular (kept, as the model is right with a "
        "variance of zero).",
        "For each effect the false discovery rate over voxels was controlled by the method of "
        "Benjamini and Hochberg (1995).",
    ]
    if fwe:
        sentences.append(
            "The family-wise error was controlled by threshold-free cluster enhancement (Smith "
            f"and Nichols 2009; E = 0.5, H = 2) of {fwe} sign flips (seed {seed}) of the effective "
            "scores of the participants, standardised (Hemerik, Goeman and Finos 2020; De Santis "
            "et al. 2022) and studentised by these scores; tests are two-sided."
        )
    if counts["n_rows_dropped"]:
        sentences.append(
            f"{counts['n_rows_dropped']} sessions were left out for a missing covariate or an "
            "image that cannot be used."
        )
    return "\n".join(sentences) + "\n"
