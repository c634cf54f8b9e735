"""A resource that tells what outside data holds: `reads` of a stage takes it, wherever that asks.

The pipeline is `STOCK` of `toys/asking.py`.
"""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline import PipelineError, code_location, window_schedule
from ml_pipeline.dagster.location_host import WithLocation
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.toys.asking import DAILY, DAY, STOCK, Shop, Supplier, held, noted
from ml_pipeline_tests.toys.asking_site import WARNINGS
from ml_pipeline_tests.toys.dagster_site import QUIET, events, failure, temporary_instance

pytestmark = [pytest.mark.long, *WARNINGS]

ASKED = f"asked of {DAY}"


@dg.asset(partitions_def=DAILY, io_manager_key="stock_io")
def shown(counted: dict[str, int]) -> None:
    """What is read of a stage by an asset that is none."""
    assert counted["pieces"] == 6


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("ASKING_HOME", str(tmp_path))
    with temporary_instance(tmp_path / "instance") as instance:
        yield instance


def location(folder: Path) -> dg.Definitions:
    return code_location(
        STOCK,
        DAILY,
        lambda: str(folder / "store"),
        folder,
        studies=lambda: str(folder / "studies"),
    )


def whole(folder: Path) -> dg.Definitions:
    shop = Shop(folder=str(folder), url="x", supplier=Supplier())
    others = dg.Definitions(assets=[shown], resources={"shop": shop})
    return dg.Definitions.merge(location(folder), others)


def ran(
    folder: Path, instance: dg.DagsterInstance, *keys: str, resources: Any = None
) -> dg.ExecuteInProcessResult:
    result = (
        whole(folder)
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            run_config={"loggers": QUIET, "resources": resources or {}},
            instance=instance,
            partition_key=DAY,
            raise_on_error=False,
            asset_selection=[dg.AssetKey(key) for key in keys],
        )
    )
    assert result.success, failure(result)
    return result


def test_reads_with_a_resource_tells_of_changes_wherever_it_is_asked(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    stock = tmp_path / "stock"
    stock.write_text("abc")
    dg.Definitions.validate_loadable(whole(tmp_path))
    made = events(ran(tmp_path, instance, "counted", "doubled", "shown"))
    assert made["counted", DAY].metadata["pieces"].value == 6
    assert ASKED in noted("shop")
    # A stage that does not read by itself knows by it whether what is upstream is current.
    again = events(ran(tmp_path, instance, "doubled"))
    assert again["doubled", DAY].metadata["reused"].value is True
    assert ASKED in noted("shop")
    stock.write_text("abcde")
    again = events(ran(tmp_path, instance, "counted"))
    assert again["counted", DAY].metadata["reason"].value == (
        "counted: computed: source data changed"
    )
    swept = {"sweep": {"config": {"size": {"rows": "2,3"}}}}
    best = events(ran(tmp_path, instance, "sweep", resources=swept))["sweep", DAY]
    assert best.metadata["best_pieces"].value == 15
    assert best.metadata["plan"].value.startswith("2 combinations x 1 date: 1 reused, 1 to run")
    store = ArtifactStore(str(tmp_path / "store"))
    with WithLocation(instance, whole(tmp_path), DAILY) as host:
        planner = Materializer(STOCK, store, host=host)
        plan = planner.plan(STOCK.params.defaults, date.fromisoformat(DAY))
        assert [decided.action for decided in plan] == ["reuse", "compute"]
    assert noted("shop")[-2:] == [ASKED, "closed"]
    with pytest.raises(PipelineError, match="its `reads` must have resource 'shop', which a run"):
        list(Materializer(STOCK, store).plan(STOCK.params.defaults, date.fromisoformat(DAY)))


def test_schedule_asks_the_resource_that_tells_what_there_is(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    (tmp_path / "stock").write_text("abc")
    ran(tmp_path, instance, "counted", "doubled")
    noted("shop")
    schedule = window_schedule(location(tmp_path), last=1)
    assert schedule.required_resource_keys == {"shop"}
    shop = Shop(folder=str(tmp_path), url="x", supplier=Supplier())
    defs = dg.Definitions.merge(whole(tmp_path), dg.Definitions(schedules=[schedule]))
    with dg.build_schedule_context(
        instance=instance,
        resources={"shop": shop},
        repository_def=defs.get_repository_def(),
        scheduled_execution_time=datetime(2026, 2, 1),
    ) as context:
        data = schedule.evaluate_tick(context)
    (request,) = data.run_requests or ()
    assert request.partition_key == "2026-01-31"
    assert noted("shop") == ["open", "asked of 2026-01-31", "closed"]


def test_function_that_reads_is_a_plain_one_for_tests(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    (tmp_path / "stock").write_text("abc")
    with dg.build_resources({"shop": Shop(folder=str(tmp_path), url="", supplier=Supplier())}) as r:
        assert held(date(2026, 1, 5), r.shop) == "abc"
