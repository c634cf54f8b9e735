"""The context that a stage gets: Dagster's, as if the stage were an asset of its own.

In Dagster, one step makes all stages for many partitions, and the context of that step would tell a
stage of all of them. What a stage returns is kept with a record, so the ways in which a context
reports something are refused: what is computed once is reused by runs that never called it.
"""

from collections.abc import Collection
from typing import Any, Final

import dagster as dg

from ml_pipeline.errors import PipelineError
from ml_pipeline.params.as_of import AsOf

_OFFERED: Final = (
    "asset_key",
    "has_partition_key",
    "instance",
    "job_name",
    "log",
    "partition_key",
    "partition_keys",
    "partition_time_window",
    "pdb",
    "run",
)


class StageContext(dg.AssetExecutionContext):
    """The context of one stage at one partition."""

    def __init__(
        self,
        op_execution_context: dg.OpExecutionContext,
        key: dg.AssetKey,
        as_of: AsOf | None,
        partitions: dg.PartitionsDefinition[str] | None,
        run: dg.DagsterRun | None = None,
        lacks: Collection[str] = (),
    ) -> None:
        """Speak for one stage.

        Args:
            op_execution_context: that of the step, or of no step at all.
            key: the stage's key.
            as_of: the partition, or None where there are none.
            partitions: those of the pipeline.
            run: the run, where the context itself has none.
            lacks: names of what is not offered where there is no step.
        """
        # Not the base's own, which asks for a step.
        self._op_execution_context = op_execution_context
        self._key = key
        self._partition = None if as_of is None else str(as_of)
        self._partitions = partitions
        self._run = run
        self._lacks = lacks

    def __getattribute__(self, name: str) -> Any:
        """Return what stages are offered, and refuse the rest.

        Raises:
            PipelineError: for anything else of Dagster's context.
        """
        if name.startswith("_") or name == "op_execution_context":
            return super().__getattribute__(name)
        offered = [one for one in _OFFERED if one not in self._lacks]
        if name in offered:
            return super().__getattribute__(name)
        if not hasattr(dg.AssetExecutionContext, name):
            raise AttributeError(name)
        here = " outside a step of Dagster" if name in self._lacks else ""
        raise PipelineError(
            f"What a stage takes from its context{here} must be one of {', '.join(offered)}, but it"
            f" takes '{name}'. Resources and assets are arguments of the stage; what it reports is"
            " Result(value, metrics=...); its config are parameter groups."
        )

    @property
    def asset_key(self) -> dg.AssetKey:
        """The stage's key."""
        return self._key

    @property
    def has_partition_key(self) -> bool:
        """Whether the pipeline has partitions."""
        return self._partition is not None

    @property
    def partition_key(self) -> str:
        """The partition that is computed now, whatever else is in the run.

        Raises:
            PipelineError: if there are none.
        """
        if self._partition is None:
            raise PipelineError(
                f"'{self._key.to_user_string()}' must have partitions for its context to have a"
                " partition_key, but its pipeline has none."
            )
        if isinstance(self._partitions, dg.MultiPartitionsDefinition):
            return self._partitions.get_partition_key_from_str(self._partition)
        return self._partition

    @property
    def partition_keys(self) -> list[str]:
        """The partition that is computed now, alone."""
        return [self.partition_key]

    @property
    def partition_time_window(self) -> dg.TimeWindow:
        """The time that the partition stands for.

        Raises:
            PipelineError: if the partitions are not of time.
        """
        partitions = self._partitions
        if isinstance(partitions, dg.MultiPartitionsDefinition):
            axes = [dimension.partitions_def for dimension in partitions.partitions_defs]
            timed = [isinstance(axis, dg.TimeWindowPartitionsDefinition) for axis in axes]
            if timed.count(True) == 1:
                return partitions.time_window_for_partition_key(self.partition_key)
        if not isinstance(partitions, dg.TimeWindowPartitionsDefinition):
            raise PipelineError(
                f"The partitions of '{self._key.to_user_string()}' must be of time for its context"
                f" to have a partition_time_window, but are {partitions}."
            )
        return partitions.time_window_for_partition_key(self.partition_key)

    @property
    def job_name(self) -> str:
        """Name of the run's job."""
        return self.run.job_name

    @property
    def run(self) -> dg.DagsterRun:
        """The run."""
        return self._run if self._run is not None else super().run
