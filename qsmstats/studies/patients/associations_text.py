"""The methods text of the questions about patients."""

from __future__ import annotations

import pandas as pd

from qsmstats.schemas import load_schema
from qsmstats.settings import ModelSettings, PatientSettings
from qsmstats.studies.patients.groups import group_names
from qsmstats.studies.patients.rows import LEAST, PER_COEFFICIENT

__all__ = ["clinical_title", "methods_text"]

ANALYSES = {
    "negative binomial regression": "The number of lesions of each type per patient was analysed by"
    " negative binomial regression (NB2, maximum likelihood){offset}; results are rate ratios."
    " Overdispersion was tested by the likelihood ratio against Poisson regression, the number of"
    " patients without such a lesion by the moment test of Andrews (1988).",
    "Poisson regression": "The number of lesions of each type per patient was analysed by Poisson"
    " regression{offset}; results are rate ratios. The number of patients without such a lesion was"
    " tested by the score test of van den Broek (1995).",
    "logistic regression": "Having {cut} of type {kind} was analysed by logistic"
    " regression; results are odds ratios.",
    "Kruskal-Wallis test": "Numeric variables were compared between patients with {groups}"
    " lesions of type {kind} by the Kruskal-Wallis test with permutation p-values.",
    "Fisher's exact test": "Categorical variables were compared between patients with {groups}"
    " lesions of type {kind} by Fisher's exact test.",
    "proportional odds regression": "{disability} was regressed on the share of each lesion type by"
    " proportional odds regression, with odds ratios per 10 percentage points; the assumption of"
    " proportional odds was tested by comparing binary splits of the scale (Brant 1990).",
    "partial Spearman correlation": "{disability} and the share of each lesion type were correlated"
    " by Spearman's partial correlation.",
    "Spearman correlation": "{disability} and the share of each lesion type were correlated by"
    " Spearman's correlation.",
    "logistic mixed model": "For each type, the probability that a lesion is of that type was"
    " analysed by a logistic mixed model of lesions with a random intercept of the patient"
    " (adaptive Gauss-Hermite quadrature) by {disability}.",
    "linear mixed model": "Whether the change of a map depends on {disability} was analysed by"
    " adding the interaction of {disability} and time to the mixed model of the trajectories.",
}
OFFSETS = {
    "none": "",
    "lesions": ", with the logarithm of the patient's number of lesions as offset",
    "volume": ", with the logarithm of the patient's lesion volume as offset",
}
ADJUSTED = {
    "fdr_bh": "adjusted to control the false discovery rate (Benjamini and Hochberg 1995)",
    "holm": "adjusted by Holm's method",
    "bonferroni": "adjusted by Bonferroni's method",
    "none": "not adjusted for their number",
}


def clinical_title(name: str) -> str:
    """Return a clinical variable as it stands within a sentence.

    >>> clinical_title("edss"), clinical_title("disease_duration"), clinical_title("log(nfl)")
    ('EDSS', 'disease duration', 'log(nfl)')
    """
    titles = {field.name: field.title for field in load_schema("participants").fields}
    title = titles.get(name, name.replace("_", " "))
    return title if title.isupper() else title[:1].lower() + title[1:]


def methods_text(
    associations: pd.DataFrame, settings: PatientSettings, models: ModelSettings
) -> str:
    """Return what was done, for a methods section; nothing of what was not done.

    Parameters
    ----------
    associations
        Rows of all answers.
    settings, models
        What was asked, and the confidence level.
    """
    cut = settings.cuts[0]
    words = {
        "offset": OFFSETS[settings.offset],
        "cut": "a lesion" if cut == 1 else f"at least {cut} lesions",
        "kind": settings.grouped_type.replace("_", " "),
        "groups": ", ".join(group_names(settings.cuts)),
        "disability": clinical_title(settings.disability),
    }
    done = [name for name in ANALYSES if name in set(associations["analysis"])]
    if not done:
        return "No association of lesions with clinical variables could be analysed."
    sentences = [ANALYSES[name].format(**words) for name in done]
    if adjusting := " and ".join(map(clinical_title, settings.covariates)):
        sentences.append(f"Regressions and correlations were adjusted for {adjusting}.")
    sentences.append(
        "Regression coefficients were tested by Wald tests, which are valid in large samples (those"
        " of the negative binomial by Student's t, with standard errors multiplied by the root of"
        " the number of patients over the residual degrees of freedom);"
        f" regressions of fewer than {LEAST} patients, or {PER_COEFFICIENT} per coefficient, were"
        f" not made. The p-values of each analysis were {ADJUSTED[settings.adjust]};"
        f" {100 * models.level:g} % confidence intervals are not adjusted."
    )
    return " ".join(sentences)
