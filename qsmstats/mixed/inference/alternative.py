r"""What a t test of an estimate is against: two-sided, one-sided, or within a margin.

With an estimate :math:`\hat\theta` of standard error :math:`s`, a null value :math:`\theta_0` and a
margin :math:`\delta > 0`:

==================  =================================  =======================================
`side`              alternative                        t
==================  =================================  =======================================
'two-sided'         :math:`\theta \ne \theta_0`        :math:`(\hat\theta - \theta_0) / s`
'greater', 'less'   :math:`\theta > \theta_0`, or <    the same
'noninferiority'    :math:`\theta > \theta_0-\delta`   :math:`(\hat\theta - \theta_0+\delta)/s`
'nonsuperiority'    :math:`\theta < \theta_0+\delta`   :math:`(\hat\theta - \theta_0-\delta)/s`
'equivalence'       :math:`|\theta-\theta_0|<\delta`   :math:`(|\hat\theta-\theta_0|-\delta)/s`
==================  =================================  =======================================

as in emmeans' ``test(null =, delta =, side =)`` (Lenth 2016, J Stat Softw 69(1)). Equivalence is
that of two one-sided tests (Schuirmann 1987, J Pharmacokinet Biopharm 15:657-680): its p is the
larger of theirs. A small t speaks for 'less', 'nonsuperiority' and 'equivalence'.

A one-sided test at :math:`\alpha = 1 -` level belongs to the two-sided interval at
:math:`1 - 2\alpha` (90 % where the level is 0.95): each limit is a one-sided limit at the level,
and p is below :math:`\alpha` exactly where the interval lies within what the alternative says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.special import stdtr, stdtrit

from qsmstats.arrays import Floats
from qsmstats.errors import UsageError, check_option

__all__ = ["TWO_SIDED", "Alternative", "Side", "check_level"]

Side = Literal["two-sided", "greater", "less", "equivalence", "noninferiority", "nonsuperiority"]

_WITH_MARGIN = ("equivalence", "noninferiority", "nonsuperiority")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """An alternative hypothesis, of all estimates of a table.

    Attributes
    ----------
    side
        Its kind.
    null
        The null value, on the scale of the model.
    margin
        The margin on that scale, for the kinds that have one.

    Raises
    ------
    UsageError
        If the kind is unknown, the margin is not positive, or one goes without the other.
    """

    side: Side = "two-sided"
    null: float = 0.0
    margin: float | None = None

    def __post_init__(self) -> None:
        check_option("side", self.side, get_args(Side))
        if not np.isfinite(self.null):
            raise UsageError(f"null must be a finite number, not {self.null!r}")
        has_margin = self.side in _WITH_MARGIN
        if has_margin and self.margin is None:
            raise UsageError(f"side='{self.side}' needs margin=, the largest difference tolerated")
        if not has_margin and self.margin is not None:
            raise UsageError(
                f"margin={self.margin!r} has no meaning for side='{self.side}'; use "
                + " or ".join(f"'{side}'" for side in _WITH_MARGIN)
            )
        if self.margin is not None and not 0.0 < self.margin < np.inf:
            raise UsageError(f"margin must be a positive number, not {self.margin!r}")

    @property
    def tails(self) -> int:
        """Tails of the t distribution in which evidence lies: 2 or 1."""
        return 2 if self.side == "two-sided" else 1

    def statistic(self, estimate: Floats, std_error: Floats) -> Floats:
        """Return t as in the table above, shape (m,)."""
        away, margin = estimate - self.null, self.margin or 0.0
        if self.side == "equivalence":
            away = np.abs(away)
        shift = margin if self.side == "noninferiority" else -margin
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((away + shift) / std_error, float)

    def evidence(self, statistic: Floats) -> Floats:
        """Return t turned so that a large value speaks for the alternative, shape (m,)."""
        if self.tails == 2:
            return np.abs(statistic)
        return statistic if self.side in {"greater", "noninferiority"} else -statistic

    def p_values(self, statistic: Floats, df: Floats) -> Floats:
        """Return unadjusted p-values, shape (m,)."""
        # As scipy.stats.t, which takes three times as long on a table of coefficients.
        return np.asarray(self.tails * stdtr(df, -self.evidence(statistic)), float)

    def half_widths(self, level: float, df: Floats) -> Floats:
        """Return half the width of the unadjusted interval in standard errors, shape (m,)."""
        return np.asarray(-stdtrit(df, (1.0 - level) / self.tails), float)

    def columns(self, level: float) -> dict[str, str | float]:
        """Return what a table says of the alternative; nothing of the usual one."""
        if self == TWO_SIDED:
            return {}
        made: dict[str, str | float] = {
            "side": self.side,
            "null": self.null,
            "conf_level": round(1.0 - 2.0 * (1.0 - level) / self.tails, 12),
        }
        if self.margin is not None:
            low, high = self.null - self.margin, self.null + self.margin
            made["margin_low"] = np.nan if self.side == "nonsuperiority" else low
            made["margin_high"] = np.nan if self.side == "noninferiority" else high
        return made


def check_level(level: float, tails: int = 2) -> None:
    """Refuse a confidence level that has no interval.

    Raises
    ------
    UsageError
        If it is not between 0 and 1, or between 0.5 and 1 where the test has one tail.
    """
    least = 0.0 if tails == 2 else 0.5
    if not least < level < 1.0:
        raise UsageError(f"level must lie between {least:g} and 1 (0.95 for 95 %), not {level!r}")


TWO_SIDED = Alternative()
"""A difference from zero."""
