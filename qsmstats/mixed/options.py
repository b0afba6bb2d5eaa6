"""The one message for an option that has a value out of its list."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qsmstats.errors import UsageError

__all__ = ["check_option"]


def check_option(name: str, value: object, allowed: Sequence[object]) -> None:
    """Refuse a value that is not allowed.

    Raises
    ------
    UsageError
        Such as ``method must be "reml" or "ml", not 'mle'``.
    """
    # `in` would ask an array for its truth.
    if isinstance(value, str | int | np.integer | None) and value in allowed:
        return
    said = [f'"{one}"' if isinstance(one, str) else str(one) for one in allowed]
    choice = " or ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
    raise UsageError(f"{name} must be {choice}, not {value!r}")
