"""What a run came to at one date, by whichever door: in Dagster, in process, or in a queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.check_result import CheckReport
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Objective, Record
from ml_pipeline.store.slots import Slot


@dataclass(frozen=True)
class ArtifactResult:
    """An artifact that was made or reused.

    Attributes:
        asset: its name.
        run_id: identity of its parameters and the date; None where a queue does not tell.
        revision: its revision; None likewise.
        uri: where its file is.
        reused: whether another run made it; None likewise.
        metrics: numbers that tell how good it is.
        objective: what it is judged by, if by anything.
        reused_from: the environment that it was reused from, where that is another.
    """

    asset: str
    run_id: str | None
    revision: str | None
    uri: str
    reused: bool | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    objective: Objective | None = None
    reused_from: str | None = None

    def document(self) -> dict[str, Any]:
        """Return where it is, in JSON form."""
        return {
            "asset": self.asset,
            "run_id": self.run_id,
            "revision": self.revision,
            "uri": self.uri,
            "reused": self.reused,
            **({"reused_from": self.reused_from} if self.reused_from is not None else {}),
        }


@dataclass(frozen=True)
class DateResult:
    """What a run came to for one date.

    Attributes:
        as_of: the date, or None for a pipeline without.
        run_id: identity of the parameters and the date; empty for a sweep, which has many.
        dagster_run_id: Dagster's id of the run that covered the date.
        artifacts: what was made or reused, in order of dependence.
        error: why the date failed, or None where it did not.
        checks: what checks have found in the artifacts.
    """

    as_of: AsOf | None
    run_id: str
    dagster_run_id: str
    artifacts: Sequence[ArtifactResult] = ()
    error: str | None = None
    checks: Sequence[CheckReport] = ()

    @property
    def reused(self) -> bool:
        """Whether everything was published already."""
        return all(artifact.reused for artifact in self.artifacts)

    @property
    def warnings(self) -> list[str]:
        """What artifacts do not pass that nobody has failed for, a sentence for each."""
        at = "" if self.as_of is None else f"{self.as_of}: "
        return [f"{at}{one.sentence}" for one in self.checks if not one.passed and not one.blocks]

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics of the artifacts."""
        return {
            name: value for artifact in self.artifacts for name, value in artifact.metrics.items()
        }

    @property
    def objective(self) -> Objective | None:
        """What the date is judged by: the objective of the last artifact that has one."""
        found = (artifact.objective for artifact in reversed(self.artifacts))
        return next((objective for objective in found if objective is not None), None)


def artifact_result(
    store: ArtifactStore, slot: Slot, record: Record, reused: bool, reused_from: str | None = None
) -> ArtifactResult:
    """Return what a published artifact came to.

    Args:
        store: where it is.
        slot: its place.
        record: its record.
        reused: whether another run made it.
        reused_from: the environment that it was reused from, where that is another.
    """
    return ArtifactResult(
        asset=record.asset,
        run_id=record.run_id,
        revision=record.revision,
        uri=store.address(f"{slot.revision(record.revision)}/{record.content.file}"),
        reused=reused,
        metrics=record.metrics,
        objective=record.objective,
        reused_from=reused_from,
    )
