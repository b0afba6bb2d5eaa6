"""One model fitted to many outcomes of the same rows at once."""
