"""Sweeps of the toy pipeline, and no worker left behind."""

from ml_pipeline_tests.toys.sweep_bench import _nothing_left_behind, _server, bench

__all__ = ["_nothing_left_behind", "_server", "bench"]
