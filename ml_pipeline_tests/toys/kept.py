"""Assets that are kept by their own config, run in a real instance, and what became of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.reusing import reusing
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Record
from ml_pipeline_tests.toys.dagster_site import DAY, QUIET, events

CALLS: Final[list[str]] = []
"""Names of the functions that were called: an asset's code can't hold what a test holds."""


@dataclass
class Ran:
    """One run.

    Attributes:
        calls: names of the assets whose functions were called, in order.
        made: metadata by asset and date.
        tags: of the events, likewise.
    """

    result: dg.ExecuteInProcessResult
    calls: list[str]

    @property
    def made(self) -> dict[tuple[str, str | None], dict[str, Any]]:
        return {
            key: {name: one.value for name, one in made.metadata.items()}
            for key, made in events(self.result).items()
        }

    def of(self, asset: str, day: str | None = DAY) -> dict[str, Any]:
        return self.made[asset, day]

    @property
    def reused(self) -> list[str]:
        return [asset for (asset, _), made in self.made.items() if made.get("reused")]

    def version(self, asset: str, day: str | None = DAY) -> str:
        return str(events(self.result)[asset, day].tags["dagster/data_version"])


@dataclass
class Shelf:
    """A store and an instance."""

    root: Path
    instance: dg.DagsterInstance

    @property
    def store(self) -> ArtifactStore:
        return ArtifactStore(str(self.root))

    def definitions(self, assets: Iterable[Any], **others: Any) -> dg.Definitions:
        return reusing(
            dg.Definitions(assets=list(assets), **others), lambda: str(self.root), self.root.parent
        )

    def run(
        self,
        definitions: dg.Definitions,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        day: str | None = DAY,
        until: str | None = None,
        select: Iterable[str] = (),
        tags: Mapping[str, str] | None = None,
        ops: Mapping[str, Any] | None = None,
        fails: bool = False,
    ) -> Ran:
        """Run the job of all assets.

        Args:
            definitions: what there is.
            config: by op.
            day: the date, None for assets without.
            until: last date, where several are wanted.
            select: assets wanted; all if empty.
            tags: of the run.
            ops: run config under ``ops`` besides.
            fails: whether the run is to fail.
        """
        CALLS.clear()
        dates = {
            "dagster/asset_partition_range_start": str(day),
            "dagster/asset_partition_range_end": str(until),
        }
        done = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={
                "ops": {op: {"config": one} for op, one in (config or {}).items()} | (ops or {}),
                "loggers": QUIET,
            },
            instance=self.instance,
            partition_key=None if until else day,
            asset_selection=[dg.AssetKey(name) for name in select] or None,
            tags={**(tags or {}), **(dates if until else {})},
            raise_on_error=not fails,
        )
        return Ran(done, list(CALLS))

    def record(self, made: Mapping[str, Any]) -> Record:
        """Return the record of what a materialization tells of."""
        found = self.store.read_record(str(Path(made["path"]).relative_to(self.root).parent))
        assert found is not None
        return found
