"""The tables of a study: read, checked, and joined with the features of the images."""
