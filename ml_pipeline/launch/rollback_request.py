"""Going back to what an environment had before, as it is asked for from any door."""

from dataclasses import dataclass

from ml_pipeline.environments import Environments
from ml_pipeline.errors import QueryError
from ml_pipeline.launch.promotion_target import store_of_target, target_problems
from ml_pipeline.runs.promotion import Promoted, Tell, roll_back, silent
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.environments import Stores
from ml_pipeline.store.ledger import Alias
from ml_pipeline.tracking.switched_on import tracker_of


@dataclass(frozen=True)
class RollbackRequest:
    """Which environment gets back what it had before.

    Attributes:
        target: the environment.
        alias: which of what it has.
        note: what to remember about it.
        by: who goes back.
    """

    target: str
    alias: Alias = "champion"
    note: str = ""
    by: str = ""

    def checked(self, environments: Environments) -> None:
        """Refuse what can be refused without looking into a store.

        Raises:
            QueryError: if there is no such environment, or this deployment may not write there.
        """
        problems = target_problems(
            self.target,
            environments,
            "the environment that goes back",
            "an environment that goes back",
        )
        if problems:
            raise QueryError(problems)

    def carried_out(
        self,
        pipeline: Pipeline,
        environments: Environments,
        stores: Stores,
        tell: Tell = silent,
    ) -> Promoted:
        """Go back.

        Args:
            pipeline: the stages.
            environments: those that are configured.
            stores: returns the store of an environment.
            tell: called before each artifact that is checked.

        Raises:
            QueryError: as `checked` does.
            MlPipelineError: as `roll_back` does.
        """
        self.checked(environments)
        store = store_of_target(self.target, environments, stores)
        tracker = tracker_of(pipeline, store.environment)
        done = roll_back(store, self.target, self.alias, self.note, self.by, tell)
        tracker.promoted(store, done)
        tracker.settle()
        return done
