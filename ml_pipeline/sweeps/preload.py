"""Imported once by the server that workers are forked from: what most stages import late."""

import polars
import sklearn.ensemble
import sklearn.linear_model
import sklearn.metrics
import skops.io
import threadpoolctl

__all__ = ["polars", "sklearn", "skops", "threadpoolctl"]
