"""What a user asks for: a formula, a family with its link, and how to integrate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qsmstats.errors import UsageError, check_option
from qsmstats.generalized.family import LINKS, Family
from qsmstats.mixed.formula.specification import Specification

__all__ = ["GeneralizedSpecification", "Integration"]

Integration = Literal["nested", "laplace"]


@dataclass(frozen=True, slots=True)
class GeneralizedSpecification(Specification):
    """A formula and a family; see `GeneralizedMixedModel`."""

    family: Family = "binomial"
    link: str | None = None
    trials: str | None = None
    weights: str | None = None
    integration: Integration | None = None

    def __post_init__(self) -> None:
        # A dataclass with slots is a class of its own, which super() without arguments misses.
        Specification.__post_init__(self)
        check_option("family", self.family, list(LINKS))
        check_option("link", self.link, [*LINKS[self.family], None])
        check_option("integration", self.integration, ["nested", "laplace", None])
        if self.trials is not None and self.family != "binomial":
            raise UsageError(
                f"trials='{self.trials}' belongs to family='binomial'; for the exposure of counts "
                "write offset(log(column)) in the formula"
            )

    @property
    def link_name(self) -> str:
        """The link, the family's default where none was named."""
        return self.link or LINKS[self.family][0]
