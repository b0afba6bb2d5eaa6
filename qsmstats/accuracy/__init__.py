"""Accuracy against a reference standard, and agreement between raters.

Pure statistics: tables and arrays in, tidy tables out, independent of files, plots and any
disease; the names of classes come from the caller. Lesions are nested in brains, so every
interval either uses the clusters or is labelled as assuming independent lesions.
"""
