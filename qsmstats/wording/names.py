"""What things are called on the page: titles, short titles, units, order, from the schemas."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from qsmstats.own_schemas import Schemas

__all__ = [
    "adjustment",
    "capitalised",
    "coefficient_title",
    "df_title",
    "figure_name",
    "in_words",
    "lesion_types",
    "method_title",
    "outcome_plain",
    "outcome_short",
    "outcome_title",
    "outcome_words",
    "pair_title",
    "present_levels",
    "schemas_in_use",
    "short_title",
    "tissues",
    "title",
    "unit_text",
    "using_schemas",
    "with_unit",
    "written_unit",
]

_ABBREVIATION = re.compile(r" \(([A-Z][\w* -]*)\)$")
_MACHINE_NAME = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")
_LONG_COUNT = re.compile(r"(?<![\w.,-])\d{4,}(?= (?:lesion|participant|session|row|value|voxel))")
# How a unit of the schemas is written after a number.
_UNITS = {
    "percent": "%",
    "fraction": "",
    "year": "years",
    "1": "",
    "standard deviations of NAWM": "SD of NAWM",
}


_ADJUSTMENTS = {
    "bonferroni": "adjusted by Bonferroni's method",
    "fdr_bh": "adjusted to control the false discovery rate (Benjamini and Hochberg 1995)",
    "holm": "adjusted by Holm's method (Holm 1979)",
    "mvt": "adjusted by the single-step multivariate t method (Hothorn, Bretz and Westfall 2008)",
    "none": "not adjusted for multiple testing",
    "sidak": "adjusted by Šidák's method",
    "tukey": "adjusted by Tukey's method where all pairs are compared",
}
_DEGREES = {
    "satterthwaite": "Satterthwaite df",
    "kenward-roger": "Kenward-Roger df",
    "normal": "z tests",
    "residual": "residual df",
}
_COEFFICIENTS = {
    "brennan_prediger": "Brennan and Prediger's kappa",
    "cohen_kappa": "Cohen's kappa",
    "fleiss_kappa": "Fleiss' kappa",
    "gwet_ac1": "Gwet's AC1",
    "krippendorff_alpha_nominal": "Krippendorff's alpha",
    "percent_agreement": "observed agreement",
}
_METHODS = {
    "bayes_beta_1_4": "Bayes, Beta(1, 4) prior",
    "bayes_uniform": "Bayes, uniform prior",
    "beta_binomial_profile": "beta-binomial, profile",
    "cluster_bootstrap_percentile": "cluster bootstrap, percentile",
    "cluster_bootstrap_wild": "cluster bootstrap, wild",
    "cluster_jackknife_t": "cluster jackknife, t",
    "delong_logit": "DeLong, lesions independent",
    "delta": "delta method",
    "gee_mancl_derouen_t": "GEE, Mancl and DeRouen, t",
    "haldane_woolf": "Woolf, Haldane's correction",
    "koopman": "Koopman",
    "ml": "ML",
    "mover_rao_scott_wilson_t": "MOVER of Rao-Scott Wilson t",
    "mover_wilson": "MOVER of Wilson",
    "obuchowski_logit": "Obuchowski, lesions within brains",
    "rao_scott_haldane_woolf_t": "Woolf, Haldane's correction, Rao-Scott t",
    "rao_scott_wilson_t": "Rao-Scott Wilson t",
    "reml": "REML",
    "wilson": "Wilson",
}


_DEFAULT = Schemas()
_IN_USE: ContextVar[Schemas] = ContextVar("schemas")


@contextmanager
def using_schemas(schemas: Schemas) -> Iterator[None]:
    """Within, everything is called as these schemas say; without, as data_schemas/ does.

    Titles and colours are asked for on every level of the page; the schemas of its study would
    otherwise be an argument of nearly all of its functions.
    """
    token = _IN_USE.set(schemas)
    try:
        yield
    finally:
        _IN_USE.reset(token)


def schemas_in_use() -> Schemas:
    """Return the schemas of the study whose page is drawn."""
    return _IN_USE.get(_DEFAULT)


def lesion_types() -> tuple[str, ...]:
    """Return the lesion types in the order of the schema; the first is the reference."""
    return schemas_in_use().lesion_types


def tissues() -> tuple[str, ...]:
    """Return the tissues in the order of the schema: white matter, then the lesion types."""
    return schemas_in_use().tissues


def title(level: str) -> str:
    """Return the title of a level of any factor; the level itself where the schemas have none."""
    return schemas_in_use().titles.get(level, level.replace("_", " "))


def short_title(level: str) -> str:
    """Return the abbreviation that a title carries in parentheses, or the title where it has none.

    Examples
    --------
    >>> short_title("paramagnetic_rim")
    'PRL'
    """
    return _short(title(level))


def _short(full: str) -> str:
    abbreviation = _ABBREVIATION.search(full)
    return abbreviation[1] if abbreviation else re.sub(r" \(.*\)$", "", full)


def figure_name(text: str, letters: int = 28, lines: int = 2) -> str:
    r"""Return a name as figures show it: wrapped, and shortened where it is too long.

    The tables hold every name whole.

    Examples
    --------
    >>> figure_name("lesion with a rim of microglia and iron", letters=16)
    'lesion with a\nrim of microgli…'
    """
    wrapped = textwrap.wrap(text, letters, break_on_hyphens=False)
    if len(wrapped) > lines:
        rest = " ".join(wrapped[lines - 1 :])
        wrapped[lines - 1 :] = [f"{rest[: letters - 1].rstrip()}…"]
    return "\n".join(wrapped) or "(empty)"


def capitalised(text: str) -> str:
    """Return a text with a capital first letter; its other letters stay, as those of MWF."""
    return text[:1].upper() + text[1:]


def pair_title(first: str, second: str, sign: str) -> str:
    """Return two levels by their short titles, with "−" or "/" between them."""
    return f"{short_title(first)} {sign} {short_title(second)}"


def adjustment(method: str) -> str:
    """Return how p-values were adjusted: "adjusted by Holm's method (Holm 1979)"."""
    return _ADJUSTMENTS.get(method, f"adjusted by {method}")


def df_title(method: str) -> str:
    """Return how degrees of freedom were found, in a word or two."""
    return _DEGREES.get(method, method)


def coefficient_title(coefficient: str) -> str:
    """Return the name of a coefficient of agreement; its identifier in words where unknown."""
    return _COEFFICIENTS.get(coefficient, coefficient.replace("_", " "))


def method_title(method: str) -> str:
    """Return the name of a method of estimation; its identifier in words where none is known."""
    return _METHODS.get(method, method.replace("_", " "))


def outcome_title(outcome: str) -> str:
    """Return the title of an outcome or of a column of histology, or its name in words.

    Examples
    --------
    >>> outcome_title("mwf_percent"), outcome_title("mwf_percent_p95")
    ('Myelin water fraction (MWF)', 'Myelin water fraction (MWF), 95th percentile')
    """
    return _outcome_name(outcome, str)


def outcome_plain(outcome: str) -> str:
    """Return the title of an outcome without abbreviation, for axes, whose unit follows."""
    return _outcome_name(outcome, lambda full: _ABBREVIATION.sub("", full))


def _outcome_name(outcome: str, write: Callable[[str], str]) -> str:
    """Return the title of a map as `write` writes it, and then the feature, unless it is a mean."""
    found = schemas_in_use().outcomes.get(outcome)
    if found is None:
        fields = schemas_in_use().table("histology").fields
        columns = {column.name: column.title for column in fields}
        return write(columns.get(outcome, outcome.replace("_", " ")))
    if found.feature is None:
        return write(found.map.title)
    feature = found.feature.title.replace(", mean", " mean")
    return f"{write(found.map.title)}, {feature[:1].lower()}{feature[1:]}"


def in_words(text: str) -> str:
    """Return a sentence of a study with levels and columns by their titles, thousands in groups.

    Examples
    --------
    >>> in_words("3 of 4719 lesions: hypointense_rim")
    '3 of 4,719 lesions: hypointense rim'
    """
    text = _LONG_COUNT.sub(lambda count: f"{int(count[0]):,}", text)
    return _MACHINE_NAME.sub(lambda name: _known(name[0]), text)


def _known(name: str) -> str:
    if name in schemas_in_use().titles:
        return short_title(name)
    if name in schemas_in_use().outcomes:
        return outcome_short(name)
    found = outcome_title(name)
    return found.lower() if found != name.replace("_", " ") else name


def outcome_words(outcome: str) -> str:
    """Return the title of an outcome as it stands within a sentence; R2* stays R2*."""
    full, found = outcome_title(outcome), schemas_in_use().outcomes.get(outcome)
    if found is not None and found.map.name in schemas_in_use().own_maps:
        return full
    return full[:1].lower() + full[1:]


def outcome_short(outcome: str) -> str:
    """Return an outcome by the abbreviation of its map: "MWF", "MWF, median"."""
    return _outcome_name(outcome, _short)


def unit_text(outcome: str) -> str:
    """Return how the unit of an outcome is written after a number; empty for a pure number."""
    found = schemas_in_use().outcomes.get(outcome)
    return _UNITS.get(found.unit, found.unit) if found else ""


def written_unit(unit: str) -> str:
    """Return how a unit of a table is written after a number.

    Examples
    --------
    >>> written_unit("percent per year"), written_unit("1 per year")
    ('% per year', 'per year')
    """
    base, per, rest = unit.partition(" per ")
    return f"{_UNITS.get(base, base)}{per}{rest}".strip()


def with_unit(label: str, outcome: str, per: str = "") -> str:
    """Return an axis label such as "MWF (% per year)"."""
    unit = f"{unit_text(outcome)}{per}".strip()
    return f"{label} ({unit})" if unit else label


def present_levels(levels: Iterable[str], order: Iterable[str] | None = None) -> list[str]:
    """Return the levels that occur, those of the schema's order first, then the others as found."""
    found = [str(level) for level in dict.fromkeys(levels) if isinstance(level, str)]
    known = list(dict.fromkeys(lesion_types() if order is None else order))
    return [level for level in known if level in found] + [
        level for level in found if level not in known
    ]
