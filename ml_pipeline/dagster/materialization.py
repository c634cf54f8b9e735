"""What Dagster is told of an artifact: its metadata, its links and its versions."""

from dataclasses import replace
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.columns import LINEAGE
from ml_pipeline.dagster.description import Links, describe, place
from ml_pipeline.dagster.launchpad import launchpad_link
from ml_pipeline.dagster.partition_keys import dagster_key
from ml_pipeline.dagster.private import asset_page, version_tags
from ml_pipeline.dagster.stages import told_of
from ml_pipeline.launch.names import names_of
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.group import OPTIONS
from ml_pipeline.params.history import completed, told
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.card_file import is_of_a_model
from ml_pipeline.runs.column import NOTHING_SAID, Columns
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.explain import command_line
from ml_pipeline.runs.served import MARK
from ml_pipeline.runs.stage import Stage
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import CARD, ArtifactStore
from ml_pipeline.text import for_markdown

KEEPER: Final = "pipeline"
"""Metadata of what is kept by the parameters of a pipeline's runs: the pipeline's name."""

_LONGEST_CARD: Final = 20_000


def materialization(
    pipeline: Pipeline,
    outcome: Outcome,
    store: ArtifactStore,
    params: ParamSet,
    newest_event: int | None,
    location: str | None = None,
    is_brief: bool = False,
) -> dg.AssetMaterialization:
    """Return the event that tells Dagster of an artifact.

    Args:
        pipeline: the stages.
        outcome: the artifact.
        store: where it is.
        params: what the run has, and where its values came from.
        newest_event: storage id of the newest event: inputs are from before it.
        location: the code location whose launchpad makes it, if that is known.
        is_brief: whether it is one of many that a run makes.
    """
    record, stage = outcome.record, pipeline.stage(outcome.record.asset)
    inputs = {pipeline.stage(name).key: read.digest for name, read in record.inputs.items()}
    inputs |= {
        key: other.version for key, other in record.others.items() if not key.startswith(MARK)
    }
    is_one_of_many, is_brief = is_brief, is_brief or outcome.reused
    links = None if is_brief else _links(pipeline, outcome, store, location)
    columns = NOTHING_SAID if is_brief else _columns(pipeline, stage, params)
    described = describe(outcome, store, params.origins, links, columns, is_one_of_many)
    metadata = {**described, KEEPER: pipeline.name}
    if not is_brief and LINEAGE in told_of(stage).metadata:
        # Dagster looks for it in materializations alone.
        metadata[LINEAGE] = told_of(stage).metadata[LINEAGE]
    return dg.AssetMaterialization(
        stage.key.split("/"),
        partition=dagster_key(pipeline, record.as_of),
        metadata=metadata,
        tags=version_tags(record.content.digest, record.code, inputs, newest_event),
    )


def _columns(pipeline: Pipeline, stage: Stage, params: ParamSet) -> Columns:
    """Return what is said of the columns of a stage, made from those of Dagster's keys."""
    keys = {name: one.key for name, one in pipeline.stages.items()}
    return {
        name: replace(one, made_from={keys.get(a, a): of for a, of in one.made_from.items()})
        for name, one in stage.columns_said(params).items()
    }


def _links(
    pipeline: Pipeline, outcome: Outcome, store: ArtifactStore, location: str | None
) -> Links:
    record, model = outcome.record, outcome.slot.model
    values = completed(model, record.params)
    run = {} if store.environment is None else {"environment": store.environment}
    as_of: AsOf | None = record.as_of
    launchpad = None
    if location is not None:
        asked = {**values, **({OPTIONS: run} if run else {})}
        launchpad = launchpad_link(names_of(pipeline), "", location, asked, [as_of])
    partition = dagster_key(pipeline, as_of)
    upstream = [
        f"- [{for_markdown(name)}]({asset_page(pipeline.stage(name).key, partition)}):"
        f" run id {read.run_id}, revision {read.revision}"
        for name, read in record.inputs.items()
    ]
    directory = outcome.slot.revision(record.revision)
    card: dg.MetadataValue[Any] | None = None
    # Those that were made before there were any have none.
    is_model = is_of_a_model(store, pipeline.stage(record.asset), record)
    if is_model and (text := store.card(directory)) is not None:
        is_shown = len(text) <= _LONGEST_CARD
        card = dg.MetadataValue.md(text) if is_shown else place(store, f"{directory}/{CARD}")
    repeat = command_line({**told(model, values), **run}, as_of, as_of, pipeline.typed)
    return Links("\n".join(upstream), repeat, launchpad, card)
