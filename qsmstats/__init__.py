"""Statistics for cohort studies of multiple-sclerosis lesions."""

__version__ = "0.1.0"
