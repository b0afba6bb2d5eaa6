"""Match what people write against what the schema allows.

Two words are the same if they differ only in case, space, underscore or hyphen; a hyphen at the
end of a word is kept, because ``rim-`` means "no rim" where ``rim+`` means a rim.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from qsmstats.errors import Problem, did_you_mean, nearest
from qsmstats.schemas import FieldSchema, load_schema

__all__ = [
    "known_spellings",
    "lesion_levels",
    "own_spelling_problems",
    "suggestions",
    "unknown_level",
    "word_key",
]

DASHES = re.compile("[\u2010-\u2015\u2212]")


def word_key(word: str) -> str:
    """Return a word without what does not tell words apart.

    >>> word_key("Hypo-intense_RIM "), word_key("rim -"), word_key("rim+")
    ('hypointenserim', 'rim-', 'rim+')
    """
    text = DASHES.sub("-", unicodedata.normalize("NFKC", word)).casefold()
    text = re.sub(r"[\s_]+", "", text)
    return re.sub(r"(?<=\w)-(?=\w)", "", text)


def lesion_levels() -> tuple[str, ...]:
    """Return the lesion types in the order of the schema."""
    return load_schema("lesions").column("lesion_type").levels


def known_spellings(column: FieldSchema, own: Mapping[str, str]) -> dict[str, str]:
    """Return the key of every known word of a column -> its level.

    Parameters
    ----------
    column
        Column with levels.
    own
        The study's own spellings of lesion types, word -> level; they go before those of the
        schema, and stand for every column that has all lesion types among its levels.
    """
    known = {word_key(word): level for word, level in column.spellings.items()}
    if set(lesion_levels()) <= set(column.levels):
        known |= {word_key(word): level for word, level in own.items() if level in column.levels}
    return known | {word_key(level): level for level in column.levels}


def own_spelling_problems(own: Mapping[str, object], allowed: Sequence[str]) -> list[Problem]:
    """Return what is wrong with the [lesion_types] of study.toml.

    A word must stand for one of `allowed`, no level may stand for another one, and two words that
    count as the same must stand for the same level.
    """
    problems = []
    levels = {word_key(level): level for level in allowed}
    seen: dict[str, object] = {}
    for word, level in own.items():
        key = word_key(word)
        if level not in allowed:
            hint = did_you_mean(suggestions(str(level), levels))
            text = f"{level!r} is not one of {', '.join(allowed)}{hint or '; use one of these'}"
        elif levels.get(key, level) != level:
            text = f"is a lesion type itself and cannot stand for '{level}'; remove this line"
        elif seen.get(key, level) != level:
            text = f"stands for '{level}' here and for '{seen[key]}' above; keep one of the two"
        else:
            seen[key] = level
            continue
        problems.append(Problem(table="study.toml", column=f"lesion_types.{word}", problem=text))
    return problems


def suggestions(word: str, known: Mapping[str, str]) -> list[str]:
    """Return up to two values that `word` may have meant, in the order of `known`'s values.

    Parameters
    ----------
    word
        Unknown word.
    known
        Key (`word_key`) of every known word -> the value it stands for.
    """
    key = word_key(word)
    if not key:
        return []
    # "rim" lies within two levels: naming both is better than the nearest in letters.
    within = [value for value in known.values() if len(key) > 2 and key in word_key(value)]
    near = nearest(key, known, count=2)
    found = dict.fromkeys(within) or dict.fromkeys(known[name] for name in near)
    order = list(dict.fromkeys(known.values()))
    return sorted(found, key=order.index)[:2]


def unknown_level(word: str, column: FieldSchema, known: Mapping[str, str]) -> str:
    """Return the problem of a word that stands for no level of a column."""
    hint = did_you_mean(suggestions(word, known))
    if not hint and set(lesion_levels()) <= set(column.levels):
        hint = f'; if it stands for one of them, add "{word}" to [lesion_types] in study.toml'
    hint = hint or "; use one of these"
    return f"'{word}' is not one of {', '.join(column.levels)}{hint}"
