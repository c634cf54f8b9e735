"""The ledger of promotions: which run each environment has, and which it had before.

An entry is added and never changed, under a number that nobody else can take; the last one counts.
Going back to an earlier run is one more entry. Each environment has a line of entries for each
alias: the champion is what it serves, a challenger what it tries beside that.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, get_args

import pydantic

from ml_pipeline.errors import ArtifactDamaged, ArtifactMissing, PromotionConflict, nearest
from ml_pipeline.invocation import typed
from ml_pipeline.params.as_of import Kept
from ml_pipeline.store.document import BelowRoot, Document, Moment
from ml_pipeline.store.objects import Objects

Alias = Literal["champion", "challenger"]
"""What an environment can have: what it serves, and what it tries beside that."""
CHAMPION: Final = "champion"
ALIASES: Final[tuple[Alias, ...]] = get_args(Alias)

Flag = bool | int | float | str
"""Value of a feature flag."""

FOLDER: Final = ".promotions"
"""Where the entries are, below the store's root."""


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
        alias: what the environment has it as.
        id: hash of what was asked for: the same request again is recognised by it. Empty in entries
            of earlier versions.
        source: the environment that it came from; None where it was there already.
        by: who promoted it, as they said.
        gate: what the gate came to, if there was one.
        parameters: those that differ from what was there before, as ``name: [before, now]``.
        flags: feature flags that serving reads.
        forced: what it was promoted in spite of.
        restores: number of the entry that this one goes back to.
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
    alias: Alias = "champion"
    id: str = ""
    source: str | None = None
    by: str = ""
    gate: dict[str, Any] | None = None
    parameters: dict[str, tuple[Any, Any]] = pydantic.Field(default_factory=dict)
    flags: dict[str, Flag] = pydantic.Field(default_factory=dict)
    forced: tuple[str, ...] = ()
    restores: int | None = None

    @property
    def line(self) -> str:
        """What the entry is one of: the environment, or one of its other aliases."""
        return line_of(self.environment, self.alias)


def line_of(environment: str, alias: Alias = "champion") -> str:
    """Return how a line of entries is named: ``prod``, or ``prod.challenger``."""
    return environment if alias == CHAMPION else f"{environment}.{alias}"


def parts_of(line: str) -> tuple[str, str]:
    """Return the environment and the alias that a line is of; an alias may be one there is not."""
    environment, _, alias = line.partition(".")
    return environment, alias or CHAMPION


def history(store: Objects) -> list[Promotion]:
    """Return all entries, those of an environment in the order in which they were made.

    Raises:
        ArtifactDamaged: if an entry cannot be read.
    """
    paths = names(store)
    texts = zip(paths, store.each(store.read, paths), strict=True)
    return in_order(read_entry(store, path, data) for path, data in texts if data is not None)


def read_entry(store: Objects, path: str, data: bytes) -> Promotion:
    """Read an entry.

    Args:
        store: where the ledger is.
        path: of the entry's file.
        data: its text.

    Raises:
        ArtifactDamaged: if it cannot be read, or is the entry of another place.
    """
    entry = Promotion.from_json(data, store.address(path))
    if path != _path(entry.environment, entry.alias, entry.number):
        raise ArtifactDamaged(
            f"{store.address(path)} must be the entry of its own place, but is entry"
            f" {entry.number} of '{entry.line}'. {Promotion.remedy}"
        )
    return entry


def in_order(entries: Iterable[Promotion]) -> list[Promotion]:
    """Return entries by line, those of one in the order in which they were made."""
    return sorted(entries, key=lambda one: (one.line, one.number))


def current(store: Objects) -> dict[str, Promotion]:
    """Return what each environment has now, by the name of the line.

    Raises:
        ArtifactDamaged: if an entry cannot be read.
    """
    return last_of(history(store))


def last_of(entries: Iterable[Promotion]) -> dict[str, Promotion]:
    """Return the last entry of each line.

    Args:
        entries: those of a line in the order in which they were made.
    """
    return {entry.line: entry for entry in entries}


def before(entries: Mapping[int, Promotion], entry: Promotion) -> Promotion | None:
    """Return what was there before an entry, or before that which it goes back to.

    Args:
        entries: those of its line, by number.
        entry: one of them.
    """
    standing = entry
    while standing.restores is not None:
        standing = entries[standing.restores]
    earlier = entries.get(standing.number - 1)
    while earlier is not None and earlier.restores is not None:
        earlier = entries[earlier.restores]
    return earlier


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
    return sorted(entry["path"] for entry in store.entries(FOLDER))


def promoted_to(store: Objects, line: str) -> Promotion:
    """Return what an environment has now.

    Args:
        store: where the ledger is.
        line: the environment, or one of its other aliases, as in ``prod.challenger``.

    Raises:
        ArtifactMissing: if nothing was ever promoted to it.
        ArtifactDamaged: if an entry cannot be read.
    """
    known = current(store)
    if line not in known:
        meant = nearest(line, known)
        environment, alias = parts_of(line)
        promoting = typed(
            f"promote RUN_ID --to {environment}{f' --alias {alias}' if alias != CHAMPION else ''}"
        )
        raise ArtifactMissing(
            f"A run must have been promoted to '{line}', but there is none"
            f" (promoted to: {', '.join(known) or 'nothing'})."
            f"{meant or f' `{promoting}` does that.'}"
        )
    return known[line]


def add(store: Objects, environment: str, after: Promotion | None, **about: Any) -> Promotion:
    """Add the entry after one, and return it; nobody else adds another in its place.

    Args:
        store: where the ledger is.
        environment: what a run is promoted to.
        after: the last entry of the line, None where there is none.
        about: all else that an entry has but its number.

    Raises:
        PromotionConflict: if another entry has been added meanwhile.
        ArtifactDamaged: if that cannot be read.
        StoreUnreachable: if the store cannot be written.
    """
    number = after.number + 1 if after is not None else 1
    entry = Promotion(environment=environment, number=number, **about)
    if store.put_if_absent(_path(environment, entry.alias, number), entry.to_json()):
        return entry
    now = promoted_to(store, entry.line)
    if now.number == number and now.id and now.id == entry.id:
        # The same request, sent again before it had heard of its success.
        return now
    raise PromotionConflict(
        f"'{entry.line}' must have the run that this one was compared with, but got {now.run_id}"
        f" meanwhile, at {now.at:%Y-%m-%d %H:%M:%S} UTC. Compare with that one, and promote again."
    )


def _path(environment: str, alias: Alias, number: int) -> str:
    line = environment if alias == CHAMPION else f"{environment}/{alias}"
    return f"{FOLDER}/{line}/{number:06}.json"
