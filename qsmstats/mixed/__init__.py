"""Linear mixed models with exact inference."""
