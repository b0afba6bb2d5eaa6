"""Estimates as the page shows them: the pairs with white matter."""

from __future__ import annotations

import pandas as pd

from qsmstats.wording.names import lesion_types, tissues

__all__ = ["with_white_matter"]


def with_white_matter(contrasts: pd.DataFrame) -> pd.DataFrame:
    """Return the contrasts with white matter on one side; those of two lesion types are left out.

    Parameters
    ----------
    contrasts
        Columns first and second; an empty frame is returned as it is.
    """
    if contrasts.empty:
        return contrasts
    white = {level for level in tissues() if level not in lesion_types()}
    kept = contrasts["first"].isin(white) | contrasts["second"].isin(white)
    return contrasts[kept].reset_index(drop=True)
