"""Figures: each function takes a tidy frame and Axes, draws, and returns the Axes."""
