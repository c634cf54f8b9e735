"""Existing assets, kept by their own config, and reused where code and inputs have not changed.

Dagster has an asset's function called before an IO manager hears of it. So the functions of those
assets are wrapped: what is published already is loaded instead.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from weakref import WeakSet

import dagster as dg

from ml_pipeline.code.fingerprint import Fingerprint, fingerprint_of
from ml_pipeline.dagster import private_ops
from ml_pipeline.dagster.code_location import location_for
from ml_pipeline.dagster.config_io_manager import ConfigIOManager, KeptAsset
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.lineage import as_made
from ml_pipeline.dagster.run_config import STOPPED
from ml_pipeline.dagster.validated import later
from ml_pipeline.errors import ParamsError, PipelineError
from ml_pipeline.params.model import ParamModel
from ml_pipeline.params.parameter import Parameter
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.provenance import provenance
from ml_pipeline.runs.signature import Signature
from ml_pipeline.runs.stage import Stage
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings
from ml_pipeline.store.formats import Format

D = TypeVar("D", bound=dg.Definitions | Callable[..., dg.Definitions])

BY_PARAMS: Final = "by_params"
_UNKNOWN: Final = "unversioned"


def reusing(
    definitions: D,
    store_root: Callable[..., str] | None = None,
    code: Path | None = None,
    *,
    io_manager_key: str = BY_PARAMS,
    formats: Iterable[Format] = (),
    trusted: Iterable[Callable[..., Any]] = (),
    first_party: Iterable[str] = (),
) -> D:
    """Keep the assets that name an IO manager by their own config, and reuse what is published.

    Adds the IO manager. An asset is kept at a path of its own for each config, its own and that of
    what it reads, and each partition; what an asset reads is what its run has made, or else the
    newest. It is reused where everything that it depends on is as it was: config, code, and the
    content of what it reads. Of what is kept by another IO manager, each materialization counts as
    another content, unless it has a data version that somebody gave. Computed by every run are
    assets without anything upstream and those with resources, since nobody can tell what they read,
    those that are graphs, and those whose function makes asset checks; what they give counts by
    content for what is downstream. With the tag ``ml_pipeline/force`` a run computes everything.

    Args:
        definitions: those of a code location, or a function that returns them, decorated with
            `dagster.definitions` or not.
        store_root: returns the directory or URI of the artifacts; called once in each run. A
            relative directory is one of the project, where there is a project. Where environments
            are configured, it has to take the name of one as `environment`. If omitted, what the
            settings say: the environment's `store`.
        code: a directory in the checkout whose commit is recorded; that of the assets if omitted.
        io_manager_key: the key of the IO manager that the assets name.
        formats: how values of one's own are kept; asked before the built-in formats.
        trusted: classes and functions of one's own that a stored model may hold.
        first_party: modules and packages whose code counts wherever they are installed; by default
            the top-level package or module of each asset's function.

    Returns:
        The definitions with the IO manager, or a function that returns them.

    Raises:
        PipelineError: if no asset names the IO manager, there is one of that name already, or a
            config that is to be recorded has a field that looks like a secret.
    """
    kept_by = Pipeline(
        io_manager_key,
        ParamModel(),
        formats=formats,
        trusted=trusted,
        first_party=first_party,
    )
    if not isinstance(definitions, dg.Definitions):
        return cast("D", later(definitions, lambda found: _kept(found, kept_by, store_root, code)))
    return cast("D", _kept(definitions, kept_by, store_root, code))


@unwrapped()
def _kept(
    definitions: dg.Definitions,
    kept_by: Pipeline,
    store_root: Callable[..., str] | None,
    code: Path | None,
) -> dg.Definitions:
    key = kept_by.name
    chosen = {
        asset: made
        for made in definitions.assets or ()
        if isinstance(made, dg.AssetsDefinition) and made.is_executable
        for asset in made.keys
        if made.get_io_manager_key_for_asset_key(asset) == key
    }
    if not chosen:
        raise PipelineError(
            f"Assets that are to be reused must name their IO manager, as in"
            f' `@dg.asset(io_manager_key="{key}")`, but none of these definitions does.'
        )
    if key in (definitions.resources or {}):
        raise PipelineError(
            f"The IO manager '{key}' is added here, but the definitions have a resource of that"
            " name already. Leave that out, or give another io_manager_key here and to the assets."
        )
    _refuse_secrets(chosen.values())
    upstream = {
        asset.to_user_string(): [one.to_user_string() for one in made.asset_deps[asset]]
        for asset, made in chosen.items()
    }
    known: dict[str, KeptAsset] = {}
    for name in _in_order(upstream):
        asset = dg.AssetKey.from_user_string(name)
        known[name] = _kept_asset(kept_by, asset, chosen[asset], set(known) & set(upstream[name]))
        stage = known[name].stage
        # What every run computes, another revision replaces, though the code is the same.
        kept_by.stages[name] = replace(stage, code=_UNKNOWN) if known[name].computed else stage
    for op in {id(made): made.node_def for made in chosen.values()}.values():
        if isinstance(op, dg.OpDefinition):
            _reuse(op)
    location = replace(location_for(kept_by, None, store_root, code), runs_pipeline=False)

    @dg.io_manager
    @unwrapped()
    def manager(context: dg.InitResourceContext) -> ConfigIOManager:
        dagster_run_id = context.run.run_id if context.run is not None else None
        around = partial(provenance, dagster_run_id, location.code, kept_by.first_party)
        if (refusal := settings().environments.refusal(None)) is not None:
            raise ParamsError([f"environment {refusal}"], STOPPED)
        return ConfigIOManager(Materializer(kept_by, location.store, around), known)

    return dg.Definitions.merge(
        definitions, dg.Definitions(resources={key: manager}, metadata=location.metadata)
    )


def _kept_asset(
    kept_by: Pipeline, asset: dg.AssetKey, made: dg.AssetsDefinition, inputs: Iterable[str]
) -> KeptAsset:
    """Return an asset with its code, and why it cannot be reused, if it cannot."""
    spec = made.get_asset_spec(asset)
    op = made.node_def
    function = private_ops.function_of(op) if isinstance(op, dg.OpDefinition) else None
    computed = ""
    found: Fingerprint | None = None
    if function is None:
        computed = "it is made by a graph"
    elif made.check_specs:
        computed = "its function makes asset checks"
    elif not made.asset_deps[asset]:
        computed = "it has nothing upstream, so that nobody can tell what it reads"
    elif resources := sorted(private_ops.resources_of(op)):
        computed = f"nobody can tell what it reads with the resources {', '.join(resources)}"
    if function is not None and spec.code_version is None:
        function = _own_function(function)
        try:
            found = fingerprint_of(function, kept_by.first_party)
        except PipelineError as error:
            computed = computed or f"nobody can tell when its code changes: {error}"
    version = spec.code_version or (found.digest if found is not None else _UNKNOWN)
    return KeptAsset(
        Stage(
            name=asset.to_user_string(),
            function=function or _in_graph(made),
            code=version,
            signature=Signature({}, {name: name for name in inputs}, frozenset()),
            scope=(),
            reading=kept_by.reading,
            fingerprint=found,
            first_party=kept_by.first_party,
        ),
        computed,
    )


def _in_graph(made: dg.AssetsDefinition) -> Callable[..., Any]:
    """Return a function of a graph, to tell which module it is from."""
    functions = map(private_ops.function_of, made.node_def.iterate_op_defs())
    return next((one for one in functions if one is not None), _in_graph)


def _in_order(upstream: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Yield assets after those that they read."""
    done: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in done or name not in upstream:
            return
        done[name] = None
        for one in upstream[name]:
            visit(one)
        ordered.append(name)

    ordered: list[str] = []
    for name in upstream:
        visit(name)
    yield from ordered


def _refuse_secrets(assets: Iterable[dg.AssetsDefinition]) -> None:
    ops = {id(op): op for made in assets for op in made.node_def.iterate_op_defs()}
    classes = {op.name: private_ops.config_class_of(op) for op in ops.values()}
    problems = [
        f"'{op}.{name}' looks like a secret, and config is recorded: take the name of an"
        f" environment variable instead, as '{name}_env'"
        for op, cls in classes.items()
        if cls is not None
        for name, info in cls.model_fields.items()
        if Parameter(op, name, info).looks_secret
    ]
    if problems:
        raise PipelineError("\n".join(problems))


_wrapped: Final[WeakSet[Callable[..., Any]]] = WeakSet()


def _own_function(function: Callable[..., Any]) -> Callable[..., Any]:
    own: Callable[..., Any] = function.__wrapped__ if function in _wrapped else function  # type: ignore[attr-defined]
    return own


def _reuse(op: dg.OpDefinition) -> None:
    """Let an op return what is published; once is enough."""
    function = private_ops.function_of(op)
    if function is None or function in _wrapped:
        return
    instead = _wrapper(function)
    _wrapped.add(instead)
    private_ops.call_instead(op, instead)


def _wrapper(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the same kind: Dagster looks at that."""
    wrapper: Callable[..., Any]
    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def wrapper(*given: Any, **named: Any) -> Iterator[Any]:
            found = _published(wrapper)
            yield from function(*given, **named) if found is None else found

    elif inspect.isasyncgenfunction(function):

        @wraps(function)
        async def wrapper(*given: Any, **named: Any) -> Any:
            found = _published(wrapper)
            if found is None:
                async for event in function(*given, **named):
                    yield event
            for event in found or ():
                yield event

    elif inspect.iscoroutinefunction(function):

        @wraps(function)
        async def wrapper(*given: Any, **named: Any) -> Any:
            found = _published(wrapper)
            return await function(*given, **named) if found is None else _returned(found)

    else:

        @wraps(function)
        def wrapper(*given: Any, **named: Any) -> Any:
            found = _published(wrapper)
            return function(*given, **named) if found is None else _returned(found)

    return wrapper


def _returned(results: tuple[dg.MaterializeResult[Any], ...]) -> Any:
    return results[0] if len(results) == 1 else results


@unwrapped()
def _published(function: Callable[..., Any]) -> tuple[dg.MaterializeResult[Any], ...] | None:
    """Return what is published of all that a step is to make, or None if it has to compute."""
    step = private_ops.step_that_calls(function)
    assets = private_ops.assets_of(step) if step is not None else None
    if step is None or assets is None or assets.check_specs:
        return None
    partitions: list[str | None] = [None]
    if assets.partitions_def is not None:
        partitions = list(dg.OpExecutionContext.get().partition_keys)
    outputs = private_ops.outputs_of(step)
    managers = [private_ops.io_manager_of(step, output.name) for output, _ in outputs]
    if not managers or not all(isinstance(one, ConfigIOManager) for one in managers):
        return None
    results = []
    for manager, (output, asset) in zip(managers, outputs, strict=True):
        lazy = getattr(output.dagster_type.typing_type, "__name__", "") == "LazyFrame"
        found = manager.reused(step, asset, partitions, lazy)
        if found is None:
            manager.forget(step)
            return None
        value = found if len(found) > 1 else next(iter(found.values()))
        event = manager.event_of(step, asset, partitions[0]) if len(found) == 1 else None
        results.append(dg.MaterializeResult(asset, value=value, **as_made(event)))
    return tuple(results)
