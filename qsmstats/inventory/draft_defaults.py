"""Every other setting of study.toml as a comment: its default, and what it means.

Names and defaults are those of `qsmstats.settings`; their descriptions are read from the
docstrings there, so that a new setting appears here by itself.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from qsmstats.inventory.draft_images import Part, comment, quoted
from qsmstats.schemas import plausible_ranges
from qsmstats.study import Study
from qsmstats.study_file import NO_SECTIONS

__all__ = ["plausible_part", "setting_parts"]

NOT_DRAFTED = (*NO_SECTIONS, "voxelwise")
"""Images in a common space have no default to be shown."""


def setting_parts(set_already: Mapping[str, Mapping[str, str]]) -> list[Part]:
    """Write the sections of settings.

    Parameters
    ----------
    set_already
        Section -> setting -> its line, for those whose default does not fit this study.
    """
    parts = []
    for item in fields(Study):
        kind: Any = item.default_factory
        if not isinstance(kind, type) or not is_dataclass(kind) or item.name in NOT_DRAFTED:
            continue
        own = set_already.get(item.name, {})
        doc = inspect.getdoc(kind) or ""
        # Setting -> its description, from the numpydoc section "Attributes".
        body, defaults = doc.partition("Attributes\n----------\n")[2], kind()
        explained: dict[str, str] = {}
        for names, text in re.findall(r"^(\S.*)\n((?:[ ]{4}.*(?:\n|\Z)|\n)+)", body, re.MULTILINE):
            plain_text = re.sub(r"``?([^`]+)``?", r"\1", " ".join(text.split()))
            explained |= dict.fromkeys(names.split(", "), plain_text)
        head = f"[{item.name}]" if own else f"# [{item.name}]"
        lines = ["", *comment(doc.split("\n\n")[0]), head]
        for name in (setting.name for setting in fields(kind)):
            value = getattr(defaults, name)
            lines += comment(explained.get(name, ""), indent="  ")
            if isinstance(value, dict):
                inner = ", ".join(f"{key} = {quoted(list(words))}" for key, words in value.items())
                lines.append(f"# {name} = {{ {inner} }}")
            else:
                plain = list(value) if isinstance(value, tuple) else value
                lines.append(own.get(name, f"# {name} = {quoted(plain)}"))
        parts.append(Part(lines=tuple(lines)))
    return parts


def plausible_part() -> Part:
    """Write [plausible]: the ranges of data_schemas/, which the study may widen."""
    text = "Plausible values, lowest and highest; widen a range if a value outside it is correct."
    ranges = [f"# {name} = {quoted(list(limits))}" for name, limits in plausible_ranges().items()]
    return Part(lines=("", *comment(text), "# [plausible]", *ranges))
