"""Post-mortem lesions: histological class and type on QSM; see `HistologyParameters`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qsmstats.simulate.parameters import HistologyParameters

__all__ = ["draw_histology", "true_accuracy"]

Row = dict[str, str | float | None]
LEAST_MWF = 0.1  # percent
UNDECIDED = (
    ("index_test", None),
    ("index_test", "indeterminate"),
    ("reference_standard", None),
    ("reference_standard", "indeterminate"),
)


def draw_histology(rng: np.random.Generator, parameters: HistologyParameters) -> list[Row]:
    """Draw the rows of histology.tsv.

    The first lesions of each brain, as many as `brains` says, have both answers. The additional
    lesions are assigned to the brains in turn and lack an answer, in turn in each of the four ways.
    """
    extra = [parameters.undecided // len(parameters.brains)] * len(parameters.brains)
    for i in range(parameters.undecided % len(parameters.brains)):
        extra[i] += 1
    rows: list[Row] = []
    undecided = 0
    for i, (decided, more) in enumerate(zip(parameters.brains, extra, strict=True)):
        shares = _around(rng, parameters.shares, parameters.concentration)
        confusion = {
            name: _around(rng, row, parameters.concentration)
            for name, row in parameters.confusion.items()
        }
        shift = rng.normal(scale=parameters.brain_sd)
        for lesion in range(decided + more):
            reference = _pick(rng, shares)
            spread = shift + rng.normal(scale=parameters.lesion_sd)
            mwf = parameters.mwf_percent[reference] + float(spread[0])
            rim = parameters.rim_contrast_ppb[reference] + float(spread[1])
            row: Row = {
                "brain_id": f"brain-{i + 1}",
                "lesion_id": f"lesion-{lesion + 1:02d}",
                "index_test": _pick(rng, confusion[reference]),
                "reference_standard": reference,
                "mwf_percent": round(max(mwf, LEAST_MWF), 2),
                "rim_contrast_ppb": round(rim, 1),
            }
            if lesion >= decided:
                column, answer = UNDECIDED[undecided % len(UNDECIDED)]
                row[column] = answer
                undecided += 1
            rows.append(row)
    return rows


def _around(
    rng: np.random.Generator, shares: Mapping[str, float], concentration: float
) -> dict[str, float]:
    drawn = rng.dirichlet([concentration * share for share in shares.values()])
    return dict(zip(shares, map(float, drawn), strict=True))


def _pick(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    names = list(shares)
    return names[int(rng.choice(len(names), p=list(shares.values())))]


def true_accuracy(
    parameters: HistologyParameters, mapping: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, float]]:
    """Return class -> sensitivity, specificity of a lesion of the population, one class vs rest.

    Parameters
    ----------
    parameters
        The model. A brain's shares and confusion are independent and have the population's values
        as means, so that these hold for a random lesion of a random brain.
    mapping
        Class -> levels of the index test that predict it.
    """
    accuracy = {}
    for name, levels in mapping.items():
        called = {
            other: sum(row.get(level, 0.0) for level in levels)
            for other, row in parameters.confusion.items()
        }
        rest = {other: share for other, share in parameters.shares.items() if other != name}
        false = sum(share * called[other] for other, share in rest.items())
        accuracy[name] = {
            "sensitivity": called[name],
            "specificity": 1.0 - false / sum(rest.values()),
        }
    return accuracy
