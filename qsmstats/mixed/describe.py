"""A fit in words: a table for the screen and a paragraph for a methods section.

Neither adds to what the fit says of itself; both carry its messages (a singular fit, dropped rows
and columns, an optimiser that did not converge) along.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from qsmstats.display import cell_text
from qsmstats.method_names import DfMethod
from qsmstats.mixed.fitted import Fitted
from qsmstats.mixed.inference.variance_components import variance_table
from qsmstats.mixed.inference.wald import coefficients
from qsmstats.version import __version__

__all__ = ["methods_text", "summary", "table_lines"]

_LIKELIHOOD = {"reml": "restricted maximum likelihood (REML)", "ml": "maximum likelihood (ML)"}
_METHODS: dict[DfMethod, str] = {
    "satterthwaite": "Satterthwaite's approximation (Kuznetsova et al. 2017)",
    "kenward-roger": "the method of Kenward and Roger (1997), with its adjusted standard errors",
    "normal": "none (the normal distribution was used)",
    "residual": "the residual degrees of freedom",
}


def summary(fit: Fitted, *, df: DfMethod = "satterthwaite", level: float = 0.95) -> str:
    """Lay a fit out as a table of text, as statsmodels does.

    Parameters
    ----------
    fit
        A fitted mixed model.
    df
        Method for degrees of freedom.
    level
        Coverage of the intervals.
    """
    tail = (1 - level) / 2
    heads = {
        "estimate": "Coef.",
        "std_error": "Std.Err.",
        "df": "df",
        "statistic": "t",
        "p_value": "P>|t|",
        "conf_low": f"[{tail:.3g}",
        "conf_high": f"{1 - tail:.3g}]",
    }
    table = coefficients(fit, df=df, level=level)
    fixed = table_lines(table["term"].tolist(), table, heads)
    random = variance_lines(variance_table(fit))
    width = max(78, *(len(line) for line in fixed + random))
    title = "Linear Mixed Model Results".center(width).rstrip()
    double, single = "=" * width, "-" * width
    notes = [f"Note: {message}" for message in fit.info.messages]
    info, log_likelihood = fit.info, f"{fit.info.log_likelihood:.4f}"
    converged, singular = "yes" if info.converged else "NO", "YES" if info.singular else "no"
    pairs = [
        ("Method", fit.method.upper(), "No. Observations", f"{info.n_obs}"),
        ("Log-Likelihood", log_likelihood, "Criterion (-2 log L)", f"{info.criterion:.4f}"),
        ("Converged", converged, "Singular", singular),
        ("Deg. of freedom", df, "Parameters", f"{info.n_parameters}"),
    ]
    half = width // 2 - 1
    groups = "   ".join(f"{name}: {count}" for name, count in info.n_groups.items())
    head = [
        f"{'Formula:':<18}{fit.model.formula}",
        *(
            f"{name + ':':<18}{value:<{half - 18}}  {other + ':':<22}{number}"
            for name, value, other, number in pairs
        ),
        f"{'Groups:':<18}{groups}",
    ]
    parts = [title, double, *head, single, *fixed, single, *random]
    return "\n".join([*parts, double, *notes])


def methods_text(fit: Fitted, *, df: DfMethod = "satterthwaite") -> str:
    """Write the sentences that a methods section needs on this model.

    Parameters
    ----------
    fit
        A fitted mixed model.
    df
        The method for degrees of freedom that was used.
    """
    info = fit.info
    groups = ", ".join(f"{count:,} levels of {name}" for name, count in info.n_groups.items())
    sentences = [
        f"A linear mixed model, {fit.model.formula}, was fitted to {info.n_obs:,} observations "
        f"({groups}) by {_LIKELIHOOD[fit.method]}.",
        f"Denominator degrees of freedom: {_METHODS[df]}.",
    ]
    if fit.model.offset is not None:
        sentences.append(f"The offset was {fit.model.offset}.")
    if fit.residual.column is not None:
        sentences.append(f"The residual variance was estimated for each {fit.residual.column}.")
    if fit.residual.weight_column is not None:
        sentences.append(f"Observations were weighted by {fit.residual.weight_column}.")
    if not info.converged:
        sentences.append("The optimiser did not converge; the estimates should not be used.")
    sentences += [f"{message[0].upper()}{message[1:]}." for message in info.messages]
    sentences.append(f"The model was fitted with qsmstats {__version__}.")
    return " ".join(sentences)


def variance_lines(table: pd.DataFrame) -> list[str]:
    """Lay a table of variances out, one line a row."""
    labels = table[["group", "term", "other_term"]].astype(str)
    names = [" ".join(filter(None, row)) for row in labels.itertuples(index=False, name=None)]
    heads = {"variance": "Variance", "std_dev": "Std.Dev.", "correlation": "Corr."}
    return table_lines(names, table, heads)


def table_lines(names: list[str], table: pd.DataFrame, heads: Mapping[str, str]) -> list[str]:
    """Lay columns of a table out below their heads, one line a row."""
    cells = {
        head: [cell_text(value, column, 5) for value in table[column]]
        for column, head in heads.items()
    }
    indent = max(map(len, names), default=0)
    widths = [max(map(len, [head, *column])) for head, column in cells.items()]
    rows = [list(cells), *map(list, zip(*cells.values(), strict=True))]
    return [
        f"{name:<{indent}}  " + "  ".join(f"{c:>{w}}" for c, w in zip(row, widths, strict=True))
        for name, row in zip(["", *names], rows, strict=True)
    ]
