"""What stages ask of Dagster, one thing after the other, wherever it is provided."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ml_pipeline.dagster.arguments import OtherValue, Resource
from ml_pipeline.dagster.stage_context import StageContext
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.host import Host
from ml_pipeline.runs.stage import Stage
from ml_pipeline.store.record import OtherAsset


@dataclass(frozen=True)
class Wanted:
    """The value of an asset that is no stage, as a stage takes it at a date.

    Attributes:
        stage: the stage.
        argument: the name of its argument.
        asked: what that asks for.
        as_of: the date.
        others: the assets that are no stages and that it was decided to read, by key.
    """

    stage: Stage
    argument: str
    asked: OtherValue
    as_of: AsOf | None
    others: Mapping[str, OtherAsset]

    @property
    def partition(self) -> str | None:
        """The partition to read, if the asset has any."""
        return self.others[self.asked.key.to_user_string()].partition


class ProvidingHost(Host, ABC):
    """Provides resources, assets that are no stages, and a context."""

    def refuse(self, stages: Iterable[Stage]) -> None:
        """Let pass what was checked when the definitions were loaded, or packed."""

    def reading(self, stage: Stage) -> Mapping[str, Any]:
        """Return what ``reads`` of a stage is provided with.

        Raises:
            PipelineError: if a resource is not here.
        """
        asks = f"'{stage.name}'"
        return {argument: self._resource(argument, asks) for argument in stage.asked_by_reads}

    def arguments(
        self, stage: Stage, as_of: AsOf | None, others: Mapping[str, OtherAsset]
    ) -> Mapping[str, Any]:
        """Return the arguments that a stage is provided with.

        Raises:
            PipelineError: if a resource is not here.
        """
        found: dict[str, Any] = {}
        for argument, asked in stage.signature.provided.items():
            if isinstance(asked, Resource):
                found[argument] = self._resource(asked.key, f"'{stage.name}'")
            elif isinstance(asked, OtherValue):
                found[argument] = self._value(Wanted(stage, argument, asked, as_of, others))
            else:
                found[argument] = self._context_for(stage, as_of)
        return found

    @abstractmethod
    def _resource(self, key: str, asks: str) -> Any:
        """Return a resource.

        Args:
            key: its key.
            asks: who asks for it, for the error.

        Raises:
            PipelineError: if it is not here.
        """

    @abstractmethod
    def _value(self, wanted: Wanted) -> Any:
        """Return the value of an asset that is no stage."""

    @abstractmethod
    def _context_for(self, stage: Stage, as_of: AsOf | None) -> StageContext:
        """Return the context of a stage."""
