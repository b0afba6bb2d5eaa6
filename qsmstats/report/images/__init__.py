"""Participants' images: what of them a report may show, and cutting it out."""
