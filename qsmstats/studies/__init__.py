"""The questions of a study. No mathematics of their own: they choose rows, models and contrasts."""
