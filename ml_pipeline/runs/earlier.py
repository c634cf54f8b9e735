"""Earlier artifacts of the same parameters, for checks that compare one with those before it."""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.errors import PipelineError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.identity import digest_of
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.keys import PLAIN, Keys, in_time
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Record
from ml_pipeline.store.slots import as_of_label, as_of_on, asset_directory

if TYPE_CHECKING:
    from ml_pipeline.runs.stage import Stage

_RUN: Final = "run="
_MOST_LOOKED_AT: Final = 100
"""Partitions that are looked at for some: others may be there for other parameters."""


class Earlier:
    """The artifacts of an asset that are published for earlier partitions, same parameters.

    Of partitions of two dimensions, those are earlier that differ in nothing but time. Where keys
    stand for no time, none is.

    A check gets it for an argument that is annotated with this class. What it has told is kept with
    what the check has found: once something else is published, the check looks again. A stage gets
    it for an argument with the name of a stage before it; its `reads` tells what of it counts.
    """

    def __init__(
        self,
        store: ArtifactStore,
        stage: "Stage",
        params: ParamSet,
        as_of: AsOf | None,
        keys: Keys = PLAIN,
    ) -> None:
        """Look from one artifact.

        Args:
            store: where artifacts are.
            stage: the asset.
            params: values of all parameters.
            as_of: the partition before which is looked; None where there are none.
            keys: they know which partitions are earlier.
        """
        self._store = store
        self._stage = stage
        self._params = params
        self._as_of = as_of
        self._keys = keys
        self._told: dict[int, list[list[str]]] = {}

    def metrics(self, most: int) -> dict[AsOf, Mapping[str, float]]:
        """Return the metrics of the last artifacts, the latest last.

        Args:
            most: how many at most.
        """
        return {as_of: record.metrics for as_of, record in self._last(most).items()}

    def records(self, most: int) -> dict[AsOf, Record]:
        """Return the records of the last artifacts, the latest last.

        Args:
            most: how many at most.
        """
        return self._last(most)

    def load(self, record: Record) -> Any:
        """Return an artifact of which the record is known.

        Args:
            record: one of `records`.
        """
        return self._store.load(self._stage.slot(self._params, record.as_of), record)

    def values(self, most: int) -> dict[AsOf, Any]:
        """Return the last artifacts themselves, the latest last.

        Args:
            most: how many at most.
        """
        return {as_of: self.load(record) for as_of, record in self._last(most).items()}

    @property
    def told(self) -> list[Any]:
        """What was told so far, in JSON form."""
        return [[most, found] for most, found in sorted(self._told.items())]

    def tells_as(self, told: list[Any]) -> bool:
        """Whether the same questions have the same answers now as they had before.

        Args:
            told: what was told before.
        """
        for most, _ in told:
            self._last(most)
        return self.told == told

    def _last(self, most: int) -> dict[AsOf, Record]:
        found: dict[AsOf, Record] = {}
        for as_of in self._before():
            if len(found) >= most:
                break
            revisions = self._store.revisions(self._stage.slot(self._params, as_of))
            if revisions:
                found[as_of] = revisions[0]
        found = dict(reversed(found.items()))
        self._told[most] = [[str(as_of), *_seen_of(one)] for as_of, one in found.items()]
        return found

    def _before(self) -> Iterator[AsOf]:
        """Yield earlier partitions of which something is published, the latest first."""
        if self._as_of is None:
            return
        path = self._stage.slot(self._params, self._as_of).path
        shelf = path.partition(f"/{as_of_label(self._as_of)}/")[0]
        rest, times = in_time(self._keys, self._as_of)
        earlier: list[tuple[tuple[date, ...], str, AsOf]] = []
        for name in self._store.children(shelf):
            day = as_of_on(name)
            if day is None or isinstance(day, str) != isinstance(self._as_of, str):
                continue
            with contextlib.suppress(PipelineError):  # of partitions that the pipeline had
                others, at = in_time(self._keys, day)
                if others == rest and at != times and _is_none_later(at, times):
                    earlier.append((at, str(day), day))
        for _, _, day in sorted(earlier, reverse=True)[:_MOST_LOOKED_AT]:
            yield day


def published(store: ArtifactStore, asset: str) -> set[AsOf]:
    """Return the partitions of which an asset has been published, for any parameters.

    Args:
        store: where to look.
        asset: its name.
    """
    found: set[AsOf] = set()
    folders = [asset_directory(asset)]
    for folder in folders:
        for name in store.children(folder):
            if (day := as_of_on(name)) is not None:
                found.add(day)
            elif not name.startswith(_RUN):
                # The loop goes on to what is added while it runs.
                folders.append(f"{folder}/{name}")
    return found


def _is_none_later(these: tuple[date, ...], than: tuple[date, ...]) -> bool:
    return len(these) == len(than) and all(a <= b for a, b in zip(these, than, strict=True))


def _seen_of(record: Record) -> tuple[str, str]:
    """Return what tells whether somebody who looks again sees the same: bytes, and the rest."""
    rest = {"revision": record.revision, "metrics": dict(record.metrics)}
    return record.content.digest, digest_of(rest)
