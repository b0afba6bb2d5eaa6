"""The report: figures from tidy frames, and one HTML page drawn from an output folder alone."""
