"""What a user asks for: a formula, and how the categories in it are coded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from qsmstats.errors import UsageError
from qsmstats.mixed.formula.language import parse_formula
from qsmstats.mixed.formula.terms import CONTRASTS

__all__ = ["Specification"]


@dataclass(frozen=True, slots=True)
class Specification:
    """A formula and the coding of its categories; see `MixedModel`."""

    formula: str
    contrasts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parse_formula(self.formula)
        for column, kind in self.contrasts.items():
            if kind not in CONTRASTS:
                raise UsageError(
                    f"contrasts of '{column}' are '{kind}', which is none of "
                    f"{', '.join(CONTRASTS)}; use one of them"
                )
