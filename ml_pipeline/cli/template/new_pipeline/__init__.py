"""A pipeline whose runs are points in parameter space."""
