"""Differences between scanners: adjustment of features, and what a design can tell of them.

`combat` and `longcombat` in `adjustment` estimate the shift and the scale of each scanner in each
feature (`shrinkage` is their empirical Bayes step) and take them out (`result`); `confounding` says
how much of what is asked lies within scanners. `rescans` tells how well repeated measurements agree
(`rescan_pairs`, `rescan_measures`, `limits_of_agreement`). Pure statistics: data frames in and out.
"""
