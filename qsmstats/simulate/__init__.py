"""A study folder with known truth, on real anatomy."""
