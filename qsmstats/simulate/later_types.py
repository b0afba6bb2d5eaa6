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
    edges = {name: np.cumsum([*of.values()]) * years for name, of in transitions.items()}
    later = []
    for name, draw in zip(types, rng.random(len(types)), strict=True):
        place = int(np.searchsorted(edges.get(name, ()), draw, side="right"))
        later.append([*transitions.get(name, ()), name][place])
    return later
