"""The adapter: the only room that knows Dagster."""
