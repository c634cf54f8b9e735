"""What is to be told to MLflow, as plain data that outlives the process that knew it.

Nothing here knows MLflow: a note names things by keys of ours, and MLflow's own ids are found by
them when it is sent.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import pydantic
from pydantic import Field

from ml_pipeline.params.identity import digest_of
from ml_pipeline.store.record import Provenance, Record

DESCRIPTION: Final = "mlflow.note.content"
"""Name of the tag that MLflow shows as Markdown."""

PREFIX: Final = "ml_pipeline."
"""Begins the name of every tag of ours."""

Status = Literal["FINISHED", "FAILED", "KILLED"]
"""What became of a run, in MLflow's words."""


class Note(pydantic.BaseModel):
    """A note.

    Attributes:
        experiment: name of the experiment that it is about.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    experiment: str


class ModelNote(Note):
    """An artifact of a run that is a model.

    Attributes:
        asset: its asset.
        root: root of the store that it is in.
        directory: its directory there.
        format: what reads it.
        digest: of its bytes.
        inputs: addresses of the tables that it was fitted on.
    """

    asset: str
    root: str
    directory: str
    format: str
    digest: str
    inputs: list[str] = []


class RunNote(Note):
    """A run of one date: what was judged, and what it was made from.

    Attributes:
        key: asset, run id, revision and digest of what was judged.
        store: digest of the root of the store that it is in.
        name: what people see.
        ended_ms: when computing ended, in milliseconds since 1970.
        began_ms: so much earlier as computing took, with all that it was made from.
        reused: whether another run made it, which has told of it then.
        study: name of the study of the sweep that it is for.
        trial: number of the trial there.
        status: what became of it, in MLflow's words.
    """

    kind: Literal["run"] = "run"
    key: str
    store: str
    name: str
    params: dict[str, Any]
    metrics: dict[str, float]
    tags: dict[str, str]
    models: list[ModelNote]
    began_ms: int
    ended_ms: int
    reused: bool = False
    study: str | None = None
    trial: int | None = None
    status: Status = "FINISHED"


class SweepNote(Note):
    """A sweep that begins.

    Attributes:
        study: name of its study, which is its key.
        params: what all trials share, and what each varied one is tried with.
    """

    kind: Literal["sweep"] = "sweep"
    study: str
    params: dict[str, Any]
    tags: dict[str, str]
    began_ms: int


class SweptNote(Note):
    """A sweep that has ended.

    Attributes:
        study: name of its study.
        values: mean of the objective by the number of the trial, under the name of its metric.
        metrics: of the best trial.
        document: all trials, their dates and what they came to; each date with the key of its run.
        description: Markdown, but for the links to runs.
        failed: whether nothing came of it.
    """

    kind: Literal["swept"] = "swept"
    study: str
    values: dict[str, dict[int, float]]
    metrics: dict[str, float]
    tags: dict[str, str]
    document: dict[str, Any]
    description: str
    ended_ms: int
    failed: bool = False


class PromotionNote(Note):
    """What an environment has now.

    Attributes:
        run: the run.
        registered: begins the names of the pipeline's registered models.
        alias: of the version that the environment has.
        number: of the entry in the ledger.
    """

    kind: Literal["promotion"] = "promotion"
    run: RunNote
    registered: str
    alias: str
    number: int
    tags: dict[str, str]


AnyNote = Annotated[RunNote | SweepNote | SweptNote | PromotionNote, Field(discriminator="kind")]
NOTES: Final[pydantic.TypeAdapter[AnyNote]] = pydantic.TypeAdapter(AnyNote)


def key_of(record: Record) -> str:
    """Return what tells a result wherever it is: the same bytes, of the same code and inputs."""
    return f"{record.asset}/{record.run_id}/{record.revision}/{record.content.digest[:16]}"


def known_as(key: str, store: str = "") -> str:
    """Return the name of a file that remembers a key: 16 hexadecimal digits."""
    return digest_of([key, store])


def seconds_of(judged: Record, made_from: Mapping[str, Record]) -> float:
    """Return how long computing took, with all that it was made from, as leaderboards have it."""
    return math.fsum(record.duration_s for record in (judged, *made_from.values()))


def metrics_of(judged: Record, made_from: Mapping[str, Record]) -> Iterator[tuple[str, float]]:
    """Yield what a run came to: the judged metrics by their names, others below their asset's."""
    for asset, record in made_from.items():
        yield from ((f"{asset}/{name}", value) for name, value in record.metrics.items())
    yield from judged.metrics.items()
    yield "duration_s", seconds_of(judged, made_from)


def ours(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags under names of ours; what is empty says nothing."""
    return {f"{PREFIX}{name}": text for name, text in tags.items() if text}


def source_of(around: Provenance) -> dict[str, str]:
    """Return the tags by which MLflow shows where a run came from."""
    tags = {"mlflow.source.name": "ml_pipeline", "mlflow.source.type": "PROJECT"}
    if around.git_commit is not None:
        tags["mlflow.source.git.commit"] = around.git_commit
    return tags
