"""What a code location was made of, kept with its definitions: the command line serves it too."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster import private
from ml_pipeline.dagster.calendar import Calendar
from ml_pipeline.dagster.partitions import DynamicKeys, calendar_of, no_instance, refuse_unserved
from ml_pipeline.environments import Environment
from ml_pipeline.errors import PipelineError
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.serving import Serving
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.environments import store_in

_PREFIX: Final = "ml_pipeline/"


@dataclass(frozen=True)
class Location:
    """The arguments of `code_location`, which says what they are.

    Attributes:
        store_root: returns the directory or URI of an environment's artifacts.
        studies: returns the directory or database URL of an environment's studies.
        runs_pipeline: False where assets are listed here that Dagster alone can run.
    """

    pipeline: Pipeline
    partitions: dg.PartitionsDefinition[str] | None
    store_root: Callable[[Environment], str]
    studies: Callable[[Environment], str]
    code: Path
    dates_per_run: int
    calendar_is_set_by: str
    runs_pipeline: bool = True

    @classmethod
    def of(
        cls,
        pipeline: Pipeline,
        partitions: dg.PartitionsDefinition[str] | None,
        store_root: Callable[[Environment], str],
        studies: Callable[[Environment], str],
        code: Path,
        dates_per_run: int,
        calendar_is_set_by: str,
    ) -> "Location":
        """Bring partitions to a pipeline: its stages know what the keys stand for.

        Raises:
            PipelineError: if a pipeline cannot take the partitions, or they do not serve a stage.
        """
        calendar = calendar_of(pipeline.name, partitions, calendar_is_set_by)
        refuse_unserved(pipeline, calendar)
        bound = pipeline.with_keys(calendar)
        if pipeline.serves is not None:
            bound = bound.with_unready(partial(_unserved, bound, store_root))
        return cls(bound, partitions, store_root, studies, code, dates_per_run, calendar_is_set_by)

    @property
    def calendar(self) -> Calendar:
        """The partitions that runs may be as of; dynamic ones cannot be listed."""
        return self.calendar_on(no_instance)

    def calendar_on(self, dynamic: DynamicKeys) -> Calendar:
        """Return the partitions that runs may be as of.

        Args:
            dynamic: lists the keys of dynamic ones, by their name.
        """
        return calendar_of(self.pipeline.name, self.partitions, self.calendar_is_set_by, dynamic)

    def calendar_in(
        self, context: dg.ScheduleEvaluationContext | dg.SensorEvaluationContext
    ) -> Calendar:
        """Return the partitions that runs of a sensor or schedule may be as of."""
        return self.calendar_on(lambda name: context.instance.get_dynamic_partitions(name))

    @property
    def store(self) -> ArtifactStore:
        """Where the artifacts of this deployment's own environment are."""
        return self.store_in(None)

    def store_in(self, environment: str | None) -> ArtifactStore:
        """Return where the artifacts of an environment are: this deployment's own if None."""
        return store_in(environment, self.store_root).with_formats(self.pipeline.formats)

    @property
    def store_roots(self) -> list[str]:
        """Where the artifacts of all environments are, whether there are any or not."""
        known = settings().environments
        each = map(known.named, dict.fromkeys([None, *known.configured]))
        return list(dict.fromkeys(map(self.store_root, each)))

    def studies_in(self, environment: str | None) -> str:
        """Return where the studies of an environment are: this deployment's own if None."""
        return self.studies(settings().environments.named(environment))

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Metadata of definitions that keeps this; it stays where definitions are merged."""
        return {f"{_PREFIX}{self.pipeline.name}": private.kept(self)}


def _unserved(
    pipeline: Pipeline, root: Callable[[Environment], str], params: ParamSet
) -> Iterator[str]:
    """Say why a pipeline has nothing to score with, as lines."""
    return Serving(pipeline, store_in(params.options.environment, root)).problems(params)


def locations_in(definitions: dg.Definitions) -> list[Location]:
    """Return what definitions were made of, one for each pipeline."""
    kept = (
        private.what_is_kept(value)
        for name, value in (definitions.metadata or {}).items()
        if name.startswith(_PREFIX)
    )
    return [location for location in kept if isinstance(location, Location)]


def location_of(definitions: dg.Definitions) -> Location:
    """Return what definitions with one pipeline were made of.

    Raises:
        PipelineError: if there is none in them, or several.
    """
    found = locations_in(definitions)
    if len(found) == 1:
        return found[0]
    names = ", ".join(location.pipeline.name for location in found) or "no pipeline"
    raise PipelineError(
        "A sensor or schedule must get the definitions of one pipeline, as `code_location` returns"
        f" them, but those given have {names}. Merge them afterwards."
    )
