"""Bytes and records below a root."""
