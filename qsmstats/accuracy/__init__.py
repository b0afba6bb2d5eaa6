"""Accuracy against a reference standard, and agreement between raters.

Pure statistics: tables and arrays in, tidy tables out. Nothing here knows of files, of plots
or of any disease; the names of classes come from the caller. Lesions are nested in brains, so
every interval either uses the clusters or says that it assumes the lesions independent.
"""
