"""Random effects, predictions, residuals, and the influence of groups."""
