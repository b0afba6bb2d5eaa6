"""Numbers, names and sentences in words."""
