"""What a fit says of fixed effects and variances, and how sure it is."""
