"""What is in the store: runs listed and found by id.

A run is what the last stages of a pipeline have published; what it was made from hangs off it
through the inputs that every record names.
"""

import itertools
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from ml_pipeline.errors import ArtifactDamaged, ArtifactMissing, QueryError
from ml_pipeline.index.opened import ask
from ml_pipeline.invocation import typed
from ml_pipeline.params.history import told
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.ledger import promoted_to
from ml_pipeline.store.lineage import upstream
from ml_pipeline.store.record import Record

_READERS: Final = 8
_BATCH: Final = 64
_AHEAD: Final = 2 * _READERS
_RUN: Final = re.compile(r"([0-9a-f]{1,16})(?:/([0-9a-f]{1,16}))?")


@dataclass(frozen=True)
class Entry:
    """One published artifact.

    Attributes:
        path: its directory below the store's root.
        record: its record.
    """

    path: str
    record: Record

    def row(self, model: ParamModel) -> dict[str, Any]:
        """Return everything that can be filtered and sorted by, by the names that people see.

        Args:
            model: the parameters as they are now.
        """
        record = self.record
        params = told(model, record.params)
        return {
            "run_id": record.run_id,
            "as_of": str(record.as_of) if record.as_of is not None else None,
            "asset": record.asset,
            "revision": record.revision,
            "environment": record.provenance.environment,
            **params,
            # Earlier versions published metrics under the names of parameters.
            **{name: value for name, value in record.metrics.items() if name not in params},
            "duration_s": record.duration_s,
            "made_at": record.started_at.isoformat(timespec="seconds"),
        }


def last_stages(pipeline: Pipeline) -> list[str]:
    """Return the names of the stages that no other stage reads."""
    read = {name for stage in pipeline.stages.values() for name in stage.upstream}
    return [name for name in pipeline.stages if name not in read]


def entries(
    store: ArtifactStore,
    assets: Sequence[str],
    wanted: Callable[[str], bool] = lambda _path: True,
    missed: Callable[[str], object] = lambda _path: None,
) -> Iterator[Entry]:
    """Yield every readable artifact of some assets.

    Args:
        store: where they are.
        assets: names of the assets.
        wanted: tells by its path whether an artifact is read at all.
        missed: called with the path of each whose record cannot be read.
    """
    paths = [p for asset in assets for p in store.directories(asset) if wanted(p)]
    return readable(store, paths, missed)


def readable(
    store: ArtifactStore,
    paths: Sequence[str],
    missed: Callable[[str], object] = lambda _path: None,
) -> Iterator[Entry]:
    """Yield the artifacts of some directories, but those whose record cannot be read."""

    def read(some: Sequence[str]) -> list[Entry]:
        found = []
        for path in some:
            record = store.readable_record(path)
            if record is None:
                missed(path)
            else:
                found.append(Entry(path, record))
        return found

    batches = (paths[first : first + _BATCH] for first in range(0, len(paths), _BATCH))
    with ThreadPoolExecutor(_READERS) as readers:
        # No further ahead than readers are busy: whoever goes through many keeps few of them.
        ahead = deque(readers.submit(read, some) for some in itertools.islice(batches, _AHEAD))
        while ahead:
            done = ahead.popleft()
            ahead.extend(readers.submit(read, some) for some in itertools.islice(batches, 1))
            yield from done.result()


def whole(store: ArtifactStore, found: Sequence[Entry]) -> list[Entry]:
    """Return entries with their records as the store has them, but those that are gone since."""
    records = {entry.path: entry for entry in readable(store, [entry.path for entry in found])}
    return [records[entry.path] for entry in found if entry.path in records]


def newest(found: Iterator[Entry], called: Callable[[str], str] = str) -> list[Entry]:
    """Keep the newest revision of each run, the run made last first.

    Args:
        found: artifacts.
        called: returns the name that an asset has now.
    """
    by_run: dict[tuple[str, str], Entry] = {}
    for entry in found:
        key = called(entry.record.asset), entry.record.run_id
        if key not in by_run or by_run[key].record.started_at < entry.record.started_at:
            by_run[key] = entry
    return sorted(by_run.values(), key=lambda entry: entry.record.started_at, reverse=True)


def find(store: ArtifactStore, pipeline: Pipeline, text: str) -> Entry:
    """Return the run that a text stands for.

    Args:
        store: where runs are.
        pipeline: the stages.
        text: the beginning of a run id, for its newest revision; with a slash and the beginning of
            a revision, for that one; or ``@`` and an environment, for what was promoted to it last.
            The ids of all assets count; where several share one, the last stage is meant.

    Raises:
        QueryError: if the text is none of these.
        ArtifactMissing: if it stands for nothing, or for more than one run.
        ArtifactDamaged: if an environment has other bytes than those that were promoted.
    """
    if text.startswith("@") and len(text) > 1:
        return _promoted(store, text[1:])
    match = _RUN.fullmatch(text)
    if match is None:
        problem = (
            f"a run id is 1 to 16 hexadecimal digits, but got {text!r}; RUN_ID/REVISION stands for"
            " a revision that is not the newest, @ENVIRONMENT for what was promoted to it"
        )
        raise QueryError([problem])
    prefix, revision = match.group(1), match.group(2) or ""
    found: dict[str, dict[str, list[str]]] = {}
    for asset in reversed(pipeline.stages):
        for path in _named(store, pipeline.kept_names([asset]), prefix, revision):
            run_id = path.rpartition("/run=")[2].partition("/rev=")[0]
            found.setdefault(run_id, {}).setdefault(asset, []).append(path)
    if not found:
        raise ArtifactMissing(
            f"A run id must begin with '{prefix}'"
            f"{f' and have a revision that begins with {revision!r}' if revision else ''}, but none"
            f" in {store.uri} does. `{typed('runs list')}` shows those there are."
        )
    if len(found) > 1:
        raise ArtifactMissing(
            f"One run id must begin with '{prefix}', but {len(found)} do:"
            f" {', '.join(sorted(found)[:10])}. Type more digits."
        )
    ((run_id, by_asset),) = found.items()
    paths = next(iter(by_asset.values()))
    entries = [Entry(path, record) for path in paths if (record := store.readable_record(path))]
    if not entries:
        raise ArtifactMissing(
            f"Run {run_id} must have a record that can be read, but none of {len(paths)} can."
            f" `{typed('verify')}` says why; running it again makes a new one."
        )
    return max(entries, key=lambda entry: entry.record.started_at)


def _named(store: ArtifactStore, assets: Sequence[str], run: str, revision: str) -> list[str]:
    """Return the directories of some assets whose run ids and revisions begin so."""
    return ask(
        store, lambda index: [p for asset in assets for p in index.paths(asset, run, revision)]
    )


def revisions(store: ArtifactStore, entry: Entry) -> list[Entry]:
    """Return all readable revisions of a run's artifact, the newest first."""
    place = entry.path.rpartition("/")[0]
    found = readable(store, [f"{place}/{name}" for name in store.children(place)])
    return sorted(found, key=lambda one: one.record.started_at, reverse=True)


def _promoted(store: ArtifactStore, environment: str) -> Entry:
    promotion = promoted_to(store, environment)
    record = store.read_record(promotion.path)
    if record is None:
        raise ArtifactMissing(
            f"'{environment}' has run {promotion.run_id}, but that is gone from {store.uri}."
            " Promote another."
        )
    if record.content.digest != promotion.artifacts.get(promotion.path):
        raise ArtifactDamaged(
            f"'{environment}' has run {promotion.run_id}, but {store.uri} holds other bytes for it:"
            " it was computed again, and its code is not deterministic. Promote it again."
        )
    return Entry(promotion.path, record)


def lineage(store: ArtifactStore, entry: Entry) -> dict[str, Entry | None]:
    """Return an artifact and all that it was made from, by directory.

    A stage may be there more than once, where others read different revisions of it. None stands
    for a record that is gone or cannot be read.
    """
    found = upstream([entry.record], lambda read: store.readable_record(read.path))
    return {entry.path: entry} | {
        read.path: Entry(read.path, record) if record is not None else None
        for _, read, record in found
    }


def lineage_by_asset(store: ArtifactStore, entry: Entry) -> dict[str, Entry | None]:
    """Return an artifact and what it was made from, by asset, for people; None for what is gone."""
    known: dict[str, Entry | None] = {entry.record.asset: entry}
    for name, read, record in upstream([entry.record], lambda r: store.readable_record(r.path)):
        known.setdefault(name, Entry(read.path, record) if record is not None else None)
    return known
