"""The answer of a study in one sentence with numbers, built from its table and nothing else.

Two levels are said to differ only where the adjusted p lies below 1 - level and its interval leaves
out no effect (`estimates.is_told`); a type is said to change only where the same holds for its
change. Whatever else was estimated is named as not told apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from qsmstats.report.wording.estimates import (
    ci_name,
    is_told,
    no_effect,
    quantity_of,
    shown,
    unit_of,
    with_pairs_titled,
)
from qsmstats.report.wording.names import (
    capitalised,
    in_words,
    lesion_types,
    outcome_short,
    pair_title,
    short_title,
    title,
)
from qsmstats.report.wording.numbers import (
    count,
    counted,
    decimals_of_errors,
    fixed,
    interval,
    p_equation,
    share_interval,
    share_text,
    signed,
)

__all__ = [
    "accuracy_sentences",
    "change_sentence",
    "check_sentence",
    "difference_sentence",
    "listed",
]

# More pairs than this are counted, not named.
MOST_PAIRS = 3


def listed(words: Iterable[str], joint: str = "and") -> str:
    """Return "a", "a and b" or "a, b and c"."""
    items = list(words)
    return f" {joint} ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _lesions(levels: Iterable[str]) -> str:
    """Return "NAWM and isointense lesions": types that are adjectives end with their noun."""
    names = list(levels)
    adjective = names[-1] in lesion_types() and short_title(names[-1]) == title(names[-1])
    return listed(map(short_title, names)) + (" lesions" if adjective else "")


def check_sentence(checks: pd.DataFrame, outcome: str) -> str:
    """Name the first check of a model that failed, and count the others.

    Parameters
    ----------
    checks
        Columns check, p_adjusted, failed, meaning.
    outcome
        The map.

    Returns
    -------
    str
        Empty where no check failed.
    """
    failed = checks[checks["failed"].astype("str").str.lower() == "true"]
    if failed.empty:
        return ""
    first, *others = failed.to_dict("records")
    what, colon, consequence = in_words(str(first["meaning"])).partition(":")
    p = "" if pd.isna(first["p_adjusted"]) else f" (adjusted {p_equation(first['p_adjusted'])})"
    rest = (
        f" Other checks that failed: {listed(str(row['check']) for row in others)}."
        if others
        else ""
    )
    said = what[:1].lower() + what[1:]
    return f"{outcome_short(outcome)}: {said}{p}{colon}{consequence}{in_words(rest)}"


def difference_sentence(contrasts: pd.DataFrame, outcome: str, alpha: float, ci: str) -> str:
    """Say which levels differ in one map, with numbers.

    Parameters
    ----------
    contrasts
        Columns first, second, estimate, std_error, conf_low, conf_high, p_adjusted (or p_value
        where nothing was adjusted), quantity, unit, null.
    outcome
        The map.
    alpha
        Adjusted p below which a difference counts as shown.
    ci
        Name of the intervals.

    Returns
    -------
    str
        One sentence; empty where there are no contrasts.
    """
    if contrasts.empty:
        return ""
    name = outcome_short(outcome)
    told = is_told(contrasts, alpha)
    if not told.any():
        pairs_tested = counted(len(contrasts), quantity_of(contrasts))
        return f"{name}: no difference was shown ({pairs_tested} tested)."
    pairs = _turned(contrasts[told])
    # Levels above the same ones are taken together.
    together: dict[tuple[str, ...], list[str]] = {}
    for high, rows in pairs.groupby("high", sort=False):
        together.setdefault(tuple(rows["low"]), []).append(str(high))
    clauses = [
        f"higher in {_lesions(highs)} than in {_lesions(lows)}"
        for lows, highs in sorted(together.items(), key=lambda item: -len(item[0]))
    ]
    top = pairs.nlargest(1, "estimate").iloc[0]
    decimals = decimals_of_errors([top["std_error"]])
    value = f"{fixed(top['estimate'], decimals)}\u00a0{unit_of(contrasts)}".strip()
    sign = "/" if no_effect(contrasts) else "−"
    clauses.append(
        f"the largest {quantity_of(contrasts)},"
        f" {_unbroken(pair_title(str(top['high']), str(top['low']), sign))}, is {value}"
        f" ({ci_name(contrasts, ci)} {interval(top['conf_low'], top['conf_high'], decimals)},"
        f" adjusted {p_equation(top['p'])})"
    )
    open_pairs = [_unbroken(pair) for pair in with_pairs_titled(contrasts[~told])["contrast"]]
    if len(open_pairs) > MOST_PAIRS:
        clauses.append(
            f"{len(open_pairs)} of {len(contrasts)} {quantity_of(contrasts)}s were not significant"
        )
    elif open_pairs:
        clauses.append(f"no difference was shown for {listed(open_pairs)}")
    # "QSM, mean against NAWM," is closed before the verb.
    subject = f"{name}," if "," in name else name
    return f"{subject} is {'; '.join(clauses)}."


def _unbroken(pair: str) -> str:
    # No line begins with the sign.
    return re.sub(" ([−/])", "\N{NO-BREAK SPACE}\\1", pair)


def _turned(contrasts: pd.DataFrame) -> pd.DataFrame:
    """Turn contrasts so that the first level of each is the higher one."""
    rows, null = shown(contrasts), no_effect(contrasts)
    upright = rows["estimate"] > null
    turned = rows[["estimate", "conf_low", "conf_high"]]
    turned = 1 / turned if null else -turned
    size = rows["estimate"] ** 2 if null else 1.0  # of the derivative of 1 / x
    return pd.DataFrame(
        {
            "high": rows["first"].where(upright, rows["second"]),
            "low": rows["second"].where(upright, rows["first"]),
            "estimate": rows["estimate"].where(upright, turned["estimate"]),
            "std_error": rows["std_error"].where(upright, rows["std_error"] / size),
            "conf_low": rows["conf_low"].where(upright, turned["conf_high"]),
            "conf_high": rows["conf_high"].where(upright, turned["conf_low"]),
            "p": rows["p"],
        }
    )


def change_sentence(slopes: pd.DataFrame, outcome: str, alpha: float, ci: str) -> str:
    """Say which types change per year in one map, with numbers.

    Parameters
    ----------
    slopes
        Columns as those of contrasts, with lesion_type for first and second.
    outcome, alpha, ci
        As for `difference_sentence`.
    """
    if slopes.empty:
        return ""
    told, null = is_told(slopes, alpha), no_effect(slopes)
    slopes, ci = shown(slopes), ci_name(slopes, ci)
    decimals = decimals_of_errors(slopes["std_error"])
    clauses = []
    for verb, rows in (
        ("increases in", slopes[told & (slopes["estimate"] > null)]),
        ("decreases in", slopes[told & (slopes["estimate"] < null)]),
    ):
        changes = []
        for _, row in rows.iterrows():
            limits = interval(row["conf_low"], row["conf_high"], decimals)
            value = (fixed if null else signed)(row["estimate"], decimals)
            changes.append(f"{_lesions([str(row['lesion_type'])])} ({value}, {ci} {limits})")
        if changes:
            clauses.append(f"{verb} {listed(changes)}")
    if not told.all():
        rest = _lesions(str(level) for level in slopes.loc[~told, "lesion_type"])
        clauses.append(f"no change was shown in {rest}")
    quantity = quantity_of(slopes)
    said = ", ".join(filter(None, ["" if quantity == "change" else quantity, unit_of(slopes)]))
    return f"{outcome_short(outcome)} ({said}): {'; '.join(clauses)}."


def accuracy_sentences(rows: pd.DataFrame, ci: str) -> list[str]:
    """Say how well each class is told from the rest, one sentence per class.

    Parameters
    ----------
    rows
        class, measure, numerator, denominator, share, recommended_low, recommended_high,
        independent_low, independent_high.
    ci
        Name of the intervals; the recommended one may be a credible interval.
    """
    if rows.empty:
        return []
    sentences = []
    for name, part in rows.groupby("class", sort=False):
        said = []
        for _, row in part[part["measure"].isin(["sensitivity", "specificity"])].iterrows():
            cases = row["denominator"]
            known = pd.notna(row["recommended_low"])
            role = "recommended" if known else "independent"
            limits = share_interval(row[f"{role}_low"], row[f"{role}_high"], cases)
            said.append(
                f"{row['measure']} {share_text(row['numerator'], cases)}"
                f" ({count(row['numerator'])} of {count(cases)}; {ci} {limits}"
                + (")" if known else ", lesions assumed independent)")
            )
        if said:
            sentences.append(f"{capitalised(title(str(name)))}: {'; '.join(said)}.")
    return sentences
