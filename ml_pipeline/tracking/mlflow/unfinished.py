"""What a sweep has tried without a result: dates that failed, and trials that were given up early.

Each is a run in MLflow, so that what was tried can be seen and searched where results are: a date
that failed as FAILED with its error, a trial that was pruned as KILLED. The dates that a pruned
trial has finished are runs of their own, like those of any other.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.identity import digest_of
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Provenance
from ml_pipeline.tracking.mlflow.notes import RunNote, Status, ours, source_of

if TYPE_CHECKING:
    from ml_pipeline.sweeps.attempts import Attempt
    from ml_pipeline.sweeps.swept import Swept


class Unfinished:
    """Makes notes of what a sweep has tried without a result."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: ArtifactStore,
        swept: "Swept",
        around: Provenance,
        at_ms: int,
    ) -> None:
        """Bring together what all notes say.

        Args:
            pipeline: its stages.
            store: where results would be.
            swept: what came of the sweep.
            around: what surrounded it.
            at_ms: when it ended, in milliseconds since 1970.
        """
        self.pipeline = pipeline
        self.store = store
        self.swept = swept
        self.around = around
        self.at_ms = at_ms

    def failed(self) -> Iterator[tuple[int, AsOf | None, RunNote]]:
        """Yield trial, date and note of each date that failed; the same error is told of once."""
        for attempt in self.swept.attempts:
            for day, cell in attempt.cells.items():
                if cell.error is not None:
                    key = f"failed/{digest_of([self._key(attempt), str(day), cell.error])}"
                    note = self._note(attempt, "FAILED", key, cell.error, day)
                    yield attempt.trial.number, day, note

    def pruned(self) -> Iterator[RunNote]:
        """Yield the note of each trial that this sweep has given up."""
        for attempt in self.swept.attempts:
            # One of an earlier sweep of the study has no dates here, and was told of then.
            if attempt.state == "pruned" and attempt.cells:
                done = f"pruned after {len(attempt.cells)} of {len(self.swept.dates)}"
                yield self._note(attempt, "KILLED", f"pruned/{self._key(attempt)}", done)

    def _key(self, attempt: "Attempt") -> str:
        return f"{self.swept.study}/{attempt.trial.key}"

    def _note(
        self, attempt: "Attempt", status: Status, key: str, why: str, day: AsOf | None = None
    ) -> RunNote:
        told = {"as_of": str(day)} if day is not None else {}
        trial = attempt.trial
        tags = {
            "error" if status == "FAILED" else "stopped": why,
            "asset": self.pipeline.judge.name,
            "environment": self.store.environment or "",
            "dagster_run_id": self.around.dagster_run_id or "",
            **told,
        }
        return RunNote(
            experiment=self.pipeline.name,
            key=key,
            store=digest_of(self.store.uri)[:8],
            name=" ".join([f"trial {trial.number}", *told.values(), status.lower()]),
            params={**told, **trial.params.flat(self.pipeline.judge.scope)},
            metrics={},
            tags=ours(tags) | source_of(self.around),
            models=[],
            began_ms=self.at_ms,
            ended_ms=self.at_ms,
            study=self.swept.study,
            trial=trial.number,
            status=status,
        )
