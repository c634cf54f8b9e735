"""What Dagster loads, one module for each kind of definition."""
