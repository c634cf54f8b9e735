"""The pipeline of `asking` as a code location, with a real instance in a temporary folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Record
from ml_pipeline_tests.toys.asking import DAY, defs, home, noted
from ml_pipeline_tests.toys.dagster_site import QUIET, temporary_instance

WARNINGS = [
    # Dagster's own: a parameter that is in beta, and what it calls itself for nested resources.
    pytest.mark.filterwarnings("ignore:Parameter `data_version`"),
    pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run is deprecated"),
]


@dataclass
class Site:
    """What a test works with."""

    folder: Path
    instance: dg.DagsterInstance

    @property
    def job(self) -> dg.JobDefinition:
        return defs(self.folder).resolve_implicit_global_asset_job_def()

    def run(
        self,
        *names: str,
        day: str | None = DAY,
        until: str | None = None,
        resources: dict[str, Any] | None = None,
    ) -> dg.ExecuteInProcessResult:
        dates = {
            "dagster/asset_partition_range_start": str(day),
            "dagster/asset_partition_range_end": str(until),
        }
        return self.job.execute_in_process(
            run_config={"loggers": QUIET, "resources": resources or {}},
            instance=self.instance,
            partition_key=None if until else day,
            raise_on_error=False,
            asset_selection=[dg.AssetKey(name.split("/")) for name in names],
            tags=dates if until else {},
        )

    def upstream(self, *days: str, prices: int = 1, rates: int = 1) -> None:
        """Materialize what is no stage."""
        (home() / "prices").write_text(str(prices))
        (home() / "rates").write_text(str(rates))
        assert self.run("bank/rates", day=None).success
        for day in days:
            assert self.run("prices", day=day).success
        noted("shop")

    def records(self, asset: str = "table") -> list[Record]:
        store = ArtifactStore(str(self.folder / "store"))
        found = [store.read_record(path) for path in store.directories(asset)]
        return [record for record in found if record is not None]


@contextmanager
def asking_site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Give the pipeline a store, a home and an instance of its own."""
    monkeypatch.setenv("ASKING_HOME", str(folder))
    with temporary_instance(folder / "instance") as instance:
        yield Site(folder, instance)
