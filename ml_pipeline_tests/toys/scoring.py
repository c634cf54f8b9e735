"""A pipeline that scores with what an environment has of the toy pipeline.

What is scored is a customer a digit, c0 to c9; the outside data of the day, which `pipeline.py`
keeps in a file, is added to each score.
"""

from datetime import date, datetime
from typing import Any

import polars as pl

from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.served import Served
from ml_pipeline.runs.serving_params import ServingParams
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store import ledger
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.ledger import Alias, Flag, Promotion
from ml_pipeline_tests.toys.pipeline import Shape, enter, outside

CUSTOMERS = tuple(f"c{number}" for number in range(10))
SERVING = ParamModel(serving=ServingParams)


def outside_of(as_of: date, served: Served) -> str:
    """Return the digest of what a score would be made of, for the region of the champion."""
    return f"{outside(as_of)} {[run.params.flat()['data.region'] for run in served.runs]}"


def scores(as_of: date, served: Served) -> pl.DataFrame:
    """A score and the run that gave it, for each customer."""
    enter("scores")
    models = {run.run_id: run.load("model") for run in served.runs}
    rows = []
    for customer, is_challenged in zip(CUSTOMERS, served.challenged(CUSTOMERS), strict=True):
        run = served.challenger if is_challenged else served.champion
        assert run is not None
        window = run.group(Shape).window
        guess = float(models[run.run_id].predict([[int(customer[1]) * window]])[0])
        rows.append({"customer": customer, "score": guess + outside(as_of), "run_id": run.run_id})
    return pl.DataFrame(rows)


def scoring(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline that scores with what another made."""
    made = Pipeline("scoring", SERVING, serves=pipeline)
    made.asset(reads=outside_of)(scores)
    return made


def entered(
    store: ArtifactStore,
    outcomes: dict[str, Outcome],
    environment: str = "prod",
    alias: Alias = "champion",
    at: datetime | None = None,
    **flags: Flag,
) -> Promotion:
    """Add a promotion to the ledger as it is when it was made at a time."""
    record, slot = outcomes["score"].record, outcomes["score"].slot
    about: dict[str, Any] = {
        "asset": record.asset,
        "run_id": record.run_id,
        "revision": record.revision,
        "path": slot.revision(record.revision),
        "artifacts": {
            one.slot.revision(one.record.revision): one.record.content.digest
            for one in outcomes.values()
        },
        "as_of": record.as_of,
        "metrics": record.metrics,
        "at": at,
        "alias": alias,
        "flags": flags,
    }
    before = ledger.current(store).get(ledger.line_of(environment, alias))
    return ledger.add(store, environment, before, **about)
