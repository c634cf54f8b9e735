"""Where stages are computed, and what they may ask of it.

Besides parameters, the date and other stages, a stage may take what only its surroundings have: in
Dagster a resource, the context, an asset that is no stage. This room knows that there is such a
thing, and no more.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from ml_pipeline.errors import PipelineError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.stage import Stage
from ml_pipeline.store.record import OtherAsset


class Host:
    """Plain Python, which has nothing to provide."""

    def refuse(self, stages: Iterable[Stage]) -> None:
        """Refuse stages that ask for what is not here, before anything is computed.

        Raises:
            PipelineError: naming all that they ask for.
        """
        asked = [f"'{stage.name}' takes {listed}" for stage in stages if (listed := _asked(stage))]
        if asked:
            raise PipelineError(
                f"What stages take must be there where they are computed, but {'; '.join(asked)},"
                " which a run in Dagster provides and this is none. Materialize it in Dagster."
            )

    def others(self, stage: Stage, as_of: AsOf | None) -> dict[str, OtherAsset]:
        """Return the assets that are no stages and that a stage would read now, by key.

        Raises:
            MlPipelineError: if one cannot be told.
        """
        if stage.others:
            self.refuse([stage])
        return {}

    def reading(self, stage: Stage) -> Mapping[str, Any]:
        """Return what ``reads`` of a stage is provided with.

        Raises:
            PipelineError: if that is not here.
        """
        if stage.asked_by_reads:
            asked = ", ".join(str(one) for one in stage.asked_by_reads.values())
            raise PipelineError(
                f"To tell what '{stage.name}' reads, its `reads` must have {asked}, which a run in"
                " Dagster provides and this is none. Materialize it in Dagster."
            )
        return {}

    def arguments(
        self, stage: Stage, as_of: AsOf | None, others: Mapping[str, OtherAsset]
    ) -> Mapping[str, Any]:
        """Return the arguments that a stage is provided with.

        Args:
            stage: the stage.
            as_of: the date.
            others: the assets that it was decided to read.
        """
        if stage.signature.provided:
            self.refuse([stage])
        return {}

    def packed(self, stages: Sequence[Stage], dates: Sequence[AsOf | None]) -> "Host":
        """Return what provides the same to some stages in another process; it can be pickled.

        Raises:
            PipelineError: naming all that cannot be taken there.
        """
        self.refuse(stages)
        return self

    def __enter__(self) -> Self:
        """Begin; what stages ask for is made when they do."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End, and close what was made."""


def _asked(stage: Stage) -> str:
    told = [str(one) for one in stage.signature.provided.values()]
    # What is read by an argument is named there already.
    unnamed = [key for key in stage.others if not any(key in one for one in told)]
    return ", ".join([*told, *(f"asset '{key}'" for key in unnamed)])
