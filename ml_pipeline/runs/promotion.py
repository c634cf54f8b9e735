"""Promoting: a run becomes what an environment has, once everything it was made from is there.

What it was made from comes first, copied byte for byte where the environment has a store of its
own; the entry in the ledger comes last, and is the one instant at which anything changes for who
reads there. Whatever ends it before that leaves what there was, and the same request goes on.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from ml_pipeline.errors import ArtifactDamaged, ArtifactMissing, PromotionConflict, PromotionRefused
from ml_pipeline.params.identity import digest_of
from ml_pipeline.runs.catalog import Entry, lineage, lineage_by_asset
from ml_pipeline.runs.changes import changes_of_code
from ml_pipeline.runs.check_result import CheckReport
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.runs.surroundings import release_of, upgraded
from ml_pipeline.store import ledger
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.copies import copy_artifact
from ml_pipeline.store.findings import findings
from ml_pipeline.store.ledger import Alias, Flag, Promotion
from ml_pipeline.store.lineage import in_order
from ml_pipeline.store.record import Record

Tell: TypeAlias = Callable[[int, int, str], object]
"""Takes the place of an artifact, of how many, and what is about to be done with it."""


def silent(_place: int, _of: int, _what: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Terms:
    """What is said of a promotion besides the run and the environment.

    Attributes:
        note: what to remember about it.
        alias: what the environment is to have it as.
        source: the environment that it comes from; None where it is there already.
        by: who promotes it.
        gate: what the gate came to, if there is one.
        parameters: those that differ from what is there, as ``name: (there, now)``.
        flags: feature flags that serving reads.
        forced: what it is promoted in spite of.
        after: number of the entry that it was compared with, 0 where there was none; None if it was
            compared with nothing.
    """

    note: str = ""
    alias: Alias = "champion"
    source: str | None = None
    by: str = ""
    gate: Mapping[str, Any] | None = None
    parameters: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    flags: Mapping[str, Flag] = field(default_factory=dict)
    forced: tuple[str, ...] = ()
    after: int | None = None

    def id_of(self, environment: str, entry: Entry) -> str:
        """Return what tells the same request when it comes again: 16 hexadecimal digits."""
        asked = {
            "to": environment,
            "alias": self.alias,
            "from": self.source,
            "path": entry.path,
            "flags": dict(self.flags),
            "note": self.note,
            "by": self.by,
            "forced": list(self.forced),
        }
        return digest_of(asked)


@dataclass(frozen=True)
class Promoted:
    """What promoting came to.

    Attributes:
        now: what the environment has now.
        before: what it had before, if anything; the same where nothing was to be done.
        checked: how many artifacts were checked.
        copied: how many of them the environment's store had not.
    """

    now: Promotion
    before: Promotion | None
    checked: int
    copied: int = 0

    @property
    def is_new(self) -> bool:
        """Whether the environment had something else before."""
        return self.now != self.before


def promote(
    store: ArtifactStore,
    entry: Entry,
    environment: str,
    terms: Terms | None = None,
    target: ArtifactStore | None = None,
    tell: Tell = silent,
) -> Promoted:
    """Let an environment have a run from now on.

    Args:
        store: where the run is.
        entry: what is promoted, with all that it was made from.
        environment: what it is promoted to.
        terms: what else is said of it.
        target: the environment's own store, which has its ledger; the same store if omitted.
        tell: called before each artifact that is checked or copied.

    Raises:
        ArtifactMissing: if something that it was made from is gone.
        ArtifactDamaged: if something's bytes are not those that were published, or not those that
            were read.
        PromotionConflict: if another run was promoted meanwhile.
        StoreUnreachable: if a store cannot be read or written.
    """
    terms, target = terms or Terms(), target or store
    before = ledger.current(target).get(ledger.line_of(environment, terms.alias))
    _refuse_other_standing(before, terms)
    known = lineage(store, entry)
    for path, made in known.items():
        if made is None:
            raise ArtifactMissing(_gone(store, entry, path, "Run it again, then promote it."))
    copied = 0
    artifacts: dict[str, str] = {}
    records = {path: made.record for path, made in known.items() if made is not None}
    for place, path in enumerate(in_order(records), start=1):
        what = f"{records[path].asset} {records[path].run_id}"
        is_there = target.uri == store.uri or target.readable_record(path) is not None
        tell(place, len(known), f"{'check' if is_there else 'copy'} {what}")
        copied += not is_there
        artifacts[path] = _brought(store, target, path, records[path])
    for record in records.values():
        _refuse_other_inputs(target, record, artifacts)
    if before is not None and before.artifacts == artifacts and before.flags == terms.flags:
        return Promoted(before, before, len(known), copied)
    record = entry.record
    now = ledger.add(
        target,
        environment,
        before,
        id=terms.id_of(environment, entry),
        asset=record.asset,
        run_id=record.run_id,
        revision=record.revision,
        path=entry.path,
        artifacts=artifacts,
        as_of=record.as_of,
        metrics=record.metrics,
        at=datetime.now(UTC),
        note=terms.note,
        alias=terms.alias,
        source=terms.source,
        by=terms.by,
        gate=dict(terms.gate) if terms.gate is not None else None,
        parameters=dict(terms.parameters),
        flags=dict(terms.flags),
        forced=terms.forced,
    )
    # From here on nobody removes any of it; before, somebody may have.
    for path in known:
        if target.readable_record(path) is None:
            raise ArtifactMissing(
                _gone(target, entry, path, "It went while this promoted it: run it, promote again.")
            )
    return Promoted(now, before, len(known), copied)


def roll_back(
    store: ArtifactStore,
    environment: str,
    alias: Alias = "champion",
    note: str = "",
    by: str = "",
    tell: Tell = silent,
) -> Promoted:
    """Let an environment have again what it had before; doing so twice goes back further.

    Args:
        store: the environment's, with its ledger.
        environment: which one.
        alias: which of what it has.
        note: what to remember about it.
        by: who does it.
        tell: called before each artifact that is checked.

    Raises:
        PromotionRefused: if it had nothing before.
        ArtifactMissing: if something of that is gone, or nothing was promoted.
        ArtifactDamaged: if something's bytes are not those that were promoted.
        PromotionConflict: if another run was promoted meanwhile.
        StoreUnreachable: if the store cannot be read or written.
    """
    line = ledger.line_of(environment, alias)
    now = ledger.promoted_to(store, line)
    entries = {one.number: one for one in ledger.history(store) if one.line == line}
    earlier = ledger.before(entries, now)
    if earlier is None:
        raise PromotionRefused(
            [f"'{line}' must have had a run before, but {now.run_id} is the first"],
            "Nothing was changed. Promote another run.",
        )
    for place, (path, digest) in enumerate(earlier.artifacts.items(), start=1):
        tell(place, len(earlier.artifacts), f"check {path}")
        record = store.read_record(path)
        if record is None:
            raise ArtifactMissing(
                f"Everything that run {earlier.run_id} was made from must be there, but"
                f" {store.address(path)} is gone. Promote another run."
            )
        if record.content.digest != digest:
            raise ArtifactDamaged(
                f"{store.address(path)} must have the digest {digest} that was promoted, but has"
                f" {record.content.digest}: it was computed again, and its code is not"
                " deterministic. Promote another run."
            )
        store.check(path, record)
    about = earlier.model_dump(exclude={"environment", "number"})
    about |= {"at": datetime.now(UTC), "note": note, "by": by, "restores": earlier.number}
    about |= {"id": "", "gate": None, "forced": (), "source": None}
    about["parameters"] = {}
    return Promoted(ledger.add(store, environment, now, **about), now, len(earlier.artifacts))


def obstacles(pipeline: Pipeline, store: ArtifactStore, entry: Entry) -> Iterator[str]:
    """Say why the pipeline as it is installed here could not use a run as it was meant, as lines.

    A model wants the features that it was fitted on: code that makes others, or libraries of
    another release that read it otherwise, give predictions that are wrong without a word.

    Args:
        pipeline: the stages as they are here.
        store: where the run is.
        entry: the run.
    """
    for name, made in reversed(lineage_by_asset(store, entry).items()):
        stage = pipeline.stages.get(pipeline.present_name(name))
        if made is None or stage is None:
            if stage is None:
                yield f"'{name}' must be a stage of '{pipeline.name}', but is none here"
            continue
        changed = changes_of_code(made.record, stage)
        if changed:
            yield f"{name} must be made by the code that is installed here, but {changed[0]}"
        packages = made.record.provenance.packages
        for told in upgraded(packages, stage.libraries, stage.packages, release_of):
            yield f"{name} must be made with the libraries that are installed here, but {told}"


def refusals(pipeline: Pipeline, store: ArtifactStore, entry: Entry) -> Iterator[str]:
    """Say which checks that block are known not to pass of what a run was made from, as lines.

    What they found at last counts, with the thresholds that they had then. Nothing is asked.

    Args:
        pipeline: the stages as they are here.
        store: where the run is.
        entry: the run.
    """
    for name, made in reversed(lineage_by_asset(store, entry).items()):
        stage = pipeline.stages.get(pipeline.present_name(name))
        found = findings(store, made.path) if made is not None and stage is not None else {}
        for check in stage.checks if stage is not None else ():
            finding = found.get(check.name)
            if finding and CheckReport(name, check.name, check.blocking, finding).blocks:
                yield (
                    f"{name} must pass its check '{check.name}', but did not when it was asked at"
                    f" last: {finding.description.rstrip('.')}"
                )


def _refuse_other_standing(before: Promotion | None, terms: Terms) -> None:
    number = before.number if before is not None else 0
    if terms.after in (None, number):
        return
    found = f"has {before.run_id}" if before is not None else "has none"
    raise PromotionConflict(
        f"What the run was compared with must still be what is promoted, entry {terms.after}, but"
        f" the environment {found} since, entry {number}. Compare with that, and promote again."
    )


def _brought(store: ArtifactStore, target: ArtifactStore, path: str, record: Record) -> str:
    """Have an artifact in the target, checked there, and return its digest."""
    standing = copy_artifact(store, target, path) if target.uri != store.uri else record
    if standing.content.digest != record.content.digest:
        raise ArtifactDamaged(
            f"{target.address(path)} must have the digest {record.content.digest} as in"
            f" {store.uri}, but has {standing.content.digest}: it was computed there as well, and"
            " its code is not deterministic. Promote a run of that store, or remove it there."
        )
    target.check(path, standing)
    return standing.content.digest


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
