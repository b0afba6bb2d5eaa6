"""What a user asks for: a formula, the coding of its categories, and own transforms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from qsmstats.errors import UsageError, check_option
from qsmstats.mixed.formula.allowed import CONSTANTS, CONTRASTS, TRANSFORMS
from qsmstats.mixed.formula.language import ParsedFormula, parse_formula
from qsmstats.mixed.formula.terms import Transforms, quoted

__all__ = ["Specification"]


@dataclass(frozen=True, slots=True)
class Specification:
    """A formula, contrasts of categories, transforms and an offset; see `MixedModel`."""

    formula: str
    contrasts: Mapping[str, str] = field(default_factory=dict)
    transforms: Transforms = field(default_factory=dict)
    offset: str | None = None

    def __post_init__(self) -> None:
        parse_formula(self.formula)
        for column, kind in self.contrasts.items():
            check_option(f"contrasts of '{column}'", kind, list(CONTRASTS))
        for name, function in self.transforms.items():
            taken = name in {*TRANSFORMS, *CONSTANTS, "contr", "factor", "offset"}
            if taken or not str(name).isidentifier() or not callable(function):
                what = "is a reserved name" if taken else "is not an identifier with a function"
                raise UsageError(f"transforms: '{name}' {what}; give it as {{'name': function}}")

    @property
    def parsed(self) -> ParsedFormula:
        """The formula, taken apart, with the column `offset` among its offsets."""
        made = parse_formula(self.formula)
        if self.offset is None:
            return made
        return replace(made, offsets=(*made.offsets, quoted(self.offset)))
