"""Sweeps: one pipeline over many parameter sets and dates, planned, run in parallel, compared."""
