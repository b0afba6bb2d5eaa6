"""Images of lesions on the page."""
