"""What stages ask of Dagster, provided: in a step, and where there is an instance alone."""

import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import dagster as dg

from ml_pipeline.dagster.arguments import OtherValue, resources_of
from ml_pipeline.dagster.others import other_asset, refuse_ours
from ml_pipeline.dagster.packing import packed_resource
from ml_pipeline.dagster.providing_host import ProvidingHost, Wanted
from ml_pipeline.dagster.stage_context import StageContext
from ml_pipeline.dagster.stages import asset_key
from ml_pipeline.dagster.worker_host import InWorker
from ml_pipeline.errors import PipelineError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.host import Host
from ml_pipeline.runs.stage import Stage
from ml_pipeline.store.record import OtherAsset


class WithInstance(Host):
    """Knows which versions there are of assets that are no stages, and can compute nothing."""

    def __init__(self, instance: dg.DagsterInstance, resources: Any = None) -> None:
        """Take the instance where events are.

        Args:
            instance: the instance.
            resources: has resources as attributes, where there are any.
        """
        self.instance = instance
        self._resources = resources

    def others(self, stage: Stage, as_of: AsOf | None) -> dict[str, OtherAsset]:
        """Return the assets that are no stages and that a stage would read now, by key."""
        return {key: other_asset(self.instance, key, as_of, stage.name) for key in stage.others}

    def reading(self, stage: Stage) -> Mapping[str, Any]:
        """Return what ``reads`` of a stage is provided with."""
        if self._resources is None:
            return super().reading(stage)
        return {argument: getattr(self._resources, argument) for argument in stage.asked_by_reads}


class InStep(ProvidingHost, WithInstance):
    """Provides what the step of a run has."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        partitions: dg.PartitionsDefinition[str] | None,
    ) -> None:
        """Take the step's context, and the pipeline's partitions."""
        super().__init__(context.instance, context.resources)
        self._context = context
        self._partitions = partitions
        self._folder: TemporaryDirectory[str] | None = None

    def packed(self, stages: Sequence[Stage], dates: Sequence[AsOf | None]) -> Host:
        """Return what provides the same in another process.

        Resources are made anew there. What other assets hold is read now, once for each date.

        Raises:
            PipelineError: naming all that cannot be taken there.
        """
        keys = sorted(frozenset().union(*map(resources_of, stages)))
        resources, problems = {}, []
        for key in keys:
            try:
                resources[key] = packed_resource(self._resource(key, "a trial"))
            except PipelineError as error:
                problems.append(f"resource '{key}' {error}")
        if problems:
            raise PipelineError(
                f"What stages take must reach the worker processes of a sweep, but"
                f" {' and '.join(problems)}. Make it a dg.ConfigurableResource, which every process"
                " makes for itself from the values of its fields."
            )
        versions = {
            (stage.name, as_of): self.others(stage, as_of) for stage in stages for as_of in dates
        }
        values = {
            (stage.name, argument, as_of): self._kept(Wanted(stage, argument, asked, as_of, others))
            for stage in stages
            for argument, asked in stage.signature.provided.items()
            if isinstance(asked, OtherValue)
            for as_of in dates
            if (others := versions[stage.name, as_of])
        }
        return InWorker(resources, versions, values, self._context.run, self._partitions)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove what was kept for other processes."""
        if self._folder is not None:
            self._folder.cleanup()

    def _value(self, wanted: Wanted) -> Any:
        key, python_type = wanted.asked.key, wanted.asked.python_type
        refuse_ours(self.instance, key, wanted.stage.name)
        return self._context.load_asset_value(
            key, python_type=python_type, partition_key=wanted.partition
        )

    def _context_for(self, stage: Stage, as_of: AsOf | None) -> StageContext:
        here = self._context.op_execution_context
        return StageContext(here, asset_key(stage), as_of, self._partitions)

    def _resource(self, key: str, asks: str) -> Any:
        resources = self._context.resources
        if not hasattr(resources, key):
            raise PipelineError(
                f"{asks} takes the resource '{key}', which a step has where it is to make a stage"
                " that takes it, but this step has not. Select that stage in the same run, too."
            )
        return getattr(resources, key)

    def _kept(self, wanted: Wanted) -> Path:
        """Return the file that keeps a value for other processes."""
        value, stage, asked = self._value(wanted), wanted.stage, wanted.asked
        if self.others(stage, wanted.as_of) != wanted.others:
            raise PipelineError(
                f"What '{stage.name}' reads must hold still while a sweep begins, but {asked} was"
                " materialized just now. Start the sweep again."
            )
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="ml_pipeline-")
        file = (
            Path(self._folder.name) / f"{stage.name}-{wanted.argument}-{len(list(self._files()))}"
        )
        try:
            file.write_bytes(pickle.dumps(value))
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise PipelineError(
                f"What stages take must reach the worker processes of a sweep, but {asked}, which"
                f" '{stage.name}' takes, is a {type(value).__name__} and cannot be pickled: {error}"
            ) from error
        return file

    def _files(self) -> Iterable[Path]:
        return Path(self._folder.name).iterdir() if self._folder is not None else ()
