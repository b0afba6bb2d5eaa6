"""Multiple imputation: of lesion types that raters disagree on, and of visits that are missing.

`linear_draws` draws coefficients and random effects of a mixed model, `raters` the types of
lesions, `missing_visits` the outcomes of visits; `pooling` puts the fits to the completed data
together.
"""
