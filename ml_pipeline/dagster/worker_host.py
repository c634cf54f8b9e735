"""What stages ask of Dagster, provided in a worker process of a sweep."""

import pickle
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.packing import Recipe, begun
from ml_pipeline.dagster.providing_host import ProvidingHost, Wanted
from ml_pipeline.dagster.stage_context import StageContext
from ml_pipeline.dagster.stages import asset_key
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.stage import Stage
from ml_pipeline.store.record import OtherAsset

_LACKS: Final = ("instance", "pdb")


@dataclass
class InWorker(ProvidingHost):
    """Provides what a sweep has sent along; resources live as long as one task.

    Attributes:
        resources: what stands for each resource, by key.
        versions: the assets that are no stages, by stage and partition, as the sweep found them.
        values: files with pickled values of such assets, by stage, argument and partition.
        run: the run of the sweep.
        partitions: those of the pipeline.
    """

    resources: Mapping[str, object]
    versions: Mapping[tuple[str, AsOf | None], dict[str, OtherAsset]]
    values: Mapping[tuple[str, str, AsOf | None], Path]
    run: dg.DagsterRun
    partitions: dg.PartitionsDefinition[str] | None
    _begun: dict[str, Any] = field(default_factory=dict)
    _open: ExitStack | None = None

    def others(self, stage: Stage, as_of: AsOf | None) -> dict[str, OtherAsset]:
        """Return the assets that are no stages, as the sweep found them."""
        return self.versions[stage.name, as_of]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the resources that were begun."""
        if self._open is not None:
            self._open.close()
        self._open = None
        self._begun.clear()

    def _value(self, wanted: Wanted) -> Any:
        file = self.values[wanted.stage.name, wanted.argument, wanted.as_of]
        return pickle.loads(file.read_bytes())  # noqa: S301 - the sweep itself has written it

    def _context_for(self, stage: Stage, as_of: AsOf | None) -> StageContext:
        nowhere = dg.build_asset_context().op_execution_context
        return StageContext(
            nowhere, asset_key(stage), as_of, self.partitions, self.run, lacks=_LACKS
        )

    def _resource(self, key: str, asks: str) -> Any:
        if key not in self._begun:
            packed = self.resources[key]
            if isinstance(packed, Recipe):
                self._open = self._open or ExitStack()
                self._begun[key] = begun(key, packed.made(), self._open)
            else:
                self._begun[key] = packed
        return self._begun[key]
