"""Sweeps of a pipeline whose stages take what Dagster provides; it is `toys/asking.py`."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline import Objective, ParamModel, Pipeline, PipelineError, Result, code_location
from ml_pipeline.params.model import ParamModel as Model
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.sweeps.engine import Sweep
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline_tests.toys.asking import DAILY, DAY, PIPELINE, Size, noted
from ml_pipeline_tests.toys.asking_site import WARNINGS, Site, asking_site
from ml_pipeline_tests.toys.dagster_site import QUIET, events, failure

pytestmark = [pytest.mark.long, *WARNINGS]

NEXT = "2026-01-06"
ROWS = {"sweep": {"config": {"size": {"rows": "1,2,3"}}}}

UNSHARED = Pipeline("unshared", ParamModel(size=Size))


@UNSHARED.asset(objective=Objective(metric="rows", direction="maximize"))
def counted(size: Size, db: dg.ResourceParam[Any]) -> Result:
    """What is counted with a connection that no other process can have."""
    return Result({}, metrics={"rows": size.rows})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with asking_site(tmp_path, monkeypatch) as site:
        yield site


def test_sweep_gives_workers_resources_of_their_own_and_values_read_once(site: Site) -> None:
    site.upstream(DAY, NEXT, prices=5, rates=2)
    shop = {"shop": {"config": {"folder": str(site.folder), "url": "abcdefg"}}}
    result = site.run("sweep", until=NEXT, resources={**ROWS, **shop})
    assert result.success, failure(result)
    metadata = events(result)["sweep", DAY].metadata
    assert metadata["best_sum"].value == (7 + 3) * 3 * (5 + 1)
    said = noted("said")
    assert sorted(said) == sorted([f"{DAY} table"] * 3 + [f"{NEXT} table"] * 3)
    told = noted("shop")
    assert told.count("load bank/rates") == 2, "once for each date, by the sweep itself"
    assert told.count("open") == told.count("closed") == 1 + 6, "the step's, and one for each task"
    assert {one.others["prices"].version for one in site.records()} == {"5"}
    # A single run with the same values is one of the trials.
    config = {"params": {"config": {"size": {"rows": 3}}}}
    alone = site.run("table", "score", resources=config)
    assert events(alone)["table", DAY].metadata["reused"].value is True
    # Nothing is left to compute, so nothing is packed or loaded.
    assert site.run("sweep", until=NEXT, resources=ROWS).success
    assert "load bank/rates" not in noted("shop")
    assert noted("said") == []


def test_sweep_over_an_asset_that_is_not_there_computes_nothing(site: Site) -> None:
    result = site.run("sweep", resources=ROWS)
    assert "'prices' must be materialized before 'table' can read it" in failure(result)
    assert noted("said") == []


def test_sweep_with_a_resource_that_no_other_process_can_have_is_refused(tmp_path: Path) -> None:
    studies = str(tmp_path / "studies")
    location = code_location(
        UNSHARED, DAILY, lambda: str(tmp_path / "store"), tmp_path, studies=lambda: studies
    )
    db = dg.ResourceDefinition.hardcoded_resource(sqlite3.connect(":memory:"))
    defs = dg.Definitions.merge(location, dg.Definitions(resources={"db": db}))
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        run_config={"loggers": QUIET, "resources": ROWS},
        partition_key=DAY,
        raise_on_error=False,
        asset_selection=[dg.AssetKey("sweep")],
    )
    said = failure(result)
    assert said.startswith("What stages take must reach the worker processes of a sweep, but")
    assert "resource 'db' is a Connection that cannot be pickled" in said
    assert "Make it a dg.ConfigurableResource" in said
    assert not list((tmp_path / "store").rglob("record.json"))


def test_sweep_in_python_of_what_takes_a_resource_is_refused(tmp_path: Path) -> None:
    assert isinstance(PIPELINE.params, Model)
    request = SweepRequest.of_config(PIPELINE.params, {"size": {"rows": "1,2"}}, None)
    store = ArtifactStore(str(tmp_path / "store"))
    sweep = Sweep(request, [None], UNSHARED, store, str(tmp_path / "studies"))
    with pytest.raises(PipelineError, match="'counted' takes resource 'db', which a run in"):
        sweep.run()
