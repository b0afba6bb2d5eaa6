"""Numbers of patients needed to detect an effect of treatment on the slope of lesion types."""
