"""Compare the results of runs."""
