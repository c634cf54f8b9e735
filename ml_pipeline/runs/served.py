"""What an environment serves, as a stage gets it that scores: an argument annotated `Served`.

    serving = Pipeline("serving", ParamModel(serving=ServingParams), serves=pipeline)

    @serving.asset
    def predictions(as_of: date, served: Served) -> pl.DataFrame:
        model, data = served.champion.load("model"), served.champion.group(DataParams)

The runs that score count in the revision: another promotion makes another one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from ml_pipeline.errors import PipelineError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.group import Config
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.shares import share_of
from ml_pipeline.store.ledger import Alias, Flag
from ml_pipeline.store.record import OtherAsset, Record

G = TypeVar("G", bound=Config)

MARK: Final = "@"
"""Begins the key of a promoted run among what a record names that is no stage."""


@dataclass(frozen=True)
class ServedRun:
    """A promoted run, with what it was made from.

    Attributes:
        alias: what the environment has it as.
        run_id: its run id.
        revision: its revision.
        as_of: its date, if it has one.
        params: the parameters that it was made with.
        labels: those that show in paths, by plain name.
        metrics: how good it was when it was promoted.
        flags: feature flags of its promotion.
        since: when it was promoted, UTC.
        trained_after: whether it was made with days after the one that is scored.
        digest: of its bytes and of all that it was made from, as whoever reads them sees them.
        loader: returns the value of an asset that it was made from.
    """

    alias: Alias
    run_id: str
    revision: str
    as_of: AsOf | None
    params: ParamSet
    labels: Mapping[str, str]
    metrics: Mapping[str, float]
    flags: Mapping[str, Flag]
    since: datetime
    trained_after: bool
    digest: str
    loader: Callable[[str], Any] = field(repr=False, compare=False)

    def group(self, cls: type[G]) -> G:
        """Return a group of the parameters that the run was made with.

        Args:
            cls: its class.

        Raises:
            PipelineError: if its pipeline has no such group.
        """
        for group in self.params.groups.values():
            if type(group) is cls:
                return group
        raise PipelineError(
            f"{cls.__name__} must be a group of the pipeline that is served, but its groups are"
            f" {', '.join(type(one).__name__ for one in self.params.groups.values())}."
        )

    def load(self, asset: str) -> Any:
        """Return the value of an asset that the run was made from, or its own.

        Args:
            asset: name of the stage that made it.

        Raises:
            ServingRefused: if what it was made from would be made otherwise by the code here.
            ArtifactMissing: if it is gone, or the run has none.
            ArtifactDamaged: if its bytes are not those that were promoted.
        """
        return self.loader(asset)

    def recorded(self, share: float | None = None) -> OtherAsset:
        """Return what the record of a result says of the run.

        Args:
            share: the part that it scores; all of the rest if None.
        """
        part = f" share={share!r}" if share is not None else ""
        about: dict[str, bool | float | str] = dict(self.labels)
        if share is not None:
            about["share"] = share
        if self.trained_after:
            about["trained_after"] = True
        return OtherAsset(
            partition=None if self.as_of is None else str(self.as_of),
            version=f"{self.run_id}/{self.revision}/{self.digest}{part}",
            about=about,
        )


@dataclass(frozen=True)
class Served:
    """What an environment serves.

    Attributes:
        champion: what scores.
        challenger: what scores a share of the keys; None where that is none of them.
        share: that share.
    """

    champion: ServedRun
    challenger: ServedRun | None = None
    share: float = 0.0

    @property
    def runs(self) -> tuple[ServedRun, ...]:
        """The champion, and the challenger where there is one."""
        return (self.champion, *([self.challenger] if self.challenger is not None else []))

    def challenged(self, keys: Iterable[str]) -> list[bool]:
        """Return for each of some keys whether the challenger scores it.

        A key stays on its side for as long as the challenger is the same run, on every day and in
        every environment: its run id is the salt of `share_of`.
        """
        if self.challenger is None:
            return [False for _ in keys]
        return [share_of(key, self.challenger.run_id) < self.share for key in keys]

    @property
    def recorded(self) -> dict[str, OtherAsset]:
        """What the record of a result says of the runs that scored it."""
        found = {f"{MARK}{self.champion.alias}": self.champion.recorded()}
        if self.challenger is not None:
            found[f"{MARK}{self.challenger.alias}"] = self.challenger.recorded(self.share)
        return found


class PromotedRuns:
    """All that was ever promoted in an environment, by run id.

    A stage gets it for an argument that is annotated with this class, for runs that earlier results
    name. What of them its result depends on is for its `reads` to tell.
    """

    def __init__(self, find: Callable[[str], ServedRun | None]) -> None:
        """Look up runs.

        Args:
            find: returns a run by its id, or None.
        """
        self._find = find

    def get(self, run_id: str) -> ServedRun | None:
        """Return a run as it was promoted last.

        Args:
            run_id: its id.

        Returns:
            None where nothing of that id was promoted, or where it is gone.
        """
        return self._find(run_id)


def scorers(record: Record) -> dict[str, bool]:
    """Return the runs that scored what a record describes, by id.

    Args:
        record: of what a stage has made that takes `Served`.

    Returns:
        For each, whether it was trained on later days.
    """
    return {
        run_of(one).partition("/")[0]: bool(one.about.get("trained_after"))
        for key, one in record.others.items()
        if key.startswith(MARK)
    }


def run_of(recorded: OtherAsset) -> str:
    """Return the run and revision that a record names, as it can be typed: RUN_ID/REVISION."""
    return "/".join(recorded.version.split(" ")[0].split("/")[:2])
