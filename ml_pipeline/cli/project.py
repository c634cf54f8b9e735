"""What the commands serve: one pipeline, with its calendar, settings and store."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path

import dagster as dg

from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import Settings, settings
from ml_pipeline.store.artifacts import ArtifactStore


@dataclass(frozen=True)
class Project:
    """A pipeline as it is installed here.

    Attributes:
        pipeline: the stages.
        calendar: returns the days that runs may be as of.
        module: the code location: what Dagster loads.
        code: a directory in the checkout whose commit is recorded.
    """

    pipeline: Pipeline
    calendar: Callable[[Settings], dg.DailyPartitionsDefinition]
    module: str
    code: Path

    @cached_property
    def settings(self) -> Settings:
        """The settings of this installation.

        Raises:
            SettingsError: naming every setting that cannot be used.
        """
        return settings()

    @cached_property
    def partitions(self) -> dg.DailyPartitionsDefinition:
        """The days that runs may be as of."""
        return self.calendar(self.settings)

    @cached_property
    def store(self) -> ArtifactStore:
        """Where the artifacts are."""
        return ArtifactStore(self.settings.store_root).with_formats(self.pipeline.formats)

    @property
    def definitions(self) -> dg.Definitions:
        """The whole code location; loading it takes as long as reusing a run."""
        loaded: dg.Definitions = import_module(self.module).defs
        return loaded


@cache
def project() -> Project:
    """Return what the commands of this process serve."""
    from ml_pipeline.defs.assets import PIPELINE
    from ml_pipeline.defs.partitions import daily

    return Project(PIPELINE, daily, "ml_pipeline.definitions", Path(__file__).parents[1])
