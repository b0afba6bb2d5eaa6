r"""What a design will tell, before there is an outcome: precision at stated parameters.

With covariances :math:`\Sigma_k` and residual variance :math:`\sigma^2` given, so that
:math:`V = \sigma^2 I + \sum_k Z_k \Sigma_k Z_k'`, the estimate of :math:`L\beta` has

.. math:: v = L (X'V^{-1}X)^{-1} L', \qquad \nu = 2 v^2 / (g' W g),

where :math:`g` is the gradient of :math:`v` in the variance parameters and :math:`W` the inverse of
their expected REML information: Satterthwaite's degrees of freedom with the expected information
in place of the observed one, which are Kenward and Roger's for one row (1997, Biometrics 53,
983-997). In a balanced design they are exact: the comparison of the mean slopes of two groups of m
gets 2 (m - 1). No data enter: the criterion is given any outcome, and nothing here depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.errors import NotIdentifiedError, UsageError
from qsmstats.mixed.criterion.covariance import lower_factor
from qsmstats.mixed.design.assembly import attach_outcome, lay_out
from qsmstats.mixed.design.layout import any_outcome
from qsmstats.mixed.formula.specification import Specification
from qsmstats.mixed.inference.components import square_root
from qsmstats.mixed.inference.degrees_of_freedom import KenwardRoger, in_basis
from qsmstats.mixed.optimum.estimate import Engine, build_engine

__all__ = ["ExpectedDesign", "ExpectedInference", "expected_design"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedInference:
    """Standard error, in units of the outcome, and degrees of freedom of one linear function."""

    std_error: float
    df: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedDesign:
    """A design ready to be asked about several sets of parameters.

    Attributes
    ----------
    engine
        The criterion of the model on the design.
    row
        The linear function in the kept fixed-effect columns, shape (p,).
    """

    engine: Engine
    row: Floats

    def inference(self, covariances: Sequence[Floats], sigma: float) -> ExpectedInference:
        """Return the precision at given parameters.

        Parameters
        ----------
        covariances
            Of the random terms, in the order of the formula, shape (q, q) each; may be singular.
        sigma
            Residual standard deviation, positive.

        Raises
        ------
        UsageError
            If a covariance has another shape than its term.
        """
        widths = [part.columns.shape[1] for part in self.engine.layout.random]
        shapes = [np.shape(covariance) for covariance in covariances]
        if shapes != [(width, width) for width in widths]:
            raise UsageError(
                f"covariances have the shapes {shapes}; the random terms of the formula have "
                f"{widths} columns, in this order"
            )
        factors = [lower_factor(square_root(one) / sigma) for one in covariances]
        theta = self.engine.from_factors(factors, np.empty(0))
        moments = self.engine.moments(self.engine.objective.at(theta))
        local = in_basis(self.row[None], moments.basis)
        approximation = KenwardRoger(moments)
        variance = float((local @ approximation.phi @ local.T)[0, 0])
        df = float(approximation.rows(local)[1][0])
        return ExpectedInference(std_error=float(sigma * np.sqrt(variance)), df=df)


def expected_design(
    model: Specification, data: pd.DataFrame, contrast: Mapping[str, float]
) -> ExpectedDesign:
    """Prepare a design for questions about one linear function of its fixed effects.

    Parameters
    ----------
    model
        The model to be fitted; the outcome of its formula is not needed.
    data
        One row per planned observation.
    contrast
        Fixed-effect column -> weight.

    Raises
    ------
    NotIdentifiedError
        If the design cannot estimate the function, or the parameters of the model.
    """
    parsed = model.parsed
    layout = lay_out(parsed, data, model.contrasts, (), model.transforms)
    engine = build_engine(attach_outcome(layout, any_outcome(layout), parsed), reml=True)
    names = layout.fixed.names
    unknown = [name for name in contrast if name not in names]
    if unknown:
        raise NotIdentifiedError(
            f"the design cannot estimate {', '.join(unknown)}: the column is absent, or a linear "
            "combination of others; add rows in which it varies"
        )
    row = np.array([float(contrast.get(name, 0.0)) for name in names])
    return ExpectedDesign(engine=engine, row=row)
