"""A generalised fit as a table for the screen."""

from __future__ import annotations

from qsmstats.generalized.coefficients import coefficients
from qsmstats.generalized.fitted import GeneralizedFitted
from qsmstats.generalized.variances import variance_table
from qsmstats.mixed.describe import table_lines, variance_lines

__all__ = ["summary"]

# Groups below which the summary warns of asymptotic tests; docs/for-glmer-users.md has the measure.
_FEW = 40


def summary(fit: GeneralizedFitted, *, level: float = 0.95) -> str:
    """Lay a fit out as a table of text.

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    level
        Coverage of the intervals.
    """
    tail = (1 - level) / 2
    heads = {
        "estimate": "Coef.",
        "std_error": "Std.Err.",
        "statistic": "z",
        "p_value": "P>|z|",
        "conf_low": f"[{tail:.3g}",
        "conf_high": f"{1 - tail:.3g}]",
    }
    table = coefficients(fit, level=level)
    fixed = table_lines(table["term"].tolist(), table, heads)
    random = variance_lines(variance_table(fit))
    info = fit.info
    nodes = ", ".join(f"{name} {count}" for name, count in info.nodes.items())
    how = "Laplace's approximation" if info.integration == "laplace" else f"nodes: {nodes}"
    groups = "   ".join(f"{name}: {count}" for name, count in info.n_groups.items())
    beside = info.laplace_log_likelihood
    other = [] if beside is None else [f"{'  by Laplace:':<18}{beside:.4f} at the same estimates"]
    shape = [] if fit.shape is None else [f"{'k (NB2):':<18}{fit.shape:.4f}"]
    head = [
        f"{'Formula:':<18}{fit.model.formula}",
        f"{'Family (link):':<18}{fit.model.family} ({fit.model.link_name})",
        f"{'Groups:':<18}{groups}",
        f"{'Observations:':<18}{info.n_obs}",
        f"{'Integration:':<18}{info.integration} ({how})",
        f"{'Log-Likelihood:':<18}{info.log_likelihood:.4f}   AIC: {info.aic:.4f}   "
        f"BIC: {info.bic:.4f}",
        *other,
        f"{'Converged:':<18}{'yes' if info.converged else 'NO'}   "
        f"Singular: {'YES' if info.singular else 'no'}",
        *shape,
    ]
    width = max(78, *(len(line) for line in (*head, *fixed, *random)))
    title = "Generalised Linear Mixed Model Results".center(width).rstrip()
    double, single = "=" * width, "-" * width
    notes = ["Note: tests are Wald's, which hold for many groups"]
    label, few = min(info.n_groups.items(), key=lambda one: one[1])
    if few < _FEW:
        notes[0] += (
            f"; {few} of '{label}' are few (95 % intervals\n      covered 91 % with 20 in "
            "simulations): see bootstrap_test"
        )
    notes += [f"Note: {message}" for message in info.messages]
    return "\n".join([title, double, *head, single, *fixed, single, *random, double, *notes])
