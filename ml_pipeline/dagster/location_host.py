"""What stages ask of Dagster, provided outside a run, by the definitions of a code location."""

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.hosts import WithInstance
from ml_pipeline.dagster.others import refuse_ours
from ml_pipeline.dagster.packing import begun
from ml_pipeline.dagster.providing_host import ProvidingHost, Wanted
from ml_pipeline.dagster.stage_context import StageContext
from ml_pipeline.dagster.stages import asset_key
from ml_pipeline.errors import PipelineError, nearest
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.stage import Stage

_LACKS: Final = ("instance", "job_name", "pdb", "run")


class WithLocation(ProvidingHost, WithInstance):
    """Provides what a code location has; resources begin when they are asked for."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        definitions: dg.Definitions,
        partitions: dg.PartitionsDefinition[str] | None,
    ) -> None:
        """Take an instance, a code location, and the pipeline's partitions."""
        super().__init__(instance)
        self._definitions = definitions
        self._partitions = partitions
        self._begun: dict[str, Any] = {}
        self._open = ExitStack()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the resources that were begun."""
        self._open.close()

    def _value(self, wanted: Wanted) -> Any:
        refuse_ours(self.instance, wanted.asked.key, wanted.stage.name)
        return self._definitions.load_asset_value(
            wanted.asked.key,
            python_type=wanted.asked.python_type,
            instance=self.instance,
            partition_key=wanted.partition,
        )

    def _context_for(self, stage: Stage, as_of: AsOf | None) -> StageContext:
        nowhere = self._open.enter_context(dg.build_asset_context(instance=self.instance))
        return StageContext(
            nowhere.op_execution_context, asset_key(stage), as_of, self._partitions, lacks=_LACKS
        )

    def _resource(self, key: str, asks: str) -> Any:
        known = self._definitions.resources or {}
        if key not in known:
            raise PipelineError(
                f"{asks} takes the resource '{key}', which the code location must have, but"
                f" it has none of that name.{nearest(key, known)}"
            )
        if key not in self._begun:
            self._begun[key] = begun(key, known[key], self._open, self.instance)
        return self._begun[key]
