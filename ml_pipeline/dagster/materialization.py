"""What Dagster is told of an artifact: its parameters, where it is, and its versions."""

import contextlib
import itertools
from collections.abc import Mapping
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.metadata import picture
from ml_pipeline.dagster.partition_keys import dagster_key
from ml_pipeline.dagster.private import version_tags
from ml_pipeline.errors import ArtifactDamaged
from ml_pipeline.params.history import present
from ml_pipeline.runs.card_file import is_of_a_model
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.served import MARK, run_of
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import CARD, ArtifactStore
from ml_pipeline.store.record import Record

KEEPER: Final = "pipeline"
"""Metadata of what is kept by the parameters of a pipeline's runs: the pipeline's name."""


def materialization(
    pipeline: Pipeline,
    outcome: Outcome,
    store: ArtifactStore,
    origins: Mapping[str, str],
    newest_event: int | None,
) -> dg.AssetMaterialization:
    """Return the event that tells Dagster of an artifact.

    Args:
        pipeline: the stages.
        outcome: the artifact.
        store: where it is.
        origins: where the run's values came from, by dotted name.
        newest_event: storage id of the newest event: inputs are from before it.
    """
    record, stage = outcome.record, pipeline.stage(outcome.record.asset)
    inputs = {pipeline.stage(name).key: read.digest for name, read in record.inputs.items()}
    inputs |= {
        key: other.version for key, other in record.others.items() if not key.startswith(MARK)
    }
    return dg.AssetMaterialization(
        stage.key.split("/"),
        partition=dagster_key(pipeline, record.as_of),
        metadata={
            KEEPER: pipeline.name,
            **(_card(outcome, store) if is_of_a_model(store, stage, record) else {}),
            **describe(outcome, store, origins),
        },
        tags=version_tags(record.content.digest, record.code, inputs, newest_event),
    )


def _card(outcome: Outcome, store: ArtifactStore) -> dict[str, dg.MetadataValue[Any]]:
    """Return where the card of a model is; those that were made before there were any have none."""
    directory = outcome.slot.revision(outcome.record.revision)
    return {"model card": _place(store, f"{directory}/{CARD}")} if store.has_card(directory) else {}


def _place(store: ArtifactStore, path: str) -> dg.MetadataValue[Any]:
    address = store.address(path)
    local = store.directory is not None
    return dg.MetadataValue.path(address) if local else dg.MetadataValue.url(address)


def describe(outcome: Outcome, store: ArtifactStore, origins: Mapping[str, str]) -> dict[str, Any]:
    """Return the metadata of a materialization: which parameters made what, and where it is.

    Args:
        outcome: the artifact.
        store: where it is.
        origins: where the values came from that this run asks for, by dotted name; whoever
            computed a reused artifact may have had them from elsewhere.
    """
    record = outcome.record
    values = present(outcome.slot.model, record.params)
    groups = {name.partition(".")[0] for name in values}
    asked = {name: origin for name, origin in origins.items() if name.partition(".")[0] in groups}
    directory = outcome.slot.revision(record.revision)
    metadata: dict[str, Any] = {
        "run_id": record.run_id,
        "revision": record.revision,
        **({"environment": store.environment} if store.environment is not None else {}),
        "path": _place(store, f"{directory}/{record.content.file}"),
        "reused": outcome.reused,
        **({"reused_from": outcome.reused_from} if outcome.reused_from is not None else {}),
        "reason": outcome.reason,
        **{name: _shown(value) for name, value in values.items()},
        **({"origins": dg.MetadataValue.json(asked)} if asked else {}),
        **_served(record),
        **record.metrics,
        "bytes": record.content.bytes,
        "digest": record.content.digest,
        "duration_s": record.duration_s,
        "made_at": dg.MetadataValue.timestamp(record.started_at),
    }
    with contextlib.suppress(ArtifactDamaged):
        for svg in itertools.islice(store.pictures(directory, record).values(), 1):
            metadata["picture"] = picture(svg)
    if record.provenance.dagster_run_id is not None:
        metadata["made_by"] = dg.MetadataValue.dagster_run(record.provenance.dagster_run_id)
    if "rows" in record.content.shape:
        metadata["dagster/row_count"] = record.content.shape["rows"]
    return metadata


def _served(record: Record) -> dict[str, Any]:
    """Return which promoted runs scored."""
    found: dict[str, Any] = {}
    for key, run in record.others.items():
        if key.startswith(MARK):
            alias = key.removeprefix(MARK)
            found[alias] = run_of(run)
            if run.partition is not None:
                found[f"{alias}_as_of"] = run.partition
            found |= {f"{alias}_{name}": value for name, value in run.about.items()}
    return found


def _shown(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else dg.MetadataValue.json(value)
