"""What the models compute: pure functions, no Dagster."""
