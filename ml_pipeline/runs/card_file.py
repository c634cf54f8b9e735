"""The card beside a model: written once, after its record, and never changed.

It holds what is known when the model is made. What comes later, other dates and promotions, is told
by whoever is asked later. Nothing depends on it: a store without cards is as good.
"""

import logging

from ml_pipeline.errors import StoreUnreachable
from ml_pipeline.invocation import typed
from ml_pipeline.runs.card_sections import (
    Section,
    about,
    code,
    data,
    markdown,
    metrics,
    parameters,
    stated,
    title_of,
)
from ml_pipeline.runs.decisions import Decision
from ml_pipeline.runs.stage import Stage
from ml_pipeline.store.artifacts import CARD, ArtifactStore
from ml_pipeline.store.record import Record

log = logging.getLogger(__name__)


def put_card(store: ArtifactStore, decision: Decision, record: Record, window: str | None) -> None:
    """Put a card beside what a stage has made, if that is a model or its author states a card.

    Args:
        store: where it is.
        decision: by which it was computed.
        record: its record, which is there already.
        window: which data it has seen, in words.
    """
    stage, directory = decision.stage, decision.slot.revision(record.revision)
    if not is_of_a_model(store, stage, record):
        return
    try:
        text = written_card(decision, record, window)
        store.put_if_absent(f"{directory}/{CARD}", text.encode())
    except StoreUnreachable as error:
        log.warning("%s %s has no card. %s", stage.name, record.run_id, error)


def is_of_a_model(store: ArtifactStore, stage: Stage | None, record: Record) -> bool:
    """Whether an artifact has a card: its stage states one, or its format keeps models."""
    if stage is not None and stage.card is not None:
        return True
    kept_as = {one.name: one for one in store.formats.known()}.get(record.content.format)
    return kept_as is not None and kept_as.is_model


def written_card(decision: Decision, record: Record, window: str | None) -> str:
    """Return the card of what a stage has just made."""
    stage, model = decision.stage, decision.slot.model
    command = typed(f"card {record.run_id}/{record.revision}")
    later = f"Written when this was made, and never changed: `{command}` adds what came later."
    sections = [
        about(record, stage.description),
        *stated(stage.card),
        metrics(record),
        parameters(record, model),
        data(window, record, dict(decision.inputs)),
        code({record.asset: record}),
        Section("Later", (later,)),
    ]
    return markdown(title_of(record), sections)
