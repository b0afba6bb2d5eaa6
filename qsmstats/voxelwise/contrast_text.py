"""A contrast of coefficients written as text, as the command line takes it."""

from __future__ import annotations

import re

from qsmstats.errors import UsageError

__all__ = ["contrast_in_words"]


def contrast_in_words(text: str) -> tuple[str, dict[str, float]]:
    """Return the label and the weights of a contrast written as text.

    Parameters
    ----------
    text
        ``"slope of patients = years + group[T.MS]:years"``: a label (by default the text itself),
        then coefficients with their signs and, where these are not 1, weights: ``0.5 * age``.
        Signs between coefficients stand between spaces.

    Raises
    ------
    UsageError
        If it cannot be read.

    Examples
    --------
    >>> contrast_in_words("late = years + 0.5 * group[T.MS]:years")
    ('late', {'years': 1.0, 'group[T.MS]:years': 0.5})
    """
    label, equals, expression = text.partition(" = ")
    expression = expression if equals else text
    expression = expression.strip()
    signed = expression if expression.startswith(("+ ", "- ")) else f"+ {expression}"
    parts = re.split(r"(?:^|\s+)([+-])\s+", signed)[1:] or ["+", ""]
    weights: dict[str, float] = {}
    for sign, term in zip(parts[::2], parts[1::2], strict=True):
        weight, times, name = map(str.strip, term.rpartition(" * "))
        try:
            size = float(weight) if times else 1.0
        except ValueError:
            name = ""
        if not name or name in weights:
            message = (
                f"the contrast '{text}' cannot be read at '{term}'; write coefficients with "
                "weights, as 'label = years + 0.5 * group[T.MS]:years'"
            )
            raise UsageError(message)
        weights[name] = size if sign == "+" else -size
    return label.strip(), weights
