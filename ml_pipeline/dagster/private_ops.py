"""What is not public of Dagster and goes into existing ops: why each is needed, in one sentence.

`test_private_ops.py` has a test for each that fails where a later Dagster has changed it.
"""

import copy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction
from dagster._core.definitions.definition_config_schema import ConfiguredDefinitionConfigSchema
from dagster._core.definitions.dependency import NodeHandle
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.definitions.partitions.utils import infer_partition_mapping
from dagster._core.execution.plan.outputs import StepOutputHandle
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
    # Not at the top: a code location that loads has no use for it yet.
    from dagster._core.system_config.composite_descent import composite_descent

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
    for node in graph.nodes_in_topological_order:
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


def function_of(op: dg.OpDefinition) -> Callable[..., Any] | None:
    """Return the function that an op calls; only what Dagster makes of it is public."""
    made = op.compute_fn
    return made.decorated_fn if isinstance(made, DecoratedOpFunction) else None


def call_instead(op: dg.OpDefinition, function: Callable[..., Any]) -> None:
    """Let an op call another function that takes and returns the same; as in `check_config`.

    Args:
        op: one whose function is known.
        function: wraps that, so that it has its signature.
    """
    op._compute_fn = op.compute_fn._replace(decorated_fn=function)  # type: ignore[union-attr]


def step_that_calls(function: Callable[..., Any]) -> Any:
    """Return the step that calls the function of an op right now, or None.

    The public context has neither the step's IO manager nor the partitions of single inputs.
    """
    try:
        step = dg.OpExecutionContext.get().get_step_execution_context()
    except dg.DagsterInvariantViolationError:
        return None
    return step if function_of(step.op_def) is function else None


def io_manager_of(step: Any, output: str) -> Any:
    """Return the IO manager of an output of a step."""
    return step.get_io_manager(StepOutputHandle(step.step.key, output))


def resources_of(op: Any) -> set[str]:
    """Return the resources that an op's function takes; what its asset needs besides is public."""
    function = op.compute_fn
    asked = set(op.required_resource_keys)
    if isinstance(function, DecoratedOpFunction):
        asked |= {argument.name for argument in function.get_resource_args()}
    return asked


def outputs_of(step: Any) -> list[tuple[Any, dg.AssetKey]]:
    """Return the outputs that a step has to make assets of, each with the asset's key."""
    wanted = step.get_output_asset_keys()
    layer = step.job_def.asset_layer
    keys = {
        output.name: layer.get_asset_key_for_node_output(step.node_handle, output.name)
        for output in step.op_def.output_defs
    }
    return [(out, keys[out.name]) for out in step.op_def.output_defs if keys[out.name] in wanted]


def assets_of(step: Any) -> dg.AssetsDefinition | None:
    """Return the assets that a step makes, or makes a part of, as they are selected."""
    found: dg.AssetsDefinition | None = step.job_def.asset_layer.get_assets_def_for_node(
        step.node_handle
    )
    return found


def configs_of(step: Any) -> Iterator[tuple[str, dg.OpDefinition, Any]]:
    """Yield the ops that make what a step makes, each with its handle and config.

    That is one for an asset, and all ops of the graph for an asset that a graph makes.
    """
    root = step.node_handle.path[0]
    for text, own in step.resolved_run_config.ops.items():
        handle = NodeHandle.from_string(text)
        op = step.job_def.get_node(handle).definition
        if handle.path[0] == root and isinstance(op, dg.OpDefinition):
            yield text, op, own.config


def partitions_read(step: Any, asset: dg.AssetKey, partition: str | None) -> Sequence[str | None]:
    """Return which partitions of an asset upstream one partition of a step's assets depends on.

    In public, a step is told of those of all its partitions together.

    Args:
        step: the step.
        asset: upstream.
        partition: of the step's assets.
    """
    layer, assets = step.job_def.asset_layer, assets_of(step)
    theirs = layer.get(asset).partitions_def if layer.has(asset) else None
    if assets is None or theirs is None:
        return [None]
    with partition_loading_context(dynamic_partitions_store=step.instance):
        own = assets.partitions_def
        subset = None
        if own is not None and partition is not None:
            subset = own.empty_subset().with_partition_keys([partition])
        mapping = infer_partition_mapping(assets.get_partition_mapping_for_dep(asset), own, theirs)
        mapped = mapping.get_upstream_mapped_partitions_result_for_partitions(subset, own, theirs)
        return list(mapped.partitions_subset.get_partition_keys())


def give_version(step: Any, asset: dg.AssetKey, version: str) -> None:
    """Say what data version an output has, unless its function has: in public, only that may."""
    if not step.has_data_version(asset):
        step.set_data_version(asset, dg.DataVersion(version))
