"""Where the criterion is least."""
