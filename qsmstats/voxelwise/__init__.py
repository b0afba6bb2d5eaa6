"""One linear mixed model in every voxel of images in a common space.

`stack` reads the images into one array on disk, `chunks` fits the model to a few thousand voxels at
a time and keeps what is done, `fit_voxels` is what a user calls, `result` what it returns, and
`nifti` makes images of it. `sign_flips` and `enhancement` control the family-wise error.
"""
