"""Which lesions have another type at the second session; rates stand in `LesionParameters`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["draw_later_types"]


def draw_later_types(
    rng: np.random.Generator,
    transitions: Mapping[str, Mapping[str, float]],
    types: Sequence[str],
    years: float,
) -> list[str]:
    """Draw the type of each lesion after some years.

    Parameters
    ----------
    rng
        Random numbers of this patient's second session, apart from all others.
    transitions
        Type -> later type -> probability per year: after t years t times that, so that the number
        of changes per lesion-year is exact whatever t is.
    types
        Type of each lesion at the first session.
    years
        Time between the sessions.
    """
    draws = rng.random(len(types))
    later = []
    for name, draw in zip(types, draws, strict=True):
        others = transitions.get(name, {})
        edges = np.cumsum(list(others.values())) * years
        place = int(np.searchsorted(edges, draw, side="right"))
        later.append([*others, name][place])
    return later
