"""`qsmstats map`: one mixed model in every voxel of a study's images, from study.toml to a page."""
