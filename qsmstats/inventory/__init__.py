"""What an existing dataset holds, written down as a study.toml to look through."""
