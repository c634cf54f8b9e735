"""Promoting: a run becomes what an environment has, once everything it was made from is sound."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ml_pipeline.errors import ArtifactDamaged, ArtifactMissing
from ml_pipeline.runs.catalog import Entry, lineage
from ml_pipeline.store import ledger
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.ledger import Promotion
from ml_pipeline.store.record import Record


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
        ArtifactDamaged: if something's bytes are not those that were published, or not those that
            were read.
        StoreUnreachable: if the store cannot be read or written.
    """
    known = lineage(store, entry)
    artifacts: dict[str, str] = {}
    for path, made in known.items():
        if made is None:
            raise ArtifactMissing(_gone(store, entry, path, "Run it again, then promote it."))
        store.check(path, made.record)
        artifacts[path] = made.record.content.digest
    for made in filter(None, known.values()):
        _refuse_other_inputs(store, made.record, artifacts)
    before = ledger.current(store).get(environment)
    if before is not None and before.artifacts == artifacts:
        return Promoted(before, before, len(known))
    record = entry.record
    now = ledger.add(
        store,
        environment,
        asset=record.asset,
        run_id=record.run_id,
        revision=record.revision,
        path=entry.path,
        artifacts=artifacts,
        as_of=record.as_of,
        metrics=record.metrics,
        at=datetime.now(UTC),
        note=note,
    )
    # From here on nobody removes any of it; before, somebody may have.
    for path in known:
        if store.readable_record(path) is None:
            raise ArtifactMissing(
                _gone(store, entry, path, "It went while this promoted it: run it, promote again.")
            )
    return Promoted(now, before, len(known))


def _refuse_other_inputs(store: ArtifactStore, made: Record, artifacts: Mapping[str, str]) -> None:
    for name, read in made.inputs.items():
        if artifacts[read.path] != read.digest:
            raise ArtifactDamaged(
                f"{made.asset} {made.run_id} was made from a '{name}' with the digest"
                f" {read.digest}, but {store.address(read.path)} has {artifacts[read.path]}: it was"
                " computed again, and its code is not deterministic. Run again, then promote that."
            )


def _gone(store: ArtifactStore, entry: Entry, path: str, what_to_do: str) -> str:
    return (
        f"Everything that run {entry.record.run_id} was made from must be there, but"
        f" {store.address(path)} is gone. {what_to_do}"
    )
