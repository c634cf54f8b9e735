"""All that is not public of Dagster and used here: why each is needed, in one sentence.

Nothing else in this package reaches into Dagster, but `private_ops`, which goes into existing ops.
`test_private.py` has a test for each that fails where a later Dagster has changed it.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from urllib.parse import quote

import dagster as dg
from dagster._config import ConfigType, ConfigTypeKind
from dagster_shared.check import CheckError

NO_EVENT: Final = {"__source_asset_observation__": True}
"""Metadata of an output: Dagster adds no materialization of its own.

It would add one for every date of a run, with one data version for all of them; here each date has
had its own already, with a version of its own.
"""

IMPLICIT_JOB: Final = "__ASSET_JOB"
"""Name of the job of all assets: a run launched over GraphQL has to name its job."""

FROM_UI_TAG: Final = "dagster/from_ui"
"""Tag of a run that was launched in the UI: nothing else tells the launchpad from GraphQL."""

INTERRUPTED: Final = "DagsterExecutionInterruptedError"
"""Class in a run's events that tells Ctrl-C from a failure: events keep names, not exceptions."""

REFUSALS: Final = (dg.DagsterError, CheckError)
"""What Dagster raises where a configuration does not do; the second has no public name."""

_UNCAPTURED: Final = {
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}
"""Capturing what a step prints starts two processes for each; Dagster's own name for not doing it
has no public path."""


def anything_called(name: str) -> ConfigType:
    """Return a config type that takes anything, as `dg.Any`, and that the editor calls by a name.

    Args:
        name: what a value must be, in words.
    """
    return ConfigType(key=name, given_name=name, kind=ConfigTypeKind.ANY)


def setup_page(url: str, location: str, job: str) -> str:
    """Return the page that fills a launchpad in from its address: there is no documented one."""
    return f"{url.rstrip('/')}/locations/{quote(location)}/jobs/{job}/playground/setup"


def asset_page(key: str, partition: str | None) -> str:
    """Return the page of an asset, or of a partition of it: there is no documented one.

    Args:
        key: of the asset, its parts joined by slashes.
        partition: of it, or None where it has none.
    """
    page = f"/assets/{quote(key)}"
    return page if partition is None else f"{page}?view=partitions&partition={quote(partition)}"


def kept(value: object) -> Any:
    """Return metadata that keeps an object in this process: public kinds keep plain values."""
    from dagster._core.definitions.metadata.metadata_value import ObjectMetadataValue

    return ObjectMetadataValue(value)


def what_is_kept(metadata: Any) -> Any:
    """Return the object that metadata keeps, or None."""
    return getattr(metadata, "instance", None)


def definitions_in(module: ModuleType) -> Any:
    """Return what Dagster loads of a module; its own search for that is not public.

    Raises:
        dg.DagsterError: if there is nothing, or more than one thing.
    """
    from dagster._core.workspace.autodiscovery import loadable_targets_from_loaded_module

    found = loadable_targets_from_loaded_module(module)[0].target_definition
    return found() if callable(found) else found


def is_resource(annotation: Any) -> bool:
    """Whether Dagster takes an argument of an asset with an annotation for a resource."""
    from dagster._core.definitions.resource_annotation import _is_resource_annotation

    return _is_resource_annotation(annotation)


def version_tags(
    version: str, code: str, inputs: Mapping[str, str], newest_event: int | None
) -> dict[str, str]:
    """Return the tags by which Dagster tells whether an artifact is stale.

    Its public `data_version` is one for all dates of a run, and names no inputs.

    Args:
        version: of the artifact.
        code: version of the code.
        inputs: versions of what was read, by asset.
        newest_event: storage id of the newest event: inputs are from before it.
    """
    tags = {
        "dagster/data_version": version,
        "dagster/data_version_is_user_provided": "true",
        "dagster/code_version": code,
    }
    for name, read in inputs.items():
        tags[f"dagster/input_data_version/{name}"] = read
        # Of a date, Dagster asks whether its inputs have had other events since this one.
        tags[f"dagster/input_event_pointer/{name}"] = str(newest_event or "NULL")
    return tags


def newest_event(instance: dg.DagsterInstance) -> int | None:
    """Return the storage id of the newest event: the public queries would read events for it."""
    return instance.event_log_storage.get_maximum_record_id()


def add_metadata_of_date(
    context: dg.OutputContext, metadata: Mapping[str, Any], partition: str
) -> None:
    """Describe one date of an output of many: the public method describes all of them alike."""
    context.step_context.add_asset_metadata(metadata, context.asset_key, partition)


@dataclass(frozen=True)
class Reader:
    """What reads all dates of an input without having said so.

    Attributes:
        name: of its op.
        is_check: whether it is an asset check.
        is_in_dated_run: whether its run is for dates.
    """

    name: str
    is_check: bool
    is_in_dated_run: bool


def reader_without_dates(context: dg.InputContext) -> Reader | None:
    """Return who reads all dates of an input for want of partitions, and None where that is meant.

    The public context tells which dates are read, and not why.
    """
    step = context.step_context
    made = step.job_def.asset_layer.get_assets_def_for_node(step.node_handle)
    if made is None or made.partitions_def is not None:
        return None
    if made.get_partition_mapping_for_dep(context.asset_key) is not None:
        return None
    is_in_dated_run = step.has_partition_key or step.has_partition_key_range
    is_check = isinstance(made, dg.AssetChecksDefinition)
    return Reader(step.node_handle.name, is_check, is_in_dated_run)


def location_of(run: dg.DagsterRun) -> str | None:
    """Return the code location of a run that a webserver or daemon launched; no tag tells it."""
    origin = run.remote_job_origin
    return origin.location_name if origin is not None else None


def is_of_a_command(run: dg.DagsterRun) -> bool:
    """Whether one of Dagster's commands launched a run: they know their job by its module."""
    return run.job_code_origin is not None


def tag_run(instance: dg.DagsterInstance, run: dg.DagsterRun, tags: Mapping[str, str]) -> None:
    """Add to the tags of a run that goes on: whoever launched it in the UI could not know them."""
    if new := {name: value for name, value in tags.items() if run.tags.get(name) != value}:
        instance.add_run_tags(run.run_id, new)


def listen(
    instance: dg.DagsterInstance, dagster_run_id: str, hear: Callable[[dg.EventLogEntry], None]
) -> None:
    """Hear the events of a run of this process as they come: asking for them would be polling."""
    instance.add_event_listener(dagster_run_id, hear)


@dataclass(frozen=True)
class JobNames:
    """What the config of a run may name.

    Attributes:
        resources: all resources.
        ops: the ops of the selected assets.
    """

    resources: Sequence[str]
    ops: Sequence[str]


def names_in_job(instance: dg.DagsterInstance, run: dg.DagsterRun) -> JobNames:
    """Return what the job of a run consists of; a resource of it is told about itself alone."""
    snapshot = instance.get_job_snapshot(str(run.job_snapshot_id))
    (mode,) = snapshot.mode_def_snaps
    resources = [resource.name for resource in mode.resource_def_snaps]
    return JobNames(resources, list(snapshot.node_names))


@cache
def known_revisions() -> frozenset[str]:
    """Return the revisions that the databases of this Dagster may have: it tells them to nobody."""
    from alembic.script import ScriptDirectory
    from dagster._core.storage.runs.sqlite import sqlite_run_storage
    from dagster._core.storage.sql import get_alembic_config

    configuration = get_alembic_config(sqlite_run_storage.__file__)
    scripts = ScriptDirectory.from_config(configuration)
    return frozenset(script.revision for script in scripts.walk_revisions())


def open_instance(folder: Path) -> dg.DagsterInstance:
    """Return the instance of a folder for runs in this process, which opens as fast as it goes.

    Dagster's own way imports the state of components, which runs have no use for, and captures
    output, which goes to a file already.
    """
    from dagster._core.instance.ref import InstanceRef

    class OfRuns(InstanceRef):
        """Lacks the state of components."""

        @property
        def defs_state_storage(self) -> None:
            return None

    ref = OfRuns._make(InstanceRef.from_dir(str(folder), overrides=_UNCAPTURED))
    return dg.DagsterInstance.from_ref(ref)


@contextlib.contextmanager
def engines_kept() -> Iterator[None]:
    """Do once what Dagster does anew for each of some eighty connections of a run.

    It makes an SQLAlchemy engine for every connection, so every statement is compiled again, and
    lets alembic execute all its migration scripts for every database. Together that takes longer
    than deciding to reuse a run, and Dagster has no setting for either. Both are replaced until the
    context ends, one context at a time; where a later Dagster has other names, nothing is replaced
    and nothing is lost but time.
    """
    from alembic.script import ScriptDirectory
    from dagster._core.storage.event_log.sqlite import sqlite_event_log
    from dagster._core.storage.runs.sqlite import sqlite_run_storage

    with contextlib.ExitStack() as replaced:
        for module in (sqlite_event_log, sqlite_run_storage):
            replaced.enter_context(_kept(module, "create_engine", str))
        replaced.enter_context(_kept(ScriptDirectory, "from_config", _place_of_scripts))
        yield


def _place_of_scripts(config: Any) -> str:
    return str(config.get_main_option("script_location"))


@contextlib.contextmanager
def _kept(owner: Any, name: str, key: Callable[[Any], str]) -> Iterator[None]:
    """Let a function return what it returned before for the same key of its first argument."""
    own = vars(owner).get(name)
    if own is None:
        yield
        return
    make: Callable[..., Any] = getattr(owner, name)
    made: dict[str, Any] = {}

    def once(of: Any, **options: Any) -> Any:
        if key(of) not in made:
            made[key(of)] = make(of, **options)
        return made[key(of)]

    setattr(owner, name, staticmethod(once) if isinstance(owner, type) else once)
    try:
        yield
    finally:
        setattr(owner, name, own)
