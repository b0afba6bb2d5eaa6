"""What is wrong with a study folder, before anything is computed from it."""
