"""Tables as the figures need them."""
