"""Imported once by the server that workers are forked from: what most stages import late."""

import gc

import polars
import sklearn.ensemble
import sklearn.linear_model
import sklearn.metrics
import skops.io
import threadpoolctl

__all__ = ["polars", "sklearn", "skops", "threadpoolctl"]

# Collecting garbage writes to all that it looks at; what is not written to, workers share.
gc.collect()
gc.freeze()
