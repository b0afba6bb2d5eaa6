"""A generalised fit and the questions it can be asked."""

from __future__ import annotations

from dataclasses import dataclass

from qsmstats.generalized import fitted

__all__ = ["GeneralizedFit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralizedFit(fitted.GeneralizedFitted):  # noqa: D101
    __doc__ = fitted.GeneralizedFitted.__doc__
