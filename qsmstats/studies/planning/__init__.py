"""How many patients, followed how long, to see a treatment change the slope of lesion types."""
