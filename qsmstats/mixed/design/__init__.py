"""The rows a model uses, its groups and matrices, and what they can identify."""
