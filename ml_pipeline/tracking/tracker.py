"""The seam: what anybody hears who keeps track of results elsewhere.

A tracker is told of what stands in the store already, and can change nothing of it. What it hears
it may hear again: a run that was killed is started again, and finds done what was done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.stage import Stage
from ml_pipeline.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    from ml_pipeline.leaderboard.board import Leaderboard
    from ml_pipeline.runs.promotion import Promoted
    from ml_pipeline.sweeps.engine import Sweep
    from ml_pipeline.sweeps.plan import Plan
    from ml_pipeline.sweeps.swept import Swept


@dataclass(frozen=True)
class InSweep:
    """Which trial of which sweep an artifact was made or reused for.

    Attributes:
        study: name of the sweep's study.
        trial: number of the trial.
    """

    study: str
    trial: int


@dataclass(frozen=True)
class StageFailure:
    """A stage that has failed in a run by itself.

    Attributes:
        stage: the one that was being made.
        params: values of all parameters.
        as_of: the date.
        error: why.
        dagster_run_id: Dagster's id of the run.
    """

    stage: Stage
    params: ParamSet
    as_of: AsOf | None
    error: Exception
    dagster_run_id: str | None = None


class Tracker:
    """Keeps track of nothing; those that do keep track override what they care for."""

    def made(self, store: ArtifactStore, outcome: Outcome, sweep: InSweep | None = None) -> None:
        """Hear of an artifact that a run has published or reused, after those it is made from.

        A sweep tells of all that its trials make, and of the judged artifact of those that find
        everything there.

        Args:
            store: where it is.
            outcome: the artifact, and how the run came by it.
            sweep: the trial that it is for; None where it is for a run by itself.
        """

    def failed(self, store: ArtifactStore, failure: StageFailure) -> None:
        """Hear of a stage that has failed in a run by itself; of trials, none is told.

        Args:
            store: where it would have published.
            failure: the stage, and why.
        """

    def sweep_began(self, store: ArtifactStore, sweep: "Sweep", plan: "Plan") -> None:
        """Hear of a sweep, before anything of it is told."""

    def sweep_ended(self, store: ArtifactStore, swept: "Swept", board: "Leaderboard") -> None:
        """Hear what came of a sweep, and how that ranks."""

    def promoted(self, store: ArtifactStore, promoted: "Promoted") -> None:
        """Hear what an environment has now, by a promotion or by going back.

        Args:
            store: the environment's, with its ledger.
            promoted: what promoting came to; maybe that it was there already.
        """

    def settle(self) -> None:
        """Hear that nothing more is to come for now, such as at the end of a run."""


class Trackers(Tracker):
    """Several at once."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        """Tell all of some trackers, in their order."""
        self.trackers = tuple(trackers)

    def made(self, store: ArtifactStore, outcome: Outcome, sweep: InSweep | None = None) -> None:
        """Tell all."""
        for tracker in self.trackers:
            tracker.made(store, outcome, sweep)

    def failed(self, store: ArtifactStore, failure: StageFailure) -> None:
        """Tell all."""
        for tracker in self.trackers:
            tracker.failed(store, failure)

    def sweep_began(self, store: ArtifactStore, sweep: "Sweep", plan: "Plan") -> None:
        """Tell all."""
        for tracker in self.trackers:
            tracker.sweep_began(store, sweep, plan)

    def sweep_ended(self, store: ArtifactStore, swept: "Swept", board: "Leaderboard") -> None:
        """Tell all."""
        for tracker in self.trackers:
            tracker.sweep_ended(store, swept, board)

    def promoted(self, store: ArtifactStore, promoted: "Promoted") -> None:
        """Tell all."""
        for tracker in self.trackers:
            tracker.promoted(store, promoted)

    def settle(self) -> None:
        """Tell all."""
        for tracker in self.trackers:
            tracker.settle()
