"""Checks of a study's model: what its intervals and p values assume, tested where it can be.

=========================  =====================================================================
check                      test
=========================  =====================================================================
equal residual variance    likelihood ratio of REML fits with and without a residual variance for
                           each level of the factor (Pinheiro & Bates 2000, section 5.2.2); levels
                           with fewer than five lesions are put together with the most frequent
                           one, as in `default_models`
participant-by-type        likelihood ratio of REML fits with and without the random term; the null
terms, lesion slope        distribution is a mixture of two chi-squared distributions (Self & Liang
                           1987, J Am Stat Assoc 82:605-610; Stram & Lee 1994, Biometrics
                           50:1171-1177)
linearity                  t test of the square of the predicted mean as one more covariate (Tukey
                           1949, Biometrics 5:232-242; Ramsey 1969, J R Stat Soc B 31:350-371)
normality, largest         `normality_tests`: residuals and random effects among those of simulated
residual                   outcomes
influence                  the answer fitted again without the participant of the largest Cook's
                           distance (`influence`)
=========================  =====================================================================

The p values of one answer are adjusted by Holm's method, so that at most the share 1 - `level` of
the models that hold have a failed check. A check fails where its adjusted p is below that; the
influence of one participant is no test and fails where an estimate of the answer changes by more
than its standard error and gains or loses significance, or cannot be estimated without the
participant. A term that the model has is not tested: the model allows for it. Few lesions give the
tests little power: a check that does not fail does not show that its assumption holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.errors import NotIdentifiedError
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.fitted import engine_of, join
from qsmstats.mixed.formula.language import ParsedFormula, parse_formula
from qsmstats.mixed.formula.terms import quoted
from qsmstats.mixed.inference.likelihood_ratio import columns_by_group, ratio_test
from qsmstats.mixed.inference.multiplicity import holm
from qsmstats.mixed.optimum.estimate import Engine, solve
from qsmstats.mixed.resampling.normality import normality_tests
from qsmstats.studies.default_models import FEWEST_LESIONS, POOLED, lesions_per_level

__all__ = ["model_checks"]

PARTICIPANT, LESION, TIME = "participant_id", "lesion_id", "years"
SEED = 1
SQUARE = "squared_prediction"
LIKELIHOOD_RATIO = "likelihood ratio (REML)"
Row = dict[str, Any]


def model_checks(
    fit: MixedFit,
    rows: pd.DataFrame,
    factor: str,
    answer: pd.DataFrame,
    estimates: Callable[[MixedFit], pd.DataFrame],
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Check the model of an answer.

    Parameters
    ----------
    fit
        The model.
    rows
        The rows that it used, with all their columns.
    factor
        Column whose levels are compared.
    answer
        What the model answers: contrast, estimate, std_error, conf_low, conf_high, p_value, and
        p_adjusted where it was adjusted.
    estimates
        The same table from another fit.
    level
        A check fails where its adjusted p is below 1 - level.

    Returns
    -------
    DataFrame
        One row for each check: check, term (what was tested), statistic, df, p_value, p_adjusted
        (Holm), n (rows, or groups of a random term), method, participant_id (the most influential
        one), failed, meaning (for the answer, in one sentence; why a check was not made).
    """
    whole = fit.frame.data.assign(
        **{
            name: rows[name].array
            for name in (factor, PARTICIPANT, LESION, TIME)
            if name in rows and name not in fit.frame.data
        }
    )
    found = [
        _residual_variance(fit, whole, factor),
        *_random_terms(fit, whole, factor),
        _linearity(fit, whole),
        *_normality(fit),
        _influence(fit, answer, estimates, level),
    ]
    columns = ["check", "term", "statistic", "df", "p_value", "n", "method"]
    columns += [PARTICIPANT, "meaning"]
    table = pd.DataFrame(found, columns=columns).astype({"n": "Int64"}).fillna({"method": ""})
    tested = table["p_value"].notna()
    adjusted = pd.Series(np.nan, table.index)
    if tested.any():
        adjusted[tested] = holm(table.loc[tested, "p_value"].to_numpy(float))
    table.insert(5, "p_adjusted", adjusted)
    failed = (adjusted < 1 - level) | pd.Series([bool(row.get("failed")) for row in found])
    table["meaning"] = [
        row.get("if_failed", row["meaning"]) if one else row["meaning"]
        for row, one in zip(found, failed, strict=True)
    ]
    table.insert(9, "failed", failed)
    return table


def _not_tested(check: str, term: str, why: str) -> Row:
    return {"check": check, "term": term, "meaning": f"Not tested: {why}."}


def _residual_variance(fit: MixedFit, data: pd.DataFrame, factor: str) -> Row:
    check, column = "equal residual variance", f"{factor}_strata"
    if fit.residual.column is not None:
        column = factor if fit.residual.column == POOLED else fit.residual.column
        why = f"the model has a residual variance for each level of {column}"
        return _not_tested(check, factor, why)
    counts = lesions_per_level(data, factor)
    rare = data[factor].isin(counts.index[counts < FEWEST_LESIONS])
    strata = data[factor].astype("object").where(~rare, counts.idxmax())
    if strata.nunique() < 2:
        why = f"fewer than two levels of {factor} have {FEWEST_LESIONS} lesions"
        return _not_tested(check, factor, why)
    weights = [column, *fit.residual.columns]
    larger = _larger(fit, fit.model.formula, data.assign(**{column: strata}), weights)
    if isinstance(larger, str):
        return _not_tested(check, factor, larger)
    spread = pd.Series(larger.sigma * larger.residual.ratios, larger.residual.levels)
    return _compared(check, factor, fit, larger, new_columns=0) | {
        "meaning": "No difference between the residual variances was shown.",
        "if_failed": f"The residual SD differs by {factor.replace('_', ' ')}, from"
        f" {spread.min():.3g} in {spread.idxmin()} to {spread.max():.3g} in {spread.idxmax()}:"
        " intervals of the more variable levels are too narrow, those of the others too wide; a"
        " residual variance for each level corrects this.",
    }


def _random_terms(fit: MixedFit, data: pd.DataFrame, factor: str) -> Iterator[Row]:
    """Yield the tests of random terms that the model lacks."""
    parsed, held = parse_formula(fit.model.formula), columns_by_group(fit.random)
    what = factor.removeprefix("lesion_")
    start = f"{parsed.response} ~ {_fixed_part(parsed)}"
    terms = {term.label: term for term in parsed.random}
    pair, lesion = f"{PARTICIPANT}:{quoted(factor)}", frozenset({PARTICIPANT, LESION})
    own = held.get(frozenset({PARTICIPANT, factor}), set())
    # (1 + type | participant) lets the effects of types vary between participants, too.
    wide = {name for name in held.get(frozenset({PARTICIPANT}), set()) if factor in name}
    candidates = [
        (
            f"participant-by-{what} intercept",
            f"(1 | {pair})",
            "Intercept" in own or any(TIME not in name for name in wide),
            list(terms),
            f"Differences between levels of {factor.replace('_', ' ')} vary between participants"
            " with an SD of {sd:.3g}:"
            " intervals of the differences are too narrow; adding {term} corrects this.",
        )
    ]
    if TIME in fit.frame.data:
        candidates += [
            (
                f"participant-by-{what} slope",
                f"(0 + {TIME} | {pair})",
                TIME in own or any(TIME in name for name in wide),
                list(terms),
                f"Slopes of a {factor.replace('_', ' ')} vary between participants with an SD of"
                " {sd:.3g} per year:"
                " intervals of the slopes are too narrow; adding {term} corrects this.",
            ),
            (
                "lesion slope",
                f"(1 + {TIME} | {PARTICIPANT}:{LESION})",
                TIME in held.get(lesion, set()),
                [label for label, term in terms.items() if frozenset(term.group) != lesion],
                "Slopes vary from lesion to lesion with an SD of {sd:.3g} per year: intervals of"
                " the slopes are too narrow; {term} in place of an intercept corrects this.",
            ),
        ]
    for check, term, in_model, kept, failed in candidates:
        if in_model:
            yield _not_tested(check, term, "the model has the term")
            continue
        larger = _larger(fit, " + ".join([start, *kept, term]), data, fit.residual.columns)
        if isinstance(larger, str):
            visits = "; slopes of lesions require three or more visits"
            yield _not_tested(check, term, larger + (visits if check == "lesion slope" else ""))
            continue
        sd = float(np.sqrt(larger.random[-1].covariance[-1, -1]))
        yield _compared(check, term, fit, larger, new_columns=1) | {
            "meaning": "The term was not shown to be needed.",
            "if_failed": failed.format(sd=sd, term=term),
        }


def _fixed_part(parsed: ParsedFormula) -> str:
    return " + ".join([parsed.fixed, *(f"offset({one})" for one in parsed.offsets)])


def _larger(fit: MixedFit, formula: str, data: pd.DataFrame, weights: Any) -> MixedFit | str:
    """Fit a larger model, or the same one to fewer rows, or say why it cannot be."""
    model = replace(fit.model, formula=formula)
    why = "the data do not identify the larger model"
    try:
        engine = engine_of(model, data, method=fit.method, weights=weights)
    except NotIdentifiedError:
        return why
    for start, near in ((_started_from(fit, engine), True), (engine, False)):
        with suppress(NotIdentifiedError):  # a perfect fit
            larger = join(MixedFit, model, fit.method, start, solve(start, near=near))
            if larger.info.converged:
                return larger
            why = f"the fit of '{formula}' did not converge"
    return why


def _started_from(fit: MixedFit, engine: Engine) -> Engine:
    """Start from the estimates of a fit, and for what it has not from the engine's own start."""
    known = {term.design.label: one for term, one in zip(fit.random, fit.factors(), strict=True)}
    own = engine.factors(engine.start)
    found = [
        known.get(part.design.label, one)
        for part, one in zip(engine.layout.random, own, strict=True)
    ]
    strata, ratios = engine.objective.parametrisation.strata, np.log(fit.residual.ratios[1:])
    return replace(
        engine,
        start=engine.from_factors(
            # Of fewer rows a term of categories may have fewer columns.
            [a if a.shape == b.shape else b for a, b in zip(found, own, strict=True)],
            ratios if len(ratios) == strata else np.zeros(strata),
        ),
    )


def _compared(check: str, term: str, fit: MixedFit, larger: MixedFit, *, new_columns: int) -> Row:
    test = ratio_test(
        fit.info.log_likelihood,
        larger.info.log_likelihood,
        df=larger.info.n_parameters - fit.info.n_parameters,
        new_columns=new_columns,
    )
    return {
        "check": check,
        "term": term,
        "n": fit.info.n_obs,
        "method": f"{LIKELIHOOD_RATIO}, {test['null_distribution']}",
        **{name: test[name] for name in ("statistic", "df", "p_value")},
    }


def _linearity(fit: MixedFit, data: pd.DataFrame) -> Row:
    check, term = "linearity", "square of the predicted mean"
    mean = fit.fixed.matrix(fit.frame.data) @ fit.estimates
    square = np.square((mean - mean.mean()) / (mean.std() or 1.0))
    parsed = parse_formula(fit.model.formula)
    random = [random_term.label for random_term in parsed.random]
    formula = f"{parsed.response} ~ {' + '.join([_fixed_part(parsed), SQUARE, *random])}"
    larger = _larger(fit, formula, data.assign(**{SQUARE: square}), fit.residual.columns)
    if isinstance(larger, str):
        return _not_tested(check, term, larger)
    table = larger.coefficients().set_index("term")
    if SQUARE not in table.index:
        return _not_tested(check, term, "the predictors are categories only")
    own = table.loc[SQUARE]
    return {
        "check": check,
        "term": term,
        "n": fit.info.n_obs,
        "method": "t test, Satterthwaite",
        **{name: own[name] for name in ("statistic", "df", "p_value")},
        "meaning": "No curvature was shown.",
        "if_failed": "The mean is not linear in the predictors: estimates depend on where the"
        " covariates are held; a transformed outcome or covariate may correct this.",
    }


def _normality(fit: MixedFit) -> Iterator[Row]:
    """Yield the tests of residuals and of each random term."""
    for test in normality_tests(fit, seed=SEED).to_dict("records"):
        residual = test["part"] == "residual"
        name = "residuals" if residual else f"random effects of {test['part']}"
        check, term = f"normality of {name}", test["columns"] or "residuals"
        method = "Kolmogorov-Smirnov distance, simulated outcomes"
        if test["n"] < test["available"]:
            method += f"; {test['n']} of {test['available']} chosen at random"
        meaning = "No departure from a normal distribution was shown."
        if np.isnan(test["p_value"]):
            yield _not_tested(check, term, "the variance is estimated as zero")
            continue
        if test["check"] == "largest":
            check, method = "largest residual", "largest absolute residual, simulated outcomes"
            meaning = "No residual is larger than expected."
            failed = (
                f"The largest residual is {test['statistic']:.1f} SD ({test['expected']:.1f}"
                " expected): estimates and standard errors may rest on few measurements; those with"
                " large residuals should be inspected."
            )
        elif residual:
            failed = (
                "Residuals are not normally distributed: p values and intervals are approximate,"
                " most so for levels with few lesions; a transformed outcome may correct this."
            )
        else:
            failed = (
                f"The {name} are not normally distributed: estimates of the fixed effects are"
                " little affected; the variances and the random effects themselves are."
            )
        yield {
            "check": check,
            "term": term,
            "n": test["n"],
            "method": method,
            "statistic": test["statistic"],
            "p_value": test["p_value"],
            "meaning": meaning,
            "if_failed": failed,
        }


def _influence(
    fit: MixedFit,
    answer: pd.DataFrame,
    estimates: Callable[[MixedFit], pd.DataFrame],
    level: float,
) -> Row:
    """Leave out the participant of the largest Cook's distance and answer again."""
    check, term = "influence of single participants", PARTICIPANT
    if PARTICIPANT not in fit.frame.data:
        return _not_tested(check, term, f"the model has no {PARTICIPANT}")
    distances = fit.influence(PARTICIPANT).distances
    # Without a distance: a coefficient may depend on this participant alone.
    distance = distances["cooks_distance"].fillna(np.inf).to_numpy(float)
    most = distances.iloc[int(distance.argmax())]
    who = f"one participant ({most['n_obs']} rows)"
    made: Row = {
        "check": check,
        "term": term,
        "n": len(distances),
        "method": "Cook's distance",
        PARTICIPANT: str(most["level"]),
    }
    rest = fit.frame.data[fit.frame.data[PARTICIPANT] != most["level"]]
    without = _larger(fit, fit.model.formula, rest, fit.residual.columns)
    if isinstance(without, str):
        meaning = f"The answer depends on {who}: without them, the model cannot be fitted."
        return made | {"failed": True, "meaning": meaning}
    before, after = (
        table.assign(p=table.get("p_adjusted", table["p_value"])).set_index("contrast")
        for table in (answer, estimates(without))
    )
    after = after.reindex(before.index)
    if (lost := after["estimate"].isna()).any():
        names = ", ".join(map(str, before.index[lost]))
        meaning = f"The answer depends on {who}: without them, {names} cannot be estimated."
        return made | {"failed": True, "meaning": meaning}
    change = ((after["estimate"] - before["estimate"]) / before["std_error"]).abs()
    crossed = (before["p"] < 1 - level) != (after["p"] < 1 - level)
    turned = crossed & (change > 1)
    name = str(change.where(turned if turned.any() else change.notna()).idxmax())
    names = ", ".join(map(str, crossed.index[crossed]))
    consequence = f"significance changes for {names}" if names else "significance does not change"
    head = f"The answer depends on {who}: without them"
    if not turned.any():
        head = "Without the most influential participant"
    # Both halves of the rule in words: a p value near its limit crosses it by small changes, too.
    size = "by more" if change[name] > 1.0 else "and no estimate by more"
    return made | {
        "statistic": most["cooks_distance"],
        "failed": bool(turned.any()),
        "meaning": f"{head}, {name} changes from {_said(before.loc[[name]].iloc[0])} to"
        f" {_said(after.loc[[name]].iloc[0])}, {size} than its standard error; {consequence}.",
    }


def _said(row: pd.Series) -> str:
    """Return an estimate with interval and p value that go together, then the adjusted p."""
    p, adjusted = (
        "p < 0.001" if value < 0.001 else f"p = {value:.3f}" for value in (row["p_value"], row["p"])
    )
    said = f"{row['estimate']:.3g} ({row['conf_low']:.3g} to {row['conf_high']:.3g}, {p}"
    return said + (")" if row["p"] == row["p_value"] else f"; adjusted {adjusted})")
