"""Very many records of a small pipeline: genuine ones, written without computing anything."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pydantic import Field

from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.marks import PATH_LABEL
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.stage import Result
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.record import Content, Input, Objective, Provenance, Record

FIRST = date(2026, 1, 1)
BEGAN = datetime(2026, 6, 1, tzinfo=UTC)
SWEEP = 250
"""Parameter sets of one sweep; each sweep is of one depth."""
DATES = 10


class Data(ParamGroup):
    """Which rows."""

    region: str = Field("north", json_schema_extra=PATH_LABEL)


class Fit(ParamGroup):
    """How the model is fitted."""

    learning_rate: float = 0.1
    depth: int = 3
    seed: int = 0


PIPELINE = Pipeline("many", ParamModel(data=Data, fit=Fit))


@PIPELINE.asset(code_version="1")
def model(as_of: date, data: Data, fit: Fit) -> dict[str, float]:
    """Fit."""
    return {"rate": fit.learning_rate}


@PIPELINE.asset(code_version="1", objective=Objective(metric="error", direction="minimize"))
def score(model: dict[str, float]) -> Result:
    """Judge."""
    return Result({}, metrics={"error": model["rate"], "bias": 0.0})


def records(count: int, start: int = 0) -> Iterator[tuple[str, Record]]:
    """Yield directories and records: a model and its score by turns, a sweep after the other.

    Args:
        count: how many records.
        start: how many of them are left out.
    """
    for run in range(start // 2, count // 2):
        sweep, within = divmod(run, SWEEP * DATES)
        trial, day = divmod(within, DATES)
        params = PIPELINE.params.parse(
            {"learning_rate": (trial + 1) / 1000, "depth": sweep + 1, "seed": trial % 7}
        )
        as_of = FIRST + timedelta(days=day)
        at = BEGAN + timedelta(seconds=run)
        made: dict[str, Input] = {}
        for name in ("model", "score"):
            stage = PIPELINE.stage(name)
            slot = stage.slot(params, as_of)
            digest = f"{run:031x}{'0' if name == 'model' else '1'}"
            error = ((trial * 7919 + day * 104729 + sweep) % 10007) / 10007
            record = Record(
                asset=name,
                run_id=slot.run_id,
                revision="0" * 16,
                as_of=as_of,
                identity=slot.identity,
                params=params.values(stage.scope),
                code=stage.code,
                inputs=made,
                content=Content(file="data.json", format="json", bytes=2, digest=digest),
                started_at=at,
                duration_s=0.5,
                metrics={"error": error, "bias": error - 0.5} if name == "score" else {},
                objective=stage.objective(params),
                provenance=Provenance(python="3.11", packages={"polars": "2.1"}),
            )
            path = slot.revision(record.revision)
            made = {
                name: Input(run_id=slot.run_id, revision=record.revision, digest=digest, path=path)
            }
            yield path, record


def write(root: Path, count: int, start: int = 0) -> None:
    """Write records below the root of a store, with bytes beside each.

    Args:
        root: the store's root.
        count: how many there are to be.
        start: how many are there.
    """
    for path, record in records(count, start):
        folder = root / path
        folder.mkdir(parents=True)
        (folder / "data.json").write_bytes(b"{}")
        (folder / "record.json").write_bytes(record.to_json())
