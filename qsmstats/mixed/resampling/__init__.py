"""Outcomes simulated from a fit, refits and the bootstrap."""
