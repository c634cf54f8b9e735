"""The IO manager: parameter-keyed paths for Dagster assets, params as metadata.

Stages of a `Pipeline` publish each date as it is done, so Dagster has no value of theirs to hand
over; the IO manager loads them for whoever reads them, and describes them. Any other asset that
uses it is kept and keyed by all parameters, because nothing says which of them it reads.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.metadata import picture
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Content, Record, fingerprint
from ml_pipeline.store.slots import Slot, slot_for

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

    @unwrapped()
    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Publish the value of an asset that is not a stage and record its parameters."""
        if obj is None:
            return
        asset = context.asset_key.to_user_string()
        for as_of, value in _by_date(context, obj):
            slot = slot_for(asset, self.params, self.params.model.scope, as_of)
            outcome = self._publish(slot, value, context.run_id)
            context.step_context.add_asset_metadata(
                describe(outcome, self.store, self.params.origins),
                context.asset_key,
                as_of.isoformat() if as_of is not None else None,
            )

    @unwrapped()
    def load_input(self, context: dg.InputContext) -> Any:
        """Load an upstream asset for the run's parameters: one value, or a mapping by date."""
        asset = context.asset_key.to_user_string()
        lazy = getattr(context.dagster_type.typing_type, "__name__", "") == "LazyFrame"
        if not context.has_asset_partitions:
            return self._load(asset, None, lazy)
        keys = context.asset_partition_keys
        values = {key: self._load(asset, date.fromisoformat(key), lazy) for key in keys}
        return values[keys[0]] if len(keys) == 1 else values

    def _load(self, asset: str, as_of: date | None, lazy: bool) -> Any:
        if asset in self.pipeline.stages:
            stage = self.pipeline.stage(asset)
            record = self.materializer.locate(stage, self.params, as_of)
            return self.store.load(stage.slot(self.params, as_of), record, lazy)
        slot = slot_for(asset, self.params, self.params.model.scope, as_of)
        return self.store.load(slot, self.materializer.newest(slot), lazy)

    def _publish(self, slot: Slot, value: Any, dagster_run_id: str) -> Outcome:
        started_at = datetime.now(UTC)
        revision = fingerprint(UNVERSIONED, {}, dagster_run_id)

        def record(content: Content) -> Record:
            return Record(
                asset=slot.asset,
                run_id=slot.run_id,
                revision=revision,
                as_of=slot.as_of,
                identity=slot.identity,
                params=self.params.values(),
                origins=dict(self.params.origins),
                code=UNVERSIONED,
                content=content,
                started_at=started_at,
                duration_s=(datetime.now(UTC) - started_at).total_seconds(),
                provenance=self.materializer.provenance(),
            )

        published = self.store.publish(slot, revision, value, record)
        return Outcome(slot, published.record, reused=published.adopted)


def describe(outcome: Outcome, store: ArtifactStore, origins: Mapping[str, str]) -> dict[str, Any]:
    """Return the metadata of a materialization: which parameters made what, and where it is.

    Args:
        outcome: the artifact.
        store: where it is.
        origins: where the values came from that this run asks for, by dotted name; whoever
            computed a reused artifact may have had them from elsewhere.
    """
    record = outcome.record
    asked = {
        name: origin for name, origin in origins.items() if name.partition(".")[0] in record.params
    }
    directory = outcome.slot.revision(record.revision)
    path = store.address(f"{directory}/{record.content.file}")
    local = store.directory is not None
    metadata: dict[str, Any] = {
        "run_id": record.run_id,
        "revision": record.revision,
        "path": dg.MetadataValue.path(path) if local else dg.MetadataValue.url(path),
        "reused": outcome.reused,
        "reason": outcome.reason,
        **{
            f"{group}.{name}": _shown(value)
            for group, values in record.params.items()
            for name, value in values.items()
        },
        **({"origins": dg.MetadataValue.json(asked)} if asked else {}),
        **record.metrics,
        "bytes": record.content.bytes,
        "digest": record.content.digest,
        "duration_s": record.duration_s,
        "made_at": dg.MetadataValue.timestamp(record.started_at),
    }
    if record.picture is not None:
        metadata["picture"] = picture(record.picture)
    if record.provenance.dagster_run_id is not None:
        metadata["made_by"] = dg.MetadataValue.dagster_run(record.provenance.dagster_run_id)
    if "rows" in record.content.shape:
        metadata["dagster/row_count"] = record.content.shape["rows"]
    return metadata


def _shown(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else dg.MetadataValue.json(value)


def _by_date(context: dg.OutputContext, obj: Any) -> Iterator[tuple[date | None, Any]]:
    if not context.has_asset_partitions:
        yield None, obj
        return
    keys = context.asset_partition_keys
    if len(keys) == 1:
        yield date.fromisoformat(keys[0]), obj
        return
    if not isinstance(obj, Mapping) or set(obj) != set(keys):
        raise dg.DagsterInvariantViolationError(
            f"'{context.asset_key.to_user_string()}' runs for {len(keys)} dates at once, so it must"
            " return a mapping from each date to its value."
        )
    for key in keys:
        yield date.fromisoformat(key), obj[key]
