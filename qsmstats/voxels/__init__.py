"""Label images and quantitative maps become rows of a table."""
