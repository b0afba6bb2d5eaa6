r"""How often a type seems to change where nothing does: two raters of one lesion at one session.

Of all ordered pairs of raters who rated the same lesion at the same session, without the
adjudicator,

.. math:: q(a, b) = P(\text{second rater says } b \mid \text{first rater says } a)

If one rater rated the first visit and an independent one the next, a lesion that never changes
would seem to go from a to b with probability q(a, b) in each interval: of :math:`n` intervals with
:math:`T` lesion-years in all, at a rate of :math:`q n / T`. Types by consensus differ less, so that
this is an upper bound for them.
"""

from __future__ import annotations

import pandas as pd

__all__ = ["rater_pairs"]

UNIT = ["participant_id", "session_id", "lesion_id"]


def rater_pairs(ratings: pd.DataFrame | None, adjudicator: str) -> pd.DataFrame:
    """Return what two raters said of the same lesion at the same session, in both orders.

    Parameters
    ----------
    ratings
        One row per rater and lesion: participant_id, session_id, lesion_id, rater_id, lesion_type.
    adjudicator
        The rater who is left out, as that rating is not independent of the others.

    Returns
    -------
    DataFrame
        from_type and to_type, as `lesion_intervals` names them; no rows without ratings.
    """
    if ratings is None:
        return pd.DataFrame(columns=["from_type", "to_type"], dtype="object")
    own = ratings[ratings["rater_id"] != adjudicator].dropna(subset="lesion_type")
    own = own[[*UNIT, "rater_id", "lesion_type"]].astype("object")
    pairs = own.merge(own, on=UNIT, suffixes=("", "_other"))
    pairs = pairs[pairs["rater_id"] != pairs["rater_id_other"]]
    named = {"lesion_type": "from_type", "lesion_type_other": "to_type"}
    return pairs.rename(columns=named)[["from_type", "to_type"]].reset_index(drop=True)
