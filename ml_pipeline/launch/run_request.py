"""What somebody asks for, as the one Dagster run that it becomes.

Every door that launches runs of its own accord comes through here: the command line, request files,
sensors and schedules. So the same parameters and dates make the same run whichever door they took.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_pipeline.launch.names import names_of
from ml_pipeline.launch.run_config import (
    RUN_ID_TAG,
    date_tags,
    environment_tags,
    label_tags,
    origin_tags,
    run_config,
)
from ml_pipeline.params.as_of import AsOf, as_of_from_key
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.stages import Pipeline


@dataclass(frozen=True)
class RequestedRun:
    """One Dagster run, before it exists.

    Attributes:
        dates: what it is as of, at least one: all of a range; or None alone without partitions.
        config: its run config.
        assets: keys of the assets that it makes.
        tags: tags that tell Dagster its dates, and readers what it is.
        run_ids: identity of the parameters and each date.
    """

    dates: Sequence[AsOf | None]
    config: Mapping[str, Any]
    assets: Sequence[str]
    tags: Mapping[str, str]
    run_ids: Mapping[AsOf | None, str]

    @property
    def partition_key(self) -> str | None:
        """The key, where there is only one; a range is told by tags."""
        first, *others = self.dates
        return None if others or first is None else str(first)

    @property
    def asset_paths(self) -> list[list[str]]:
        """Keys of the assets, part by part."""
        return [name.split("/") for name in self.assets]


def requested_run(
    pipeline: Pipeline,
    params: ParamSet,
    dates: Sequence[AsOf | None],
    selection: Sequence[str] | None = None,
) -> RequestedRun:
    """Return the run that makes assets for given parameters and dates.

    Args:
        pipeline: the stages.
        params: values of all parameters.
        dates: all of a range in order, or None alone for a pipeline without partitions.
        selection: names of the assets wanted; all of them if omitted.
    """
    dates = [as_of_from_key(day) if isinstance(day, str) else day for day in dates]
    run_ids = {day: pipeline.run_slot(params, day).run_id for day in dates}
    tags = origin_tags(params.origins) | run_tags(pipeline, params, dates)
    tags |= date_tags(dates) if len(dates) > 1 else {}
    assets = [stage.key for stage in pipeline.selected(selection)]
    return RequestedRun(dates, run_config(params, names_of(pipeline).params), assets, tags, run_ids)


def run_tags(pipeline: Pipeline, params: ParamSet, dates: Sequence[AsOf | None]) -> dict[str, str]:
    """Return the tags that tell people what a run is: its labels and, of one date, its run id.

    Args:
        pipeline: the stages.
        params: values of all parameters.
        dates: days, or None alone for a pipeline without.
    """
    labels = label_tags([params]) | environment_tags(params.options.environment)
    if len(dates) != 1:
        return labels
    return {**labels, RUN_ID_TAG: pipeline.run_slot(params, dates[0]).run_id}
