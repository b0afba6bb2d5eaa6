"""The text of a formula, taken apart."""
