"""What a code location was made of, kept with its definitions: the command line serves it too."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster import private
from ml_pipeline.runs.stages import Pipeline

_PREFIX: Final = "ml_pipeline/"


@dataclass(frozen=True)
class Location:
    """The arguments of `code_location`, which says what they are."""

    pipeline: Pipeline
    partitions: dg.PartitionsDefinition[str] | None
    store_root: Callable[[], str]
    studies: Callable[[], str]
    code: Path
    dates_per_run: int

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Metadata of definitions that keeps this; it stays where definitions are merged."""
        return {f"{_PREFIX}{self.pipeline.name}": private.kept(self)}


def locations_in(definitions: dg.Definitions) -> list[Location]:
    """Return what definitions were made of, one for each pipeline."""
    kept = (
        private.what_is_kept(value)
        for name, value in (definitions.metadata or {}).items()
        if name.startswith(_PREFIX)
    )
    return [location for location in kept if isinstance(location, Location)]
