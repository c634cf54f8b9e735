"""The IO manager of assets that have a config of their own, and belong to no pipeline.

    own config, records of inputs    the slot: {asset}/as_of=.../run=<run id>
    code, inputs                     the revision in it: rev=<fingerprint>
    value                            bytes at that path, then record.json beside them
    record                           the event in Dagster, with the config as metadata

What an asset reads is what Dagster shows of it, or what the very run has made; the record of that
tells which config it depends on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import dagster as dg

from ml_pipeline.dagster import private_ops
from ml_pipeline.dagster.description import describe
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.io_manager import by_date, dates_read, unless_told
from ml_pipeline.dagster.lineage import Found, event_of, found_by, materialized, other_version
from ml_pipeline.dagster.metadata import numbers_in
from ml_pipeline.dagster.origins import door_of
from ml_pipeline.dagster.own_configs import own_configs
from ml_pipeline.dagster.private import add_metadata_of_date
from ml_pipeline.errors import ArtifactDamaged, ArtifactMissing, PipelineError
from ml_pipeline.params.as_of import AsOf, as_of_from_key
from ml_pipeline.params.group import RunOptions
from ml_pipeline.params.identity import digest_of
from ml_pipeline.runs.by_config import Place, place
from ml_pipeline.runs.decisions import Decision, Outcome
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.stage import Stage
from ml_pipeline.settings import settings
from ml_pipeline.store.record import Content, OtherAsset, Record, fingerprint

_Key: TypeAlias = tuple[str, int, dg.AssetKey, str | None]
"""A step, its attempt, an asset and its partition."""

FORCE_TAG: Final = "ml_pipeline/force"
"""Tag of a run that computes even what is published."""


@dataclass(frozen=True)
class KeptAsset:
    """An asset that is kept by its own config.

    Attributes:
        stage: what computes it, and its code.
        computed: why it is computed by every run, or the empty string where it may be reused.
    """

    stage: Stage
    computed: str = ""


@dataclass(frozen=True)
class Planned:
    """One partition of an asset, before it is computed.

    Attributes:
        place: where it is kept.
        decision: whether it is published already.
        paths: directories of its inputs, by name.
        started_at: when that was asked.
    """

    place: Place
    decision: Decision
    paths: Mapping[str, str]
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class ConfigIOManager(dg.IOManager):
    """Keeps values at the path that the config of assets gives, and finds what runs have made."""

    def __init__(self, materializer: Materializer, assets: Mapping[str, KeptAsset]) -> None:
        """Serve one run.

        Args:
            materializer: formats and store.
            assets: what is kept, by key.
        """
        self._materializer = materializer
        self._store = materializer.store
        self._assets = assets
        self._read: dict[tuple[str, dg.AssetKey, str | None], Found] = {}
        self._planned: dict[_Key, Planned] = {}
        self._reused: dict[tuple[str, dg.AssetKey, str | None], tuple[Any, Outcome]] = {}

    def reused(
        self, step: Any, asset: dg.AssetKey, partitions: list[str | None], lazy: bool
    ) -> dict[str | None, Any] | None:
        """Return the published values of an asset, or None if it has to be computed.

        Args:
            step: the step that makes it.
            asset: its key.
            partitions: all that the step makes of it.
            lazy: whether a deferred form will do.
        """
        values: dict[str | None, Any] = {}
        outcomes: dict[str | None, Outcome] = {}
        for partition in partitions:
            planned = self._plan(step, asset, partition)
            decision, lender = planned.decision, planned.decision.lender
            found = decision.reuse
            if found is not None and lender is not None:
                found = self._materializer.lent(lender, decision.slot, found)
            if found is None:
                return None
            try:
                values[partition] = self._store.load(decision.slot, found, lazy)
            except ArtifactDamaged as error:
                again = replace(decision, reuse=None, reason=str(error))
                self._planned[_key(step, asset, partition)] = replace(planned, decision=again)
                return None
            lent_by = lender.environment if lender is not None else None
            outcomes[partition] = Outcome(decision.slot, found, True, decision.sentence, lent_by)
        for partition, value in values.items():
            self._reused[step.step.key, asset, partition] = value, outcomes[partition]
        return values

    def forget(self, step: Any) -> None:
        """Take nothing of what a step gives for what is published: it computes."""
        for key in [key for key in self._reused if key[0] == step.step.key]:
            del self._reused[key]

    def event_of(
        self, step: Any, asset: dg.AssetKey, partition: str | None
    ) -> dg.EventLogRecord | None:
        """Return the event that told of what is reused, if there is one."""
        _, outcome = self._reused[step.step.key, asset, partition]
        return event_of(step.instance, asset, partition, outcome.record)

    @unwrapped()
    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Publish the value of an asset, and record the config that it depends on."""
        if obj is None:
            return
        if not context.has_asset_key:
            raise PipelineError(
                f"What is kept by config must be an asset, but '{context.name}' of"
                f" '{context.step_key}' is none. Give it another IO manager."
            )
        step, asset = context.step_context, context.asset_key
        several = context.has_asset_partitions and len(context.asset_partition_keys) > 1
        metrics = {} if several else numbers_in(context.output_metadata)
        digests = []
        for as_of, value in by_date(context, obj):
            partition = None if as_of is None else str(as_of)
            kept, outcome = self._reused.pop((step.step.key, asset, partition), (None, None))
            planned = self._plan(step, asset, partition)
            if outcome is None or kept is not value:
                outcome = self._publish(planned, as_of, value, metrics)
            described = describe(outcome, self._store, planned.place.origins, is_brief=several)
            described = unless_told(described, context)
            if partition is None:
                context.add_output_metadata(described)
            else:
                add_metadata_of_date(context, described, partition)
            digests.append(outcome.record.content.digest)
        version = digests[0] if len(digests) == 1 else digest_of(digests)
        private_ops.give_version(step, asset, version)

    @unwrapped()
    def load_input(self, context: dg.InputContext) -> Any:
        """Load an upstream asset: one value, or a mapping by date."""
        lazy = getattr(context.dagster_type.typing_type, "__name__", "") == "LazyFrame"
        if not context.has_asset_partitions:
            return self._load(context, None, lazy)
        # A reader by key, such as `load_asset_value`, is no step and names the dates itself.
        keys = dates_read(context) if context.has_input_name else context.asset_partition_keys
        may_miss = bool((context.definition_metadata or {}).get("allow_missing_partitions"))
        values = {}
        for key in keys:
            try:
                values[key] = self._load(context, key, lazy)
            except ArtifactMissing:
                if not may_miss:
                    raise
        return values[keys[0]] if len(keys) == 1 and not may_miss else values

    def _load(self, context: dg.InputContext, partition: str | None, lazy: bool) -> Any:
        step = context.step_context if context.has_input_name else None
        asset = context.asset_key
        run = step.dagster_run if step is not None else None
        found = self._find(context.instance, run, asset, partition)
        if not isinstance(found, Found):
            of = f" of {partition}" if partition is not None else ""
            has = "has been kept by another since" if found is not None else "never was"
            raise ArtifactMissing(
                f"'{asset.to_user_string()}'{of} must have been materialized through this IO"
                f" manager, but {has}. Materialize it, or select it in the same run."
            )
        if step is not None:
            self._read[step.step.key, asset, partition] = found
        return self._store.load(found.slot, found.record, lazy)

    def _find(
        self,
        instance: dg.DagsterInstance,
        run: dg.DagsterRun | None,
        asset: dg.AssetKey,
        partition: str | None,
    ) -> Found | OtherAsset | None:
        """Return what a run reads, or its version elsewhere, or None where nobody can tell."""
        event = materialized(instance, run, asset, partition)
        if event is not None and (found := found_by(event, self._store)) is not None:
            return found
        return other_version(instance, event, asset, partition)

    def _plan(self, step: Any, asset: dg.AssetKey, partition: str | None) -> Planned:
        """Return where an asset is kept, told before it is computed where that is possible."""
        key = _key(step, asset, partition)
        if key not in self._planned:
            self._planned[key] = self._plan_anew(step, asset, partition)
        return self._planned[key]

    def _plan_anew(self, step: Any, asset: dg.AssetKey, partition: str | None) -> Planned:
        name = asset.to_user_string()
        kept = self._assets.get(name)
        if kept is None:
            raise PipelineError(
                f"What is kept by config must be among the definitions given to `reusing`, but"
                f" '{name}' is not. Merge it with them before."
            )
        read: dict[str, Found] = {}
        others: dict[str, OtherAsset] = {}
        unknown: list[str] = []
        for upstream, part in _reads(step, partition):
            called = upstream.to_user_string()
            called = called if part is None or part == partition else f"{called} of {part}"
            loaded = self._read.get((step.step.key, upstream, part))
            found = loaded or self._find(step.instance, step.dagster_run, upstream, part)
            if isinstance(found, Found):
                read[called] = found
            elif found is not None:
                others[called] = found
            else:
                unknown.append(called)
        inputs = {called: found.record for called, found in read.items()}
        as_of = None if partition is None else as_of_from_key(partition)
        where = place(name, own_configs(step), inputs, as_of, door_of(step.dagster_run))
        computed = kept.computed
        if unknown:
            computed = f"Dagster knows no version of {', '.join(unknown)}, which it depends on"
        if computed:
            external = f"computed by {step.run_id}"
            digests = {called: kept.stage.reading.digest(one) for called, one in inputs.items()}
            revision = fingerprint(kept.stage.code, digests, external, others)
            decision = Decision(
                kept.stage, where.slot, revision, inputs, external, None, computed, others=others
            )
        else:
            options = RunOptions(force=step.dagster_run.tags.get(FORCE_TAG) == "true")
            decision = self._materializer.decide_at(
                kept.stage, where.slot, inputs, None, others, options
            )
        of_others = tuple(called for called, one in read.items() if one.told_by != step.run_id)
        decision = replace(decision, reused_inputs=of_others)
        return Planned(where, decision, {called: one.directory for called, one in read.items()})

    def _publish(
        self, planned: Planned, as_of: AsOf | None, value: Any, metrics: Mapping[str, float]
    ) -> Outcome:
        decision, where = planned.decision, planned.place
        if decision.reuse is not None:
            reason = "its function was called for what else it makes"
            decision = replace(decision, reuse=None, reason=reason)
        params = {name for values in where.params.values() for name in values}

        def describe_(content: Content) -> Record:
            return Record(
                asset=where.slot.asset,
                run_id=where.slot.run_id,
                as_of=as_of,
                identity=where.slot.identity,
                params=where.params,
                origins=where.origins,
                content=content,
                started_at=planned.started_at,
                duration_s=round((datetime.now(UTC) - planned.started_at).total_seconds(), 6),
                metrics={name: one for name, one in metrics.items() if name not in params},
                provenance=self._materializer.surroundings(),
                **decision.recorded(planned.paths),
            )

        published = self._store.publish(
            where.slot, decision.revision, value, describe_, sample_rows=settings().preview_rows
        )
        reason = decision.sentence + self._materializer.compared(decision, published)
        return Outcome(where.slot, published.record, False, reason, sample=published.sample)


def _key(step: Any, asset: dg.AssetKey, partition: str | None) -> _Key:
    return step.step.key, step.previous_attempt_count, asset, partition


def _reads(step: Any, partition: str | None) -> Iterator[tuple[dg.AssetKey, str | None]]:
    """Yield what a step's assets depend on and it does not make itself, by partition."""
    assets = private_ops.assets_of(step)
    if assets is None:
        return
    made = set(assets.keys)
    # An op gets the inputs of all its assets, whichever it uses them for.
    upstream_of_any = {one for key in made for one in assets.asset_deps[key]}
    for upstream in sorted(upstream_of_any, key=dg.AssetKey.to_user_string):
        if upstream not in made or upstream in assets.asset_deps[upstream]:
            for part in private_ops.partitions_read(step, upstream, partition):
                yield upstream, part
