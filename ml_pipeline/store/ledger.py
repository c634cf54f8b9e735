"""The ledger of promotions: which run each environment has, and which it had before.

An entry is added and never changed, under a number that nobody else can take; the last one counts.
Going back to an earlier run is one more entry.
"""

from collections.abc import Iterable
from typing import Any, Final

import pydantic

from ml_pipeline.errors import ArtifactDamaged, ArtifactMissing, nearest
from ml_pipeline.invocation import typed
from ml_pipeline.params.as_of import Kept
from ml_pipeline.store.document import BelowRoot, Document, Moment
from ml_pipeline.store.objects import Objects

_FOLDER: Final = ".promotions"


class Promotion(Document):
    """One entry of the ledger.

    Attributes:
        environment: what the run was promoted to.
        number: of the entry, from 1 on, for each environment.
        asset: name of the promoted artifact's asset.
        run_id: its run id.
        revision: its revision.
        path: its directory below the store's root.
        artifacts: digests of its bytes and of those of all that it was made from, by directory.
        as_of: its date, if it has one.
        metrics: how good it was.
        at: when it was promoted, UTC.
        note: what was said about it.
    """

    called = "an entry of the ledger of promotions"
    remedy = "Nothing is promoted or removed until it is put right or taken away."

    environment: str
    number: int
    asset: str
    run_id: str
    revision: str
    path: BelowRoot
    artifacts: dict[BelowRoot, str]
    as_of: Kept
    metrics: dict[str, pydantic.FiniteFloat] = pydantic.Field(default_factory=dict)
    at: Moment
    note: str = ""


def history(store: Objects) -> list[Promotion]:
    """Return all entries, those of an environment in the order in which they were made.

    Raises:
        ArtifactDamaged: if an entry cannot be read.
    """
    found = []
    for path in names(store):
        if (data := store.read(path)) is None:
            continue
        entry = Promotion.from_json(data, store.address(path))
        if path != _path(entry.environment, entry.number):
            raise ArtifactDamaged(
                f"{store.address(path)} must be the entry of its own place, but is entry"
                f" {entry.number} of '{entry.environment}'. {Promotion.remedy}"
            )
        found.append(entry)
    return sorted(found, key=lambda one: (one.environment, one.number))


def current(store: Objects) -> dict[str, Promotion]:
    """Return what each environment has now.

    Raises:
        ArtifactDamaged: if an entry cannot be read.
    """
    return last_of(history(store))


def last_of(entries: Iterable[Promotion]) -> dict[str, Promotion]:
    """Return the last entry of each environment.

    Args:
        entries: those of an environment in the order in which they were made.
    """
    return {entry.environment: entry for entry in entries}


def kept(store: Objects, with_former: bool) -> set[str]:
    """Return the directories of all that environments have, with what it was made from.

    Args:
        store: where the ledger is.
        with_former: whether what they had before counts as well.

    Raises:
        ArtifactDamaged: if an entry cannot be read.
    """
    entries = history(store) if with_former else current(store).values()
    return {path for entry in entries for path in entry.artifacts}


def names(store: Objects) -> list[str]:
    """Return the names of all entries: others mean that something was promoted meanwhile."""
    return sorted(entry["path"] for entry in store.entries(_FOLDER))


def promoted_to(store: Objects, environment: str) -> Promotion:
    """Return what an environment has now.

    Raises:
        ArtifactMissing: if nothing was ever promoted to it.
        ArtifactDamaged: if an entry cannot be read.
    """
    known = current(store)
    if environment not in known:
        meant = nearest(environment, known)
        promoting = typed(f"promote RUN_ID --to {environment}")
        raise ArtifactMissing(
            f"A run must have been promoted to '{environment}', but there is none"
            f" (promoted to: {', '.join(known) or 'nothing'})."
            f"{meant or f' `{promoting}` does that.'}"
        )
    return known[environment]


def add(store: Objects, environment: str, **about: Any) -> Promotion:
    """Add an entry after those there are, and return it.

    Args:
        store: where the ledger is.
        environment: what a run is promoted to.
        about: all else that an entry has but its number.

    Raises:
        ArtifactDamaged: if an entry cannot be read.
        StoreUnreachable: if the store cannot be written.
    """
    while True:
        before = current(store).get(environment)
        number = before.number + 1 if before is not None else 1
        entry = Promotion(environment=environment, number=number, **about)
        if store.put_if_absent(_path(environment, number), entry.to_json()):
            return entry


def _path(environment: str, number: int) -> str:
    return f"{_FOLDER}/{environment}/{number:06}.json"
