"""Comparisons and slopes that lie between scanners are withheld, and the others are answered.

All patients may have changed scanners between their visits: then the change of each type and the
difference between the scanners are one number, and the difference of the changes of two types is
not, as both types changed scanners alike. So each comparison is judged by its own share of
information within scanners (`harmonise.confounding`), once the scanners are in the model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.arrays import Flags, Floats
from qsmstats.errors import NotIdentifiedError
from qsmstats.harmonise.confounding import confounded_functions
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.inference.linear_functions import Family
from qsmstats.settings import SCANNER

__all__ = [
    "CONFOUNDED",
    "blanked",
    "refuse_if_confounded",
    "refuse_unanswered",
    "withheld",
    "without_means",
]

CONFOUNDED = "confounded with scanners"
"""What the column `note` says of a comparison that is withheld."""
REMEDY = "Compare within one scanner, or leave the question out"
_SAID = {"null", "years"}


def withheld(
    fit: MixedFit,
    table: pd.DataFrame,
    families: Sequence[Family],
    *,
    names: Iterable[str],
    variables: Collection[str],
    mean: str = "",
) -> tuple[pd.DataFrame, str]:
    """Withhold the comparisons or slopes that lie between scanners.

    The p-values of the others stay adjusted for all that could be estimated.

    Parameters
    ----------
    fit
        A fit of `fit_study_model`; where its model has no scanner, nothing is withheld.
    table
        Comparisons or slopes, as the fit returns them.
    families
        Their linear functions, in the order of its rows.
    names
        What the rows are called.
    variables
        Columns of the data that they compare.
    mean
        What the mean of the rows over the lesion types is called; where it is confounded, all of
        the rows are withheld. A rare type knows so little of its change without scanners that they
        hardly add to its variance, and its change is the scanners' all the same.

    Returns
    -------
    table
        The table with missing numbers, and a note, where a comparison is withheld.
    reason
        What is confounded, its share of information, and where it was measured; empty where
        nothing is withheld.
    """
    functions = np.concatenate([one.matrix for one in families])
    low, reason = _judged(fit, functions, names, variables=variables, mean=mean)
    return (blanked(table, low) if reason else table), reason


def _judged(
    fit: MixedFit,
    functions: Floats,
    names: Iterable[str],
    *,
    variables: Collection[str],
    mean: str,
) -> tuple[Flags, str]:
    """Tell which functions are confounded, and why; none in a model without the scanner."""
    data = fit.frame.data
    asked: dict[str, Any] = {"scanner": SCANNER, "variables": variables}
    if SCANNER not in data:
        return np.zeros(len(functions), dtype=bool), ""
    if mean:
        shares = data["lesion_type"].value_counts(normalize=True, sort=False).to_numpy()
        _, reason = confounded_functions(fit.fixed, data, shares[None] @ functions, [mean], **asked)
        if reason:
            return np.ones(len(functions), dtype=bool), reason
    return confounded_functions(fit.fixed, data, functions, names, **asked)


def without_means(means: pd.DataFrame, levels: pd.Series, answers: pd.DataFrame) -> pd.DataFrame:
    """Withhold the means of levels of which every answer was withheld.

    Parameters
    ----------
    means
        Marginal means.
    levels
        The level of each mean.
    answers
        Comparisons or slopes, with the levels in `first` and `second`, or in `lesion_type`.
    """
    own = [name for name in ("first", "second", "lesion_type") if name in answers]
    known = (
        answers[own]
        .melt(value_name="level")
        .assign(there=np.tile(answers["note"].ne(CONFOUNDED), len(own)))
    )
    lost = ~known.groupby(known["level"].astype("str"))["there"].any()
    return blanked(means, levels.astype("str").isin(lost.index[lost]).to_numpy())


def refuse_if_confounded(
    fit: MixedFit, functions: Floats, names: Iterable[str], *, mean: str = ""
) -> None:
    """Refuse to go on with changes over time that lie between scanners.

    Parameters
    ----------
    fit
        A fit of `fit_study_model` of the trajectories.
    functions, names
        Weights on all columns of the fixed part, shape (m, kept + dropped), and what they give.
    mean
        As in `withheld`.

    Raises
    ------
    NotIdentifiedError
        If one of them is confounded with scanners.
    """
    _, reason = _judged(fit, functions, names, variables=["years"], mean=mean)
    if reason:
        raise NotIdentifiedError(f"{reason}. {REMEDY}")


def blanked(table: pd.DataFrame, rows: Flags, note: str = CONFOUNDED) -> pd.DataFrame:
    """Return a table of estimates with missing numbers, and a note, in some rows."""
    numbers = [name for name in table.select_dtypes("float") if name not in _SAID]
    made = table.copy()
    made.loc[rows, numbers] = np.nan
    made.loc[rows, "note"] = note
    return made


def refuse_unanswered(reasons: Sequence[str], *tables: pd.DataFrame) -> tuple[str, ...]:
    """Return what was withheld as notes.

    Parameters
    ----------
    reasons
        What `withheld` returned of each table.
    tables
        The tables that answer a question.

    Raises
    ------
    NotIdentifiedError
        If nothing is left to answer with.
    """
    notes = tuple(dict.fromkeys(filter(None, reasons)))
    if notes and all(table["estimate"].isna().all() for table in tables):
        raise NotIdentifiedError(f"{'; '.join(notes)}. {REMEDY}")
    return tuple(f"Withheld: {note}." for note in notes)
