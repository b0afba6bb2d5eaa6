r"""Scanners of a simulated study: who was measured on which, and what each adds to a map.

The model is that of ComBat (Johnson, Li & Rabinovic 2007, Biostatistics 8:118-127) in its
longitudinal form (Beer et al. 2020, NeuroImage 220:117129). On scanner s, the value of `maps` is

.. math:: y = \text{fixed} + u + vt + w + \gamma_s + \delta_s e,

the shift :math:`\gamma_s` being the same for every region and the scale :math:`\delta_s` that of
what changes from session to session. Shifts are normal with a standard deviation of `SHIFT_SD`
times that of lesions of one type at one session, :math:`(\sigma_u^2 + \sigma_w^2 +
\sigma_e^2)^{1/2}`, and centred: they sum to zero over the scanners, so that the means of `maps` are
those of the average scanner. Log scales are normal with `LOG_SCALE_SD`, and :math:`\delta_s^2` is
divided by its mean over the scanners. One scanner has shift 0 and scale 1.

First sessions are spread evenly, in each group at random; a share `MOVED` of the followed patients
has the second session on another scanner. The three numbers are assumptions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from qsmstats.arrays import Floats
from qsmstats.simulate.maps import MapParameters

__all__ = ["Scanners", "assign_scanners", "draw_scanners"]

SHIFT_SD = 0.5
LOG_SCALE_SD = 0.2
MOVED = 0.3
DEFINITION = (
    "shift: what a scanner adds to every value of a map, in its canonical unit, and shift_in_sd the"
    " same over the standard deviation of lesions of one type at one session; scale: what it"
    " multiplies the deviation of a region at one session by, beside the residual variance under"
    " maps. Shifts sum to zero, and squared scales have a mean of 1. contrasts: differences of"
    " shifts, which a model with fixed effects of scanners estimates. Values under regions include"
    " both."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scanners:
    """The scanners of a study.

    Attributes
    ----------
    names
        Of one scanner "": no table has a column for it.
    shift, scale
        Map -> effect of each scanner, in the map's canonical unit and as a ratio, shape
        (scanners,).
    """

    names: tuple[str, ...]
    shift: Mapping[str, Floats]
    scale: Mapping[str, Floats]

    def of(self, map_name: str, sessions: Sequence[str]) -> tuple[Floats, Floats]:
        """Return shift and scale of the scanner of each session, shapes (sessions,)."""
        places = [self.names.index(name) for name in sessions]
        return self.shift[map_name][places], self.scale[map_name][places]

    def truth(self, maps: Mapping[str, MapParameters]) -> dict[str, Any]:
        """Return the effects under the scanners' names, ready for JSON."""
        told = {}
        for name, truth in maps.items():
            shift = dict(zip(self.names, self.shift[name].tolist(), strict=True))
            told[name] = {
                "shift": shift,
                "shift_in_sd": {key: value / _sd(truth) for key, value in shift.items()},
                "scale": dict(zip(self.names, self.scale[name].tolist(), strict=True)),
                "contrasts": {
                    f"{a} - {b}": shift[a] - shift[b] for a, b in combinations(self.names, 2)
                },
            }
        return {"definition": DEFINITION, "names": list(self.names), "maps": told}


def draw_scanners(
    rng: np.random.Generator, maps: Mapping[str, MapParameters], count: int
) -> Scanners:
    """Draw the effects of `count` scanners on each map."""
    names = tuple(f"S{place + 1}" for place in range(count)) if count > 1 else ("",)
    shift, scale = {}, {}
    for name, truth in maps.items():
        drawn = rng.normal(scale=SHIFT_SD * _sd(truth), size=count)
        shift[name] = drawn - drawn.mean()
        drawn = np.exp(rng.normal(scale=LOG_SCALE_SD, size=count))
        scale[name] = drawn / np.sqrt(np.mean(drawn**2))
    return Scanners(names=names, shift=shift, scale=scale)


def _sd(truth: MapParameters) -> float:
    return float(np.sqrt(truth.participant_sd**2 + truth.region_sd**2 + truth.session_sd**2))


def assign_scanners(
    rng: np.random.Generator, names: Sequence[str], sizes: Sequence[int], followed: set[int]
) -> list[tuple[str, ...]]:
    """Draw the scanner of each session of each participant.

    Parameters
    ----------
    rng
        Random numbers of the assignment.
    names
        Of the scanners.
    sizes
        Number of participants of each group, one group after the other.
    followed
        Places of the participants with a second session.

    Returns
    -------
    list of tuple
        One or two names for each participant.
    """
    first = np.concatenate([rng.permutation(np.arange(size) % len(names)) for size in sizes])
    second = first.copy()
    if len(names) > 1 and followed:
        moved = rng.choice(
            sorted(followed), size=int(np.ceil(MOVED * len(followed))), replace=False
        )
        second[moved] = (first[moved] + rng.integers(1, len(names), size=len(moved))) % len(names)
    return [
        (names[one], names[two]) if place in followed else (names[one],)
        for place, (one, two) in enumerate(zip(first.tolist(), second.tolist(), strict=True))
    ]
