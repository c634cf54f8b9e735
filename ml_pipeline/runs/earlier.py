"""Earlier artifacts of the same parameters, for checks that compare one with those before it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.params.as_of import AsOf, by_key
from ml_pipeline.params.identity import digest_of
from ml_pipeline.params.model import ParamSet
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Record
from ml_pipeline.store.slots import as_of_label, as_of_on

if TYPE_CHECKING:
    from ml_pipeline.runs.stage import Stage

_MOST_LOOKED_AT: Final = 100
"""Partitions that are looked at for some: others may be there for other parameters."""


class Earlier:
    """The artifacts of an asset that are published for earlier partitions, same parameters.

    A check gets it for an argument that is annotated with this class. What it has told is kept with
    what the check has found: once something else is published, the check looks again. A stage gets
    it for an argument with the name of a stage before it; its `reads` tells what of it counts.
    """

    def __init__(
        self, store: ArtifactStore, stage: "Stage", params: ParamSet, as_of: AsOf | None
    ) -> None:
        """Look from one artifact.

        Args:
            store: where artifacts are.
            stage: the asset.
            params: values of all parameters.
            as_of: the partition before which is looked; None where there are none.
        """
        self._store = store
        self._stage = stage
        self._params = params
        self._as_of = as_of
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
        days = [day for name in self._store.children(shelf) if (day := as_of_on(name)) is not None]
        earlier = sorted(
            (day for day in days if by_key(day) < by_key(self._as_of) and _alike(day, self._as_of)),
            key=by_key,
            reverse=True,
        )
        yield from earlier[:_MOST_LOOKED_AT]


def _seen_of(record: Record) -> tuple[str, str]:
    """Return what tells whether somebody who looks again sees the same: bytes, and the rest."""
    rest = {"revision": record.revision, "metrics": dict(record.metrics)}
    return record.content.digest, digest_of(rest)


def _alike(one: AsOf, other: AsOf) -> bool:
    return isinstance(one, str) == isinstance(other, str)
