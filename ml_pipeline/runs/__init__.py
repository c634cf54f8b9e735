"""Compute once, and say why."""
