"""Benchmarks: `python -m ml_pipeline_tests.benchmarks [NAME...]`.

Each compares two ways of doing a thing side by side, in turn, in one process tree on one machine,
and prints the ratio of each pair. Absolute seconds are there to give the ratios a size.
"""
