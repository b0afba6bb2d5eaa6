"""What a run has left in its output folder, with or without identifiers."""
