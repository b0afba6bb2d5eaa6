"""Match what people write against what the schema allows.

Which words count as the same, `qsmstats.schemas.word_key` says.
"""

from __future__ import annotations

from collections.abc import Mapping

from qsmstats.errors import did_you_mean, nearest, opposite
from qsmstats.schemas import TYPES, FieldSchema, load_schema, word_key

__all__ = [
    "known_spellings",
    "lesion_levels",
    "suggestions",
    "unknown_level",
    "word_key",
]


def lesion_levels() -> tuple[str, ...]:
    """Return the lesion types in the order of the schema."""
    return load_schema("lesions").column("lesion_type").levels


def known_spellings(column: FieldSchema, own: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the key of every known word of a column -> its level.

    Parameters
    ----------
    column
        Column with levels.
    own
        Further words, word -> level; they go before those of the schema.
    """
    known = {word_key(word): level for word, level in {**column.spellings, **(own or {})}.items()}
    return known | {word_key(level): level for level in column.levels}


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
    near = [known[name] for name in nearest(key, known, count=len(known) or 1)]
    # A key has lost the spaces before a "no" or "in", which the word and the level still show.
    within, near = ([one for one in some if not opposite(word, one)] for some in (within, near))
    found = dict.fromkeys(within) or dict.fromkeys(near[:2])
    order = list(dict.fromkeys(known.values()))
    return sorted(found, key=order.index)[:2]


def unknown_level(word: str, column: FieldSchema, known: Mapping[str, str]) -> str:
    """Return the problem of a word that stands for no level of a column."""
    hint = did_you_mean(suggestions(word, known))
    if not hint and column.name in TYPES.values():
        hint = f'; if it stands for one of them, add "{word}" to [lesion_types] in study.toml'
    stated = f'"{word}" = "{column.levels[0]}" below [levels.{column.name}] in study.toml'
    hint = hint or f"; use one of these, or state which it stands for, as {stated}"
    return f"'{word}' is not one of {', '.join(column.levels)}{hint}"
