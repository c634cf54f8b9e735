"""The IO manager: how a value gets to the path that the run's parameters give it, and back.

    asset, parameters, date       the slot: {asset}/{labels}/as_of=.../run=<run id>
    code, inputs                  the revision in it: rev=<fingerprint>
    value                         bytes at that path, then record.json beside them
    record                        the event in Dagster, with the parameters as metadata

A stage of the pipeline goes through `materialize`: what is published already is not computed again,
and each date is published, and told to Dagster, as soon as it is done. Any other asset that uses
this IO manager goes through `handle_output`: it is kept and keyed by all parameters, because
nothing says which of them it reads, and by its own config. `load_input` finds either, whichever run
made it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.arguments import resources_to_decide
from ml_pipeline.dagster.description import LOOKED_AT, describe
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.hosts import WithInstance
from ml_pipeline.dagster.launchpad import location_named
from ml_pipeline.dagster.lineage import Found, found_by, materializations
from ml_pipeline.dagster.materialization import KEEPER, materialization
from ml_pipeline.dagster.own_configs import own_configs
from ml_pipeline.dagster.private import (
    add_metadata_of_date,
    newest_event,
    reader_without_dates,
)
from ml_pipeline.dagster.run_config import refuse_without_effect
from ml_pipeline.errors import ArtifactMissing, PipelineError
from ml_pipeline.launch.names import names_of
from ml_pipeline.params.as_of import AsOf, as_of_from_key
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.by_config import OwnConfig, Place
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.provenance import provenance
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.environments import Stores
from ml_pipeline.store.record import Content, Record, fingerprint
from ml_pipeline.store.slots import Slot, slot_for, slot_of

UNVERSIONED: Final = "unversioned"


class ParamIOManager(dg.IOManager):
    """Keeps values at the path that the run's parameters give, and finds them there."""

    def __init__(self, materializer: Materializer, params: ParamSet) -> None:
        """Serve one run.

        Args:
            materializer: pipeline and store.
            params: the run's parameters.
        """
        self.materializer = materializer
        self.params = params

    @property
    def store(self) -> ArtifactStore:
        """Where artifacts are."""
        return self.materializer.store

    @property
    def pipeline(self) -> Pipeline:
        """The stages."""
        return self.materializer.pipeline

    def event(
        self, outcome: Outcome, context: dg.AssetExecutionContext, is_brief: bool
    ) -> dg.AssetMaterialization:
        """Return what tells Dagster of a stage's artifact, once its inputs have been told of.

        Args:
            outcome: the artifact.
            context: of the step that makes it.
            is_brief: whether it is one of many that the run makes.
        """
        newest = newest_event(context.instance)
        location = location_named(context.run)
        return materialization(
            self.pipeline, outcome, self.store, self.params, newest, location, is_brief
        )

    @unwrapped()
    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Publish the value of an asset that is not a stage, and record its parameters."""
        if obj is None:
            return
        asset = context.asset_key.to_user_string()
        own = own_configs(context.step_context)
        for as_of, value in by_date(context, obj):
            outcome = self._publish(self._place(asset, own, as_of), value, context.run_id)
            described = describe(outcome, self.store, self.params.origins)
            described = unless_told(described, context) | {KEEPER: self.pipeline.name}
            if as_of is None:
                context.add_output_metadata(described)
            else:
                add_metadata_of_date(context, described, str(as_of))

    @unwrapped()
    def load_input(self, context: dg.InputContext) -> Any:
        """Load an upstream asset for the run's parameters: one value, or a mapping by date."""
        if not context.has_asset_partitions:
            return self._load(context, None)
        keys = dates_read(context)
        values = {key: self._load(context, key) for key in keys}
        return values[keys[0]] if len(keys) == 1 else values

    def _load(self, context: dg.InputContext, partition: str | None) -> Any:
        asset = context.asset_key.to_user_string()
        lazy = getattr(context.dagster_type.typing_type, "__name__", "") == "LazyFrame"
        as_of = None if partition is None else as_of_from_key(partition)
        stage = self.pipeline.at_key(asset)
        if stage is not None:
            record = self.materializer.locate(stage, self.params, as_of)
            return self.store.load(stage.slot(self.params, as_of), record, lazy)
        slot = self._place(asset, {}, as_of).slot
        found = self._with_own_config(context, partition, slot)
        if found is not None:
            return self.store.load(found.slot, found.record, lazy)
        return self.store.load(slot, self.materializer.newest(slot), lazy)

    def _with_own_config(
        self, context: dg.InputContext, partition: str | None, slot: Slot
    ) -> Found | None:
        """Return an artifact for the run's parameters that has a config of its own besides.

        Nothing in this run tells which config, unless the run has made it.
        """
        # A reader by key, such as `load_asset_value`, is no step of a run.
        run = context.step_context.dagster_run if context.has_input_name else None
        wanted = slot.identity["params"]
        for event in materializations(context.instance, run, context.asset_key, partition):
            try:
                found = found_by(event, self.store)
            except ArtifactMissing:
                # Of another store: another environment's, perhaps.
                continue
            if found is None:
                continue
            theirs = found.record.identity["params"]
            if all(theirs.get(group) == values for group, values in wanted.items()):
                return found if len(theirs) > len(wanted) else None
        return None

    def _place(self, asset: str, own: Mapping[str, OwnConfig], as_of: AsOf | None) -> Place:
        """Return where an asset that is no stage is kept: by all parameters, and its own config."""
        params, scope = self.params, self.params.model.scope
        if not own:
            slot = slot_for(asset, params, scope, as_of)
            return Place(slot, params.values(), dict(params.origins))
        apart = {f"ops.{op}" if op in params.groups else op: one for op, one in own.items()}
        slot = slot_of(
            asset,
            params.identity_values(scope) | {op: dict(one.identity) for op, one in apart.items()},
            list(params.labels(scope)),
            as_of,
        )
        values = params.values() | {op: dict(one.values) for op, one in apart.items()}
        return Place(slot, values, dict(params.origins))

    def _publish(self, place: Place, value: Any, dagster_run_id: str) -> Outcome:
        slot, started_at = place.slot, datetime.now(UTC)
        revision = fingerprint(UNVERSIONED, {}, dagster_run_id)

        def record(content: Content) -> Record:
            return Record(
                asset=slot.asset,
                run_id=slot.run_id,
                revision=revision,
                as_of=slot.as_of,
                identity=slot.identity,
                params=place.params,
                origins=place.origins,
                code=UNVERSIONED,
                content=content,
                started_at=started_at,
                duration_s=(datetime.now(UTC) - started_at).total_seconds(),
                provenance=self.materializer.surroundings(),
            )

        rows = self.materializer.sample_rows
        published = self.store.publish(slot, revision, value, record, sample_rows=rows)
        return Outcome(slot, published.record, published.adopted, sample=published.sample)


def io_manager_resource(pipeline: Pipeline, stores: Stores, code: Path) -> dg.IOManagerDefinition:
    """Return the IO manager of a pipeline.

    Args:
        pipeline: the stages.
        stores: returns the store of an environment; called once in each run.
        code: a directory in the checkout whose commit is recorded.
    """
    params = names_of(pipeline).params

    @dg.io_manager(required_resource_keys={params, *resources_to_decide(pipeline)})
    @unwrapped()
    def manager(context: dg.InitResourceContext) -> ParamIOManager:
        dagster_run_id = context.run.run_id if context.run is not None else None
        around = partial(provenance, dagster_run_id, code, pipeline.first_party)
        host = None
        if context.instance is not None:
            host = WithInstance(context.instance, context.resources)
        asked: ParamSet = getattr(context.resources, params)
        store = stores(asked.options.environment)
        rows = settings().preview_rows
        materializer = Materializer(pipeline, store, around, host=host, sample_rows=rows)
        return ParamIOManager(materializer, asked)

    return manager


class KeepsNothing(dg.IOManager):
    """Of assets whose results are records, pages and events: what they return is None.

    So it is in whichever process they are asked for it.
    """

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Keep nothing."""

    def load_input(self, context: dg.InputContext) -> None:
        """Return what there is: nothing."""


def no_io_resource(pipeline: Pipeline) -> dg.IOManagerDefinition:
    """Return the IO manager of assets that keep nothing; it refuses config that they do not read.

    Args:
        pipeline: the stages.
    """

    @dg.io_manager
    @unwrapped()
    def manager(context: dg.InitResourceContext) -> dg.IOManager:
        refuse_without_effect(context, pipeline)
        return KeepsNothing()

    return manager


def unless_told(described: dict[str, Any], context: dg.OutputContext) -> dict[str, Any]:
    """Return what is said of an asset but for what its own function shows by the same name."""
    own = LOOKED_AT & set(context.output_metadata)
    return {name: one for name, one in described.items() if name not in own}


def dates_read(context: dg.InputContext) -> Sequence[str]:
    """Return the dates of an input; who reads declares which, if only by dates of its own.

    To Dagster, whatever has no partitions reads all there are. That is taken for meant but in a
    check, which judges what its run has made, and in a run of dates, which is about single ones.
    """
    keys = context.asset_partition_keys
    reader = reader_without_dates(context)
    if reader is None or not (reader.is_check or reader.is_in_dated_run):
        return keys
    if reader.is_check and context.has_partition_key:
        return [context.partition_key]
    raise PipelineError(
        f"'{reader.name}' must declare partitions_def, because what it reads,"
        f" '{context.asset_key.to_user_string()}', has another value for each date, but declares"
        f" none and so reads all {len(keys)}. Give it the partitions_def of what it reads; or, to"
        " read all dates as a mapping, an AssetIn with partition_mapping=dg.AllPartitionMapping()."
    )


def by_date(context: dg.OutputContext, obj: Any) -> Iterator[tuple[AsOf | None, Any]]:
    """Yield each date of an output with its value, None for the date of what has no partitions.

    Raises:
        DagsterInvariantViolationError: if a run of many dates has no value for each.
    """
    if not context.has_asset_partitions:
        yield None, obj
        return
    keys = context.asset_partition_keys
    if len(keys) == 1:
        yield as_of_from_key(keys[0]), obj
        return
    if not isinstance(obj, Mapping) or set(obj) != set(keys):
        raise dg.DagsterInvariantViolationError(
            f"'{context.asset_key.to_user_string()}' runs for {len(keys)} dates at once, so it must"
            " return a mapping from each date to its value."
        )
    for key in keys:
        yield as_of_from_key(key), obj[key]
