"""The works that the methods text cites, as BibTeX, and how qsmstats itself is cited."""

from __future__ import annotations

import re

__all__ = ["RELEASED", "SOFTWARE", "bibtex", "citation"]

SOFTWARE = "qsmstats: statistics for cohort studies of multiple-sclerosis lesions"
RELEASED = "2026"
# What the text says -> key, authors, title, journal, year, volume, number, pages, DOI.
_WORKS = {
    r"linear mixed model": (
        *("Bates2015", "Bates, Douglas and Mächler, Martin and Bolker, Ben and Walker, Steve"),
        "Fitting Linear Mixed-Effects Models Using {lme4}",
        *("Journal of Statistical Software", "2015", "67", "1", "1--48"),
        "10.18637/jss.v067.i01",
    ),
    r"Satterthwaite|Kuznetsova": (
        "Kuznetsova2017",
        "Kuznetsova, Alexandra and Brockhoff, Per B. and Christensen, Rune H. B.",
        "{lmerTest} Package: Tests in Linear Mixed Effects Models",
        *("Journal of Statistical Software", "2017", "82", "13", "1--26"),
        "10.18637/jss.v082.i13",
    ),
    r"Kenward": (
        *("Kenward1997", "Kenward, Michael G. and Roger, James H."),
        "Small Sample Inference for Fixed Effects from Restricted Maximum Likelihood",
        *("Biometrics", "1997", "53", "3", "983--997", "10.2307/2533558"),
    ),
    r"Hothorn": (
        *("Hothorn2008", "Hothorn, Torsten and Bretz, Frank and Westfall, Peter"),
        "Simultaneous Inference in General Parametric Models",
        *("Biometrical Journal", "2008", "50", "3", "346--363", "10.1002/bimj.200810425"),
    ),
    r"Holm": (
        *("Holm1979", "Holm, Sture"),
        "A Simple Sequentially Rejective Multiple Test Procedure",
        *("Scandinavian Journal of Statistics", "1979", "6", "2", "65--70", ""),
    ),
    r"Hochberg": (
        *("Benjamini1995", "Benjamini, Yoav and Hochberg, Yosef"),
        "Controlling the False Discovery Rate: A Practical and Powerful Approach to Multiple"
        " Testing",
        *("Journal of the Royal Statistical Society: Series B", "1995", "57", "1", "289--300"),
        "10.1111/j.2517-6161.1995.tb02031.x",
    ),
    r"Barnard and Rubin": (
        *("Barnard1999", "Barnard, John and Rubin, Donald B."),
        "Small-Sample Degrees of Freedom with Multiple Imputation",
        *("Biometrika", "1999", "86", "4", "948--955", "10.1093/biomet/86.4.948"),
    ),
    r"Dawid": (
        *("Dawid1979", "Dawid, A. P. and Skene, A. M."),
        "Maximum Likelihood Estimation of Observer Error-Rates Using the {EM} Algorithm",
        *("Applied Statistics", "1979", "28", "1", "20--28", "10.2307/2346806"),
    ),
    r"Brant": (
        *("Brant1990", "Brant, Rollin"),
        "Assessing Proportionality in the Proportional Odds Model for Ordinal Logistic Regression",
        *("Biometrics", "1990", "46", "4", "1171--1178", "10.2307/2532457"),
    ),
    r"Wilson": (
        *("Wilson1927", "Wilson, Edwin B."),
        "Probable Inference, the Law of Succession, and Statistical Inference",
        *("Journal of the American Statistical Association", "1927", "22", "158", "209--212"),
        "10.1080/01621459.1927.10502953",
    ),
    r"Rao-Scott": (
        *("Rao1992", "Rao, J. N. K. and Scott, A. J."),
        "A Simple Method for the Analysis of Clustered Binary Data",
        *("Biometrics", "1992", "48", "2", "577--585", "10.2307/2532311"),
    ),
    r"DeLong": (
        "DeLong1988",
        "DeLong, Elizabeth R. and DeLong, David M. and Clarke-Pearson, Daniel L.",
        "Comparing the Areas under Two or More Correlated Receiver Operating Characteristic"
        " Curves: A Nonparametric Approach",
        *("Biometrics", "1988", "44", "3", "837--845", "10.2307/2531595"),
    ),
    r"Obuchowski": (
        *("Obuchowski1997", "Obuchowski, Nancy A."),
        "Nonparametric Analysis of Clustered {ROC} Curve Data",
        *("Biometrics", "1997", "53", "2", "567--578", "10.2307/2533958"),
    ),
}
_FIELDS = ("author", "title", "journal", "year", "volume", "number", "pages", "doi")


def citation(version: str) -> str:
    """Return how this version of the software is cited."""
    return f"The qsmstats developers ({RELEASED}). {SOFTWARE}. Version {version}."


def bibtex(text: str, version: str) -> str:
    """Return the entries of the works that a text cites, and that of the software.

    Parameters
    ----------
    text
        The methods text.
    version
        Version of qsmstats.
    """
    software = {
        "author": "{The qsmstats developers}",
        "title": SOFTWARE,
        "year": RELEASED,
        "note": f"Version {version}",
    }
    entries = [_entry("misc", "qsmstats", software)]
    for cue, (key, *values) in _WORKS.items():
        if re.search(cue, text):
            entries.append(_entry("article", key, dict(zip(_FIELDS, values, strict=True))))
    return "\n\n".join(entries)


def _entry(kind: str, key: str, values: dict[str, str]) -> str:
    lines = [f"  {name} = {{{value}}}," for name, value in values.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])
