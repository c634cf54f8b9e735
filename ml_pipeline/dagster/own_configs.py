"""The config that the ops of a step have: what an asset depends on that has one of its own."""

from typing import Any

from ml_pipeline.dagster import private_ops
from ml_pipeline.runs.by_config import OwnConfig, own_config, own_mapping


def own_configs(step: Any) -> dict[str, OwnConfig]:
    """Return the config of each op that makes what a step makes, by its place in the graph.

    Args:
        step: the step, which is one of many where a graph makes an asset.

    Raises:
        OpConfigError: if a value carries credentials.
    """
    found: dict[str, OwnConfig] = {}
    for handle, op, config in private_ops.configs_of(step):
        cls = private_ops.config_class_of(op)
        if cls is not None:
            found[handle] = own_config(handle, private_ops.config_as_in_run(cls, config or {}))
        elif config:
            found[handle] = own_mapping(handle, config)
    return found
