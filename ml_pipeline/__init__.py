"""Parameterized ML runs on Dagster."""
