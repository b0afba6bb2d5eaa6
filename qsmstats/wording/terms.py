"""Terms of a model in words: "lesion type: hyperintense − isointense" for a coefficient's name.

The TSVs keep the names that the formula gives; only the page has words. A treatment-coded level is
named with the level it is compared with, where the terms leave no doubt which one that is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from qsmstats.schemas import FieldSchema
from qsmstats.wording.names import outcome_title, schemas_in_use, short_title

__all__ = ["formula_in_words", "group_title", "groups_in_words", "names_in_words", "term_titler"]

_CODED = re.compile(r"^(?:C\()?(\w+)[^\[]*\[T\.(.+)\]$")
_CALL = re.compile(r"^(log|sqrt|exp)\((\w+)\)$")
_CATEGORY = re.compile(r"\bC\((\w+)\)")
_NAME = re.compile(r"\b[a-z]\w*_\w+\b")
_GROUP = re.compile(r"\bparticipant_id(?::\w+)*")
_WORDS = {
    "Intercept": "intercept",
    "Residual": "residual",
    "age": "age (years)",
    "volume_mm3": "volume (mm³)",
    "years": "time (years)",
}
_GROUPS = {"participant_id": "participant", "lesion_id": "lesion", "Residual": "residual"}


def term_titler(terms: Iterable[str]) -> Callable[[object], str]:
    """Return what writes any of some terms of one model in words.

    Parameters
    ----------
    terms
        Names of the coefficients, of the terms of a table of tests, or of random effects.

    Examples
    --------
    >>> write = term_titler(["Intercept", "sex[T.M]", "sex[T.M]:years"])
    >>> write("sex[T.M]:years")
    '(sex: male − female) × time (years)'
    """
    coded: dict[str, set[str]] = {}
    for term in terms:
        for part in _parts(str(term)):
            if found := _CODED.match(part):
                coded.setdefault(found[1], set()).add(found[2])
    # The only level of the schema without a coefficient; none where several have none, as levels
    # that no row holds have none either.
    without = {
        factor: [level for level in _factors()[factor].levels if level not in levels]
        for factor, levels in coded.items()
        if factor in _factors()
    }
    references = {factor: left[0] for factor, left in without.items() if len(left) == 1}

    def write(term: object) -> str:
        words = [_part(part, references) for part in _parts(str(term))]
        if len(words) == 1:
            return words[0]
        return " × ".join(f"({word})" if ": " in word else word for word in words)

    return write


def _factors() -> dict[str, FieldSchema]:
    tables = (schemas_in_use().table(table) for table in ("participants", "lesions", "tissue"))
    return {column.name: column for table in tables for column in table.fields if column.levels}


def _parts(term: str) -> list[str]:
    """Split an interaction at its colons, but not at those within brackets or parentheses."""
    return re.split(r":(?![^\[(]*[\])])", term)


def _part(part: str, references: dict[str, str]) -> str:
    if found := _CODED.match(part):
        factor, level = found[1], short_title(found[2])
        reference = references.get(factor, "")
        compared = f"{level} − {short_title(reference)}" if reference else level
        return f"{_word(factor)}: {compared}"
    if found := _CALL.match(part):
        return f"{found[1]} {_word(found[2])}"
    return _word(_CATEGORY.sub(r"\1", part))


def _word(name: str) -> str:
    if name in _WORDS:
        return _WORDS[name]
    return _factors()[name].title.lower() if name in _factors() else outcome_title(name)


def formula_in_words(formula: str, outcome: str) -> str:
    """Return a formula with its outcome as Y and its variables named in English.

    Examples
    --------
    >>> formula_in_words("ndi ~ C(scanner) + log(volume_mm3) + (1 | participant_id)", "ndi")
    'Y ~ scanner + log(volume) + (1 | participant)'
    """
    plain = _CATEGORY.sub(r"\1", formula)
    return names_in_words(re.sub(rf"\b{re.escape(outcome)}\b", "Y", plain))


def names_in_words(text: str) -> str:
    """Return a text about a model with groups and columns named in English.

    Examples
    --------
    >>> names_in_words("60 levels of participant_id:lesion_type")
    '60 levels of lesion type within participant'
    """
    said = _GROUP.sub(lambda group: group_title(group[0]), text)
    return _NAME.sub(lambda name: re.sub(r" \(.*\)$", "", _word(name[0])).lower(), said)


def group_title(group: str) -> str:
    """Return what a grouping is called: "lesion within participant" for participant_id:lesion_id.

    Examples
    --------
    >>> group_title("participant_id:lesion_id")
    'lesion within participant'
    """
    parts = [_GROUPS.get(part, part.replace("_", " ")) for part in group.split(":")]
    return " within ".join(reversed(parts))


def groups_in_words(counts: str) -> str:
    """Return the numbers of groups of a model in words.

    Examples
    --------
    >>> groups_in_words("participant_id 20; participant_id:lesion_type 60")
    'participant 20; lesion type within participant 60'
    """
    return re.sub(r"[\w:]+(?= \d)", lambda name: group_title(name[0]), counts)
