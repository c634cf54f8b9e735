"""Promoting: a run becomes what an environment has, once everything it was made from is sound."""

from dataclasses import dataclass
from datetime import UTC, datetime

from ml_pipeline import ledger
from ml_pipeline.catalog import Entry, lineage
from ml_pipeline.errors import ArtifactMissing
from ml_pipeline.ledger import Promotion
from ml_pipeline.store import ArtifactStore


@dataclass(frozen=True)
class Promoted:
    """What promoting came to.

    Attributes:
        now: what the environment has now.
        before: what it had before, if anything; the same where nothing was to be done.
        checked: how many artifacts were checked.
    """

    now: Promotion
    before: Promotion | None
    checked: int

    @property
    def is_new(self) -> bool:
        """Whether the environment had something else before."""
        return self.now != self.before


def promote(store: ArtifactStore, entry: Entry, environment: str, note: str = "") -> Promoted:
    """Let an environment have a run from now on.

    Args:
        store: where the run and the ledger are.
        entry: what is promoted, with all that it was made from.
        environment: what it is promoted to.
        note: what to say about it in the ledger.

    Raises:
        ArtifactMissing: if something that it was made from is gone.
        ArtifactDamaged: if something's bytes are not those that were published.
        StoreUnreachable: if the store cannot be read or written.
    """
    known = lineage(store, entry)
    for name, made in known.items():
        if made is None:
            raise ArtifactMissing(
                f"Everything that run {entry.record.run_id} was made from must be there, but its"
                f" '{name}' is gone. Run it again, then promote it."
            )
        store.check(made.path, made.record)
    before = ledger.current(store).get(environment)
    if before is not None and before.path == entry.path:
        return Promoted(before, before, len(known))
    record = entry.record
    now = ledger.add(
        store,
        environment,
        asset=record.asset,
        run_id=record.run_id,
        revision=record.revision,
        path=entry.path,
        as_of=record.as_of,
        metrics=record.metrics,
        at=datetime.now(UTC),
        note=note,
    )
    return Promoted(now, before, len(known))
