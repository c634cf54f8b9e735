"""What is not public of Dagster and goes into existing ops: why each is needed, in one sentence.

`test_private_ops.py` has a test for each that fails where a later Dagster has changed it.
"""

import copy
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction
from dagster._core.definitions.definition_config_schema import ConfiguredDefinitionConfigSchema
from dagster._core.system_config.composite_descent import composite_descent
from dagster.components.definitions import LazyDefinitions


def function_that_loads(definitions: object) -> Callable[..., dg.Definitions] | None:
    """Return the function that loads definitions later; the class that holds one has no name."""
    if isinstance(definitions, LazyDefinitions):
        return definitions.load_fn
    return definitions if callable(definitions) else None


def ops_in(definitions: dg.Definitions) -> list[dg.OpDefinition]:
    """Return the ops that definitions execute: nothing public goes through all of them.

    Those of asset jobs are the assets' own.
    """
    nodes: list[Any] = [getattr(one, "node_def", None) for one in definitions.assets or ()]
    nodes += [getattr(one, "node_def", None) for one in definitions.asset_checks or ()]
    jobs: list[Any] = list(definitions.jobs or ())
    for one in definitions.schedules or ():
        target = getattr(one, "target", None)
        jobs += [one.job] if target is None else [target.resolvable_to_job]
        nodes += [getattr(made, "node_def", None) for made in getattr(target, "assets_defs", ())]
    for sensor in definitions.sensors or ():
        for target in sensor.targets:
            jobs.append(target.resolvable_to_job)
            nodes += [getattr(made, "node_def", None) for made in target.assets_defs]
    nodes += [getattr(job, "graph", None) for job in jobs]
    found = {id(op): op for node in nodes if node is not None for op in node.iterate_op_defs()}
    return [_innermost(op) for op in found.values()]


def config_class_of(op: dg.OpDefinition) -> type[dg.Config] | None:
    """Return the class that an op's function declares for its config; only the schema is public."""
    function = op.compute_fn
    if not isinstance(function, DecoratedOpFunction) or not function.has_config_arg():
        return None
    declared = function.get_config_arg().annotation
    is_class = isinstance(declared, type) and issubclass(declared, dg.Config)
    return declared if is_class else None


def config_as_in_run(cls: type[dg.Config], config: Mapping[str, Any]) -> dg.Config:
    """Return the config that a run makes of what Dagster has read: it leaves defaults out first.

    A default may be out of bounds, and the run has it all the same.
    """
    return cls(**cls._get_non_default_public_field_values_cls(dict(config)))


class _Checked(ConfiguredDefinitionConfigSchema):
    """The config of an op, looked at once it is read.

    What `configured` makes reads the config again afterwards, which enumerations don't survive.
    """

    def resolve_config(self, processed_config: Mapping[str, object]) -> Any:
        self._config_fn(processed_config.get("config"))
        return self.parent_def.apply_config_mapping(processed_config)


def check_config(op: dg.OpDefinition, check: Callable[[Any], object]) -> None:
    """Let an op refuse config when Dagster plans a run; what else there is of the op stays.

    An op is part of assets, graphs, jobs and what targets them, all made already and each in a way
    of its own, so that `OpDefinition.configured`, which makes another op, comes too late.

    Args:
        op: the op; once is enough.
        check: raises for config that is not valid.
    """
    if not isinstance(op.config_schema, _Checked):
        op._config_schema = _Checked(copy.copy(op), op.config_schema, check)


def ops_being_read() -> list[tuple[str, dg.OpDefinition, Any]]:
    """Return the ops of the job whose config Dagster is reading, each with its handle and config.

    Dagster asks op by op, and tells an op nothing of the others: who is refused would hear of one
    problem at a time. Ops whose config a graph makes are left out.
    """
    frame = sys._getframe()
    while frame.f_code is not composite_descent.__code__:
        if frame.f_back is None:
            return []
        frame = frame.f_back
    job, config = frame.f_locals["job_def"], frame.f_locals["ops_config"]
    return list(_configured_ops(job.graph, config, ""))


def _configured_ops(
    graph: Any, config: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, dg.OpDefinition, Any]]:
    for node in graph.nodes:
        handle, own = f"{prefix}{node.name}", config.get(node.name) or {}
        if isinstance(node.definition, dg.OpDefinition):
            yield handle, node.definition, own.get("config")
        elif not node.definition.has_config_mapping:
            yield from _configured_ops(node.definition, own.get("ops") or {}, f"{handle}.")


def _innermost(op: dg.OpDefinition) -> dg.OpDefinition:
    """Return the op that `configured` has made an op of, if it was made so."""
    schema = op.config_schema
    if isinstance(schema, ConfiguredDefinitionConfigSchema) and not isinstance(schema, _Checked):
        return _innermost(schema.parent_def)  # type: ignore[arg-type]
    return op
