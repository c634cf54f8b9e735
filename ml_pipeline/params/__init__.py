"""Declare, read, validate and identify parameters."""
