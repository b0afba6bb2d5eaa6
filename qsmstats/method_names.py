"""Names of the methods that a study may choose and the statistics carry out."""

from typing import Literal

__all__ = ["Adjustment", "DfMethod"]

DfMethod = Literal["satterthwaite", "kenward-roger", "normal", "residual"]
"""How denominator degrees of freedom are found (`qsmstats.mixed.inference.degrees_of_freedom`)."""

Adjustment = Literal["mvt", "tukey", "dunnett", "sidak", "holm", "bonferroni", "fdr_bh", "none"]
"""How p-values and intervals are adjusted for their number (`...inference.multiplicity`)."""
