"""The answer of a study in one sentence with numbers, built from its table and nothing else.

Two levels are said to differ only where the adjusted p lies below 1 - level and its interval leaves
out no effect (`estimates.is_told`); a type is said to change only where the same holds for its
change. Whatever else was estimated is named as not told apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from qsmstats.wording.estimates import (
    ci_name,
    is_told,
    no_effect,
    oriented,
    quantity_of,
    shown,
    unit_of,
    with_pairs_titled,
)
from qsmstats.wording.names import (
    capitalised,
    in_words,
    lesion_types,
    outcome_short,
    pair_title,
    short_title,
    title,
)
from qsmstats.wording.numbers import (
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
    "Largest",
    "accuracy_sentences",
    "change_sentence",
    "changes_overall",
    "check_sentence",
    "difference_sentence",
    "differences_overall",
    "interval_title",
    "largest_difference",
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
    name, asked = outcome_short(outcome), len(contrasts)
    contrasts = _known(contrasts)
    unknown = f"{counted(asked - len(contrasts), quantity_of(contrasts))} could not be estimated"
    if contrasts.empty:
        return f"{name}: {unknown}; the notes say why."
    told = is_told(contrasts, alpha)
    if not told.any():
        pairs_tested = counted(len(contrasts), quantity_of(contrasts))
        rest = f"; {unknown}" if asked > len(contrasts) else ""
        return f"{name}: no difference was shown ({pairs_tested} tested){rest}."
    pairs = _highest_first(contrasts[told])
    # Levels above the same ones are taken together.
    together: dict[tuple[str, ...], list[str]] = {}
    for high, rows in pairs.groupby("first", sort=False):
        together.setdefault(tuple(rows["second"]), []).append(str(high))
    clauses = [
        f"higher in {_lesions(highs)} than in {_lesions(lows)}"
        for lows, highs in sorted(together.items(), key=lambda item: -len(item[0]))
    ]
    if (top := largest_difference(contrasts, alpha)) is not None:
        clauses.append(
            f"the largest {quantity_of(contrasts)}, {top.pair}, is {top.value}"
            f" ({ci_name(contrasts, ci)} {top.limits}, adjusted {top.p})"
        )
    open_pairs = [_unbroken(pair) for pair in with_pairs_titled(contrasts[~told])["contrast"]]
    if len(open_pairs) > MOST_PAIRS:
        clauses.append(
            f"{len(open_pairs)} of {len(contrasts)} {quantity_of(contrasts)}s were not significant"
        )
    elif open_pairs:
        clauses.append(f"no difference was shown for {listed(open_pairs)}")
    clauses += [unknown] if asked > len(contrasts) else []
    # "QSM, mean against NAWM," is closed before the verb.
    subject = f"{name}," if "," in name else name
    return f"{subject} is {'; '.join(clauses)}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Largest:
    """The largest difference of a table: "PRL − NAWM", "12.0 ppb", "10.1 to 13.9", "p < 0.001"."""

    pair: str
    value: str
    limits: str
    p: str


def largest_difference(contrasts: pd.DataFrame, alpha: float) -> Largest | None:
    """Return the largest difference that was shown; None where none was.

    Parameters
    ----------
    contrasts, alpha
        As for `difference_sentence`.
    """
    pairs = _highest_first(contrasts[is_told(contrasts, alpha)])
    if pairs.empty:
        return None
    top = pairs.nlargest(1, "estimate").iloc[0]
    decimals = decimals_of_errors([top["std_error"]])
    sign = "/" if no_effect(contrasts) else "−"
    return Largest(
        pair=_unbroken(pair_title(str(top["first"]), str(top["second"]), sign)),
        value=f"{fixed(top['estimate'], decimals)}\u00a0{unit_of(contrasts)}".strip(),
        limits=interval(top["conf_low"], top["conf_high"], decimals),
        p=p_equation(top["p"]),
    )


def _known(table: pd.DataFrame) -> pd.DataFrame:
    """Return what could be estimated; what lies between scanners could not."""
    return table[table["estimate"].notna()]


def _highest_first(contrasts: pd.DataFrame) -> pd.DataFrame:
    return oriented(contrasts, contrasts["estimate"] > no_effect(contrasts))


def differences_overall(tables: Mapping[str, pd.DataFrame], alpha: float) -> str:
    """Count the differences that were shown, over all maps and in each of them.

    Parameters
    ----------
    tables
        The map -> contrasts as `difference_sentence` takes them, with rows.
    alpha
        Adjusted p below which a difference counts as shown.
    """
    tables = {outcome: _known(table) for outcome, table in tables.items()}
    told = {outcome: int(is_told(table, alpha).sum()) for outcome, table in tables.items()}
    of = {outcome: len(table) for outcome, table in tables.items()}
    each = [f"{outcome_short(name)} {told[name]} of {of[name]}" for name in tables]
    total = f"{sum(told.values())} of {counted(sum(of.values()), 'difference')}"
    return f"{total} shown (adjusted p < {alpha:.2g}): {'; '.join(each)}."


def changes_overall(tables: Mapping[str, pd.DataFrame], alpha: float) -> str:
    """Say in which maps and types a change was shown, and in how many none.

    Parameters
    ----------
    tables
        The map -> slopes as `change_sentence` takes them, with rows.
    alpha
        As for `differences_overall`.
    """
    found: dict[str, list[str]] = {"increase": [], "decrease": []}
    asked = sum(map(len, tables.values()))
    tables = {outcome: _known(slopes) for outcome, slopes in tables.items()}
    for outcome, slopes in tables.items():
        told, rises = is_told(slopes, alpha), slopes["estimate"] > no_effect(slopes)
        for way, rows in (("increase", slopes[told & rises]), ("decrease", slopes[told & ~rises])):
            if len(rows):
                where = _lesions(rows["lesion_type"])
                found[way].append(f"{outcome_short(outcome)} of {where}")
    said = [f"{way} in {listed(names)}" for way, names in found.items() if names]
    total = sum(map(len, tables.values()))
    still = total - sum(int(is_told(slopes, alpha).sum()) for slopes in tables.values())
    if still:
        said.append(f"no change shown in {still} of {total} (adjusted p ≥ {alpha:.2g})")
    if asked > total:
        said.append(f"not known in {asked - total} of {asked}")
    return f"{'; '.join(said)}."


def _unbroken(pair: str) -> str:
    # No line begins with the sign.
    return re.sub(" ([−/])", "\N{NO-BREAK SPACE}\\1", pair)


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
    unknown = [str(level) for level in slopes.loc[slopes["estimate"].isna(), "lesion_type"]]
    slopes = _known(slopes)
    if slopes.empty:
        return f"{outcome_short(outcome)}: no change could be estimated; the notes say why."
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
    if unknown:
        clauses.append(f"the change could not be estimated in {_lesions(unknown)}")
    quantity = quantity_of(slopes)
    said = ", ".join(filter(None, ["" if quantity == "change" else quantity, unit_of(slopes)]))
    return f"{outcome_short(outcome)} ({said}): {'; '.join(clauses)}."


def interval_title(method: str) -> str:
    """Return whether a method gives credible or confidence intervals."""
    return f"{'credible' if method.startswith('bayes') else 'confidence'} interval"


def accuracy_sentences(rows: pd.DataFrame, level: str) -> list[str]:
    """Say how well each class is told from the rest, one sentence per class.

    Parameters
    ----------
    rows
        class, measure, numerator, denominator, share, low, high, method, recommended: whether the
        method is one that allows for lesions within brains.
    level
        Level of the intervals, as "95 %".
    """
    if rows.empty:
        return []
    sentences = []
    for name, part in rows.groupby("class", sort=False):
        said = []
        for _, row in part[part["measure"].isin(["sensitivity", "specificity"])].iterrows():
            cases = row["denominator"]
            limits = share_interval(row["low"], row["high"], cases)
            said.append(
                f"{row['measure']} {share_text(row['numerator'], cases)} observed"
                f" ({count(row['numerator'])} of {count(cases)}; {level}"
                f" {interval_title(str(row['method']))} {limits}"
                + ("" if row["recommended"] else ", lesions assumed independent")
                + ")"
            )
        if said:
            sentences.append(f"{capitalised(title(str(name)))}: {'; '.join(said)}.")
    return sentences
