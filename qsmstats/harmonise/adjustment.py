r"""ComBat and longitudinal ComBat: features adjusted for the shift and the scale of scanners.

For feature f of row j on scanner i,

.. math:: y = X\beta + Zu + \sigma (\gamma_i + \delta_i \varepsilon),

where X are the covariates to be preserved, and Zu stands in `longcombat` only.

1. Each feature is fitted with the scanners as fixed effects :math:`a_i`, which are centred over the
   rows: by least squares (`combat`: Johnson, Li & Rabinovic 2007, Biostatistics 8:118-127; Fortin
   et al. 2018, NeuroImage 167:104-120), or as a mixed model by REML (`longcombat`: Beer et al.
   2020, NeuroImage 220:117129).
2. :math:`\sigma^2` is the mean squared residual (`combat`) or the residual variance by REML
   (`longcombat`); :math:`z = (y - X\beta - Zu) / \sigma`.
3. Mean and variance of z by scanner are shrunk towards those of all features (`shrinkage`).
4. Shift and scale are taken out (`result`).

With a reference scanner, its :math:`a_i` is zero, :math:`\sigma^2` is the mean squared residual of
its rows, and its values stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.linalg import solve_triangular

from qsmstats.arrays import Floats, Places
from qsmstats.errors import InvalidDataError, NotIdentifiedError, UsageError, check_option, plural
from qsmstats.harmonise.confounding import refuse_confounded
from qsmstats.harmonise.result import Harmonisation, ScannerModel, feature_values, scanner_codes
from qsmstats.harmonise.shrinkage import shrunken
from qsmstats.mixed.design.assembly import NOTHING_LEFT, lay_out
from qsmstats.mixed.design.independent_columns import independent_columns
from qsmstats.mixed.design.layout import Layout
from qsmstats.mixed.fit_many import PLACEHOLDER
from qsmstats.mixed.formula.language import ParsedFormula
from qsmstats.mixed.formula.terms import quoted
from qsmstats.mixed.model import MixedModel

__all__ = ["combat", "longcombat"]


def combat(
    data: pd.DataFrame,
    features: Sequence[str],
    *,
    scanner: str = "scanner",
    preserve: str = "1",
    reference: object = None,
    fit_on: ArrayLike | None = None,
    empirical_bayes: bool = True,
    scale: bool = True,
) -> Harmonisation:
    """Adjust features for scanners, for one row per participant (ComBat).

    Rows of the same participant are correlated, and `combat` takes this for a difference between
    scanners where scanners have different participants: use `longcombat` for them.

    Parameters
    ----------
    data
        One row per observation.
    features
        Columns to adjust. The priors of empirical Bayes are estimated over them, so that they
        should be alike: one kind of measurement in several regions or maps.
    scanner
        Column of the scanner.
    preserve
        Covariates whose effects stay in the data, as the right side of a formula
        (``"age + sex * group"``).
    reference
        Scanner to which the others are adjusted and whose values stay as they are; the mean of all
        scanners if not given.
    fit_on
        Rows from which the effects are estimated, shape (n,), such as ``data["group"] ==
        "control"``; all if not given. All rows are adjusted: what these rows cannot tell, such as
        an effect of the group, cannot stand in `preserve`, and a difference between groups is
        divided by the scanner's scale.
    empirical_bayes
        Whether shifts and scales are shrunk towards those of all features (at least two).
    scale
        Whether scanners are adjusted for differences in scale, not in location only.

    Returns
    -------
    Harmonisation
        Adjusted table, estimated effects, and `Harmonisation.apply` for new rows.

    Raises
    ------
    UsageError
        If the reference is no scanner, `fit_on` does not fit, or features or scanners are too few.
    FormulaError
        If a column does not exist or the formula cannot be read.
    InvalidDataError
        If a feature is no number, a scanner or covariate is missing, or a scanner has too few rows.
    NotIdentifiedError
        If scanners are confounded with what is to be preserved, or a feature does not vary.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"scanner": np.repeat(["A", "B"], 50), "age": rng.normal(45, 9, 100)})
    >>> for name in ("thalamus", "caudate", "putamen"):
    ...     data[name] = rng.normal(20, 5, 100) + 4 * (data["scanner"] == "B") + 0.1 * data["age"]
    >>> made = qs.combat(data, ["thalamus", "caudate", "putamen"], preserve="age")
    >>> made.effects.loc[made.effects["scanner"] == "B", "shift"].round(1).tolist()
    [2.4, 2.3, 2.3]
    """
    source = _source(data, features, scanner, preserve, fit_on)
    parsed = ParsedFormula(
        text=preserve, response=PLACEHOLDER, fixed=f"{preserve} + {quoted(scanner)}", random=()
    )
    layout = lay_out(parsed, source.data, {}, (), {})
    coefficients = np.empty((len(features), len(layout.fixed.names)))
    design, seen = layout.basis @ layout.root, ~np.isnan(source.values)
    patterns, pattern = np.unique(seen, axis=1, return_inverse=True)
    for place, rows in enumerate(patterns.T):
        those = np.flatnonzero(pattern.ravel() == place)
        basis = independent_columns(design[rows])
        if len(basis.dropped):
            raise NotIdentifiedError(
                f"the rows in which '{source.features[those[0]]}' is known cannot tell "
                f"{layout.fixed.names[basis.dropped[0]]} from the other effects; leave the feature "
                "out, or a term of preserve"
            )
        projection = basis.q.T @ source.values[rows][:, those] / rows.sum()
        coefficients[those] = solve_triangular(basis.r, projection).T
    return _harmonised(
        source, layout, coefficients, (), None, reference, shrink=empirical_bayes, scale=scale
    )


def longcombat(
    data: pd.DataFrame,
    features: Sequence[str],
    *,
    random: str,
    scanner: str = "scanner",
    preserve: str = "1",
    reference: object = None,
    fit_on: ArrayLike | None = None,
    empirical_bayes: bool = True,
    scale: bool = True,
    jobs: int = 1,
) -> Harmonisation:
    """Adjust features for scanners, for several rows per participant (longitudinal ComBat).

    Residuals about predicted random effects vary less than sigma, so that scales are mostly below
    one and the adjusted features vary more within participants than those measured: intervals of a
    model of them are wider than they need be (see the page Scanners).

    Parameters
    ----------
    random
        Random terms, such as ``"(1 | participant_id)"`` or ``"(1 | participant_id / lesion)"``.
    data, features, scanner, preserve, reference, fit_on, empirical_bayes, scale
        As in `combat`. ``years`` belongs to `preserve` where change is asked for.
    jobs
        Processes.

    Returns
    -------
    Harmonisation
        As of `combat`.

    Raises
    ------
    UsageError, FormulaError, InvalidDataError, NotIdentifiedError
        As `combat`; also if a scanner measured one group only, such as one participant, or a mixed
        model cannot be fitted.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"participant_id": np.repeat(np.arange(40), 3)})
    >>> data["scanner"] = rng.choice(["A", "B"], len(data))
    >>> for name in ("thalamus", "caudate", "putamen"):
    ...     own = rng.normal(20, 5, 40)[data["participant_id"]]
    ...     data[name] = own + rng.normal(0, 2, len(data)) + 4 * (data["scanner"] == "B")
    >>> regions = ["thalamus", "caudate", "putamen"]
    >>> made = qs.longcombat(data, regions, random="(1 | participant_id)")
    >>> made.effects.loc[made.effects["scanner"] == "B", "shift"].round(1).tolist()
    [2.0, 1.9, 1.9]
    """
    source = _source(data, features, scanner, preserve, fit_on)
    model = MixedModel(f"{PLACEHOLDER} ~ {preserve} + {quoted(scanner)} + {random}")
    design = model.design(source.data)
    coarsest = min(design.layout.random, key=lambda part: part.design.grouping.size)
    for place, level in enumerate(source.levels):
        if np.ptp(coarsest.codes[source.codes == place]) == 0:
            raise InvalidDataError(
                f"{scanner} '{level}' measured one {coarsest.design.grouping.label} only, from "
                "which its effect cannot be told; leave its rows out, or give it the name of a "
                "scanner of the same model"
            )
    fits = design.fit_outcomes(source.values, jobs=jobs)
    for name, problem, converged in zip(
        source.features, fits.problems, fits.converged, strict=True
    ):
        if problem or not converged:
            raise NotIdentifiedError(
                f"the model of '{name}' cannot be fitted: {problem or 'no optimum was found'}"
            )
    return _harmonised(
        source,
        design.layout,
        fits.estimates,
        tuple(fits.factors()),
        np.sqrt(fits.sigma2),
        reference,
        shrink=empirical_bayes,
        scale=scale,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """The rows that effects are estimated from, and all rows.

    Attributes
    ----------
    whole, data
        All rows as given, and those of the estimation with the scanner as a category.
    features, scanner, levels
        As in `ScannerModel`.
    values, codes
        Features and scanner of the rows of the estimation, shapes (n, m) and (n,).
    """

    whole: pd.DataFrame
    data: pd.DataFrame
    features: tuple[str, ...]
    scanner: str
    levels: pd.Index
    values: Floats
    codes: Places


def _source(
    data: pd.DataFrame,
    features: Sequence[str],
    scanner: str,
    preserve: str,
    fit_on: ArrayLike | None,
) -> _Source:
    if isinstance(features, str) or not len(features) or len(set(features)) < len(features):
        raise UsageError(f"features={features!r}; give a list of columns, each once")
    rows = np.ones(len(data), dtype=bool) if fit_on is None else np.asarray(fit_on)
    if rows.shape != (len(data),) or rows.dtype != bool or not rows.any():
        raise UsageError(
            f"fit_on must hold True or False for each of the {len(data)} rows, and True for some, "
            "as data['group'] == 'control' does"
        )
    own = data[rows]
    values, (codes, levels) = feature_values(own, features), scanner_codes(own, scanner)
    own = own.assign(**{scanner: pd.Categorical.from_codes(codes, levels)})
    refuse_confounded(f"~ {preserve}", own, scanner=scanner)
    return _Source(
        whole=data,
        data=own,
        features=tuple(features),
        scanner=scanner,
        levels=levels,
        values=values,
        codes=codes,
    )


def _harmonised(
    source: _Source,
    layout: Layout,
    coefficients: Floats,
    factors: tuple[Floats, ...],
    sigma: Floats | None,
    reference: object,
    *,
    shrink: bool,
    scale: bool,
) -> Harmonisation:
    """Estimate the scanners' shifts and scales about a fit, and adjust all rows.

    Parameters
    ----------
    coefficients, factors, sigma
        Fixed effects, relative factors and residual deviation of each feature, shapes (m, p),
        (m, q, q) and (m,); the root of the mean squared residual where sigma is None.
    """
    values, codes, levels = source.values, source.codes, source.levels
    n = (~np.isnan(values)).T @ np.eye(len(levels))[codes]
    _check_counts(source, n, shrink=shrink, scale=scale)
    if reference is not None:
        check_option("reference", reference, levels)
    home = 0 if reference is None else levels.get_loc(reference)
    one = source.data.iloc[[0] * len(levels)].assign(**{source.scanner: pd.Categorical(levels)})
    each = layout.fixed.matrix(one)
    own = coefficients @ (each - each[home]).T
    if reference is None:
        own -= ((n * own).sum(axis=1) / n.sum(axis=1))[:, None]
    model = ScannerModel(
        features=source.features,
        scanner=source.scanner,
        levels=levels,
        fixed=layout.fixed,
        random=tuple(part.design for part in layout.random),
        coefficients=coefficients,
        factors=factors,
        own=own,
        shift=np.zeros_like(own),
        scale=np.ones_like(own),
    )
    rest = values - model.centre(source.data, values, codes)
    residual = rest - own.T[codes]
    if reference is not None:
        sigma = np.sqrt(np.nanmean(residual[codes == home] ** 2, axis=0))
    elif sigma is None:
        sigma = np.sqrt(np.nanmean(residual**2, axis=0))
    flat = sigma <= NOTHING_LEFT * np.nanmax(np.abs(values), axis=0)
    if flat.any():
        raise NotIdentifiedError(
            f"the feature '{source.features[int(flat.argmax())]}' does not vary beside the effects "
            "of the model; leave it out"
        )
    mean, variance, gamma, delta2 = _effects(source, rest / sigma, n, shrink=shrink, scale=scale)
    if reference is not None:
        gamma[:, home], delta2[:, home] = 0.0, 1.0
    model = replace(model, shift=gamma * sigma[:, None], scale=np.sqrt(delta2))
    effects = pd.DataFrame(
        {
            "feature": np.repeat(np.array(source.features, dtype=object), len(levels)),
            "scanner": np.tile(levels.to_numpy(), len(source.features)),
            "n_obs": n.ravel().astype(np.int64),
            "shift": model.shift.ravel(),
            "scale": model.scale.ravel(),
            "shift_raw": (mean * sigma[:, None]).ravel(),
            "scale_raw": np.sqrt(variance).ravel(),
        }
    )
    made = Harmonisation(table=source.whole, effects=effects, model=model)
    return replace(made, table=made.apply(source.whole))


def _effects(
    source: _Source, z: Floats, n: Floats, *, shrink: bool, scale: bool
) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean and variance of standardised values by feature and scanner, and both after shrinkage."""
    member = np.eye(len(source.levels))[source.codes]
    known = np.where(np.isnan(z), 0.0, z)
    mean = known.T @ member / n
    squares = np.where(np.isnan(z), 0.0, z - mean.T[source.codes]) ** 2
    variance = squares.T @ member / (n - 1) if scale else np.ones_like(mean)
    if (variance <= NOTHING_LEFT).any():
        feature, place = np.argwhere(variance <= NOTHING_LEFT)[0]
        raise NotIdentifiedError(
            f"the feature '{source.features[feature]}' does not vary on {source.scanner} "
            f"'{source.levels[place]}'; leave it out, or use scale=False for a shift alone"
        )
    gamma, delta2 = mean.copy(), variance.copy()
    for place in range(len(source.levels)) if shrink else ():
        gamma[:, place], delta2[:, place] = shrunken(
            mean[:, place], variance[:, place], n[:, place], scale=scale
        )
    return mean, variance, gamma, delta2


def _check_counts(source: _Source, n: Floats, *, shrink: bool, scale: bool) -> None:
    """Refuse fewer rows of a scanner, or fewer features, than estimates need."""
    least = 2 if scale else 1
    if (n < least).any():
        feature, place = np.argwhere(n < least)[0]
        count = int(n[feature, place])
        raise InvalidDataError(
            f"{source.scanner} '{source.levels[place]}' has {count} {plural('value', count)} of "
            f"'{source.features[feature]}', and its effect needs {least}; leave its rows out, give "
            "it the name of a scanner of the same model, or use scale=False for a shift alone"
        )
    if shrink and len(source.features) < 2:
        raise UsageError(
            f"empirical Bayes needs at least two features, and '{source.features[0]}' is one; use "
            "empirical_bayes=False"
        )
