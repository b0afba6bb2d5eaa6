"""Lines of Python and of R that fit the models of a run again, from the tables beside the page.

R: `lmerTest` where there is one residual variance, and `glmmTMB` where it differs by type, which
takes the same formula (`dispformula`). Estimates are those of this run; the standard errors of
glmmTMB allow for the estimated variances too and are a few per cent larger, and it has no degrees
of freedom.
"""

from __future__ import annotations

import re
from dataclasses import asdict

import pandas as pd

from qsmstats.report.sections.context import Context
from qsmstats.settings import ModelSettings
from qsmstats.wording.names import lesion_types, present_levels, tissues

__all__ = ["python_lines", "r_lines"]

CALLS = {
    "baseline": ("baseline_differences", "tidy"),
    "tissue": ("tissue_differences", "tissue"),
    "trajectory": ("trajectories", "tidy"),
}
SHOWN = {"trajectory": "slopes"}
# The rows of each model, as the studies choose them.
R_ROWS = {
    "baseline": "d <- subset(tidy, years == 0 & !is.na(lesion_type))",
    "tissue": "d <- subset(tissue, years == 0)",
    "trajectory": """\
d <- tidy[order(tidy$participant_id, tidy$lesion_id, tidy$years), ]
sessions <- ave(d$years, d$participant_id, FUN = function(x) length(unique(x)))
d <- d[sessions >= 2, ]
d$lesion_type <- ave(as.character(d$lesion_type), d$participant_id, d$lesion_id,
                     FUN = function(x) x[!is.na(x)][1])
d <- subset(d, !is.na(lesion_type))""",
}
R_ANSWER = {
    "baseline": "emmeans(fit, ~ lesion_type)",
    "tissue": "emmeans(fit, ~ tissue)",
    "trajectory": 'emtrends(fit, ~ lesion_type, var = "years")',
}
CATEGORY = re.compile(r"\bC\((\w+)\)")
STRATA = re.compile(r"residual variance was estimated for each (\w+)\.")


def python_lines(context: Context) -> str:
    """Return lines of Python that answer the same studies with the same settings."""
    studies = [folder for folder in CALLS if context.outcomes(folder)]
    if not studies:
        return ""
    told = context.results.provenance().get("models", {})
    usual = asdict(ModelSettings())
    own = {
        name: value
        for name, value in told.items()
        if name in usual and name != "outcomes" and value != usual[name]
    }
    given = "".join(f"\n    {name}={value!r}," for name, value in own.items())
    lines = ["import pandas as pd", "import qsmstats as qs", ""]
    lines += [
        f'{name} = pd.read_csv("{name}.tsv", sep="\\t")'
        for name in dict.fromkeys(CALLS[folder][1] for folder in studies)
    ]
    lines.append(
        f"settings = qs.ModelSettings({given}\n)" if own else "settings = qs.ModelSettings()"
    )
    lines.append("answers = {}")
    for folder in studies:
        call, table = CALLS[folder]
        lines += [
            f"for outcome in {context.outcomes(folder)!r}:",
            f'    answers["{folder}", outcome] = qs.{call}({table}, outcome, settings=settings)',
            f'    print(answers["{folder}", outcome].{SHOWN.get(folder, "contrasts")})',
        ]
    return "\n".join(lines)


def r_lines(context: Context) -> str:
    """Return lines of R that fit the same models."""
    parts = []
    for folder in CALLS:
        models = context.results.rows(f"{folder}/models")
        for _, model in models.iterrows():
            outcome = str(model["outcome"])
            parts.append(_r_model(context, folder, outcome, str(model["formula"])))
    if not parts:
        return ""
    tables = dict.fromkeys(
        table for folder, (_, table) in CALLS.items() if context.outcomes(folder)
    )
    read = [f'{name} <- read.delim("{name}.tsv", na.strings = c("n/a", ""))' for name in tables]
    libraries = ["library(emmeans)"]
    libraries += [
        f"library({name})"
        for name, call in (("glmmTMB", "glmmTMB("), ("lmerTest", "lmer("))
        if any(call in part for part in parts)
    ]
    return "\n\n".join(["\n".join([*libraries, *read]), *parts])


def _r_model(context: Context, folder: str, outcome: str, formula: str) -> str:
    """Return the lines for one model: its rows, its factor, its fit, and its answer."""
    factor = "tissue" if folder == "tissue" else "lesion_type"
    counts = context.results.rows(f"{folder}/means", outcome)
    name = "lesion_type" if folder == "trajectory" else "level"
    order = tissues() if folder == "tissue" else lesion_types()
    levels = present_levels(counts[name], order)
    lines = [f"# {folder}: {outcome}", R_ROWS[folder]]
    lines.append(f"d${factor} <- factor(d${factor}, levels = {_r_vector(levels)})")
    strata = _strata(context, folder, outcome, formula)
    formula = CATEGORY.sub(r"factor(\1)", formula)  # C() of R wants a factor already
    if strata:
        shared = [one for one in _residual_terms(context, folder, outcome) if " and " in one]
        if shared:
            lines.append(f"d${strata} <- d${factor}")
            lines += [
                f"levels(d${strata})[levels(d${strata}) %in% {_r_vector(one.split(' and '))}] <- "
                f"{_r_text(one)}"
                for one in shared
            ]
        lines.append(f"fit <- glmmTMB({formula}, dispformula = ~ {strata}, REML = TRUE, data = d)")
    else:
        lines.append(f"fit <- lmer({formula}, data = d)")
    return "\n".join([*lines, "summary(fit)", R_ANSWER[folder]])


def _strata(context: Context, folder: str, outcome: str, formula: str) -> str:
    """Return the column by which the residual variance of a model differs; empty for none."""
    for paragraph in context.results.text(f"{folder}/methods.txt").split("\n\n"):
        if f", {formula}, " in paragraph and f" {outcome} ~" in f" {paragraph}":
            found = STRATA.search(paragraph)
            return found[1] if found else ""
    return ""


def _residual_terms(context: Context, folder: str, outcome: str) -> list[str]:
    rows: pd.DataFrame = context.results.rows(f"{folder}/variances", outcome)
    return list(map(str, rows.loc[rows["group"] == "Residual", "term"]))


def _r_vector(texts: list[str]) -> str:
    return f"c({', '.join(map(_r_text, texts))})"


def _r_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
