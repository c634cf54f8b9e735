"""Tells an OpenLineage server of what runs and trials compute, and of what fails."""

from functools import cached_property
from typing import TYPE_CHECKING

from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.tracking.openlineage.sender import Sender
from ml_pipeline.tracking.tracker import InSweep, StageFailure, Tracker

if TYPE_CHECKING:
    from ml_pipeline.tracking.openlineage.events import Events


class OpenLineageTracker(Tracker):
    """Tells of each artifact when it is computed; what was reused was told of then."""

    def __init__(self, pipeline: Pipeline, sender: Sender, namespace: str) -> None:
        """Keep track of a pipeline.

        Args:
            pipeline: its stages.
            sender: sends what there is to tell.
            namespace: of its jobs.
        """
        self.pipeline = pipeline
        self.sender = sender
        self.namespace = namespace

    def made(self, store: ArtifactStore, outcome: Outcome, sweep: InSweep | None = None) -> None:
        """Tell of an artifact that was computed."""
        if not outcome.reused:
            self.sender.send(lambda: self._events.of_made(store, outcome, sweep))

    def failed(self, store: ArtifactStore, failure: StageFailure) -> None:
        """Tell of a stage that has failed."""
        self.sender.send(lambda: self._events.of_failed(store, failure))

    def settle(self) -> None:
        """Wait a moment until all is sent."""
        self.sender.settle()

    @cached_property
    def _events(self) -> "Events":
        # The library is imported aside, where something is sent.
        from ml_pipeline.tracking.openlineage.events import Events

        return Events(self.pipeline, self.namespace)
