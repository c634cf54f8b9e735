"""Backfills are launched in the dialog, and what becomes of them."""

from collections import Counter
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import expect

from ml_pipeline_tests.e2e.backfills import CLOSED_WEEK, Backfills
from ml_pipeline_tests.e2e.dagster_ui import DagsterUi
from ml_pipeline_tests.e2e.server import ASSETS, Server

pytestmark = pytest.mark.long


def test_backfills_launched_in_dialog_are_listed(ui: DagsterUi, backfills: Backfills) -> None:
    ui.go("/runs")
    for backfill in (backfills.good, backfills.refused, backfills.shop):
        expect(ui.page.get_by_text(backfill.id, exact=True)).to_be_visible()
        expect(ui.page.get_by_text(f"{len(backfill.dates)} partitions")).to_be_visible()


def test_backfill_with_bad_values_tells_all_problems_and_launches_nothing(
    ui: DagsterUi, server: Server, backfills: Backfills
) -> None:
    ended = server.finished_backfill(backfills.refused.id)
    assert ended["status"] == "FAILED"
    assert ended["runs"] == []

    ui.open_backfill(backfills.refused.id)
    expect(ui.backfill_status).to_contain_text("Failed")
    ui.page.get_by_text("View error").click()
    expect(ui.error).to_contain_text("training.learning_rate")
    expect(ui.error).to_contain_text("> 0 and <= 1, but got 5")
    expect(ui.error).to_contain_text("Did you mean 'max_depth'?")


def test_backfill_with_config_makes_all_dates_in_one_run(
    ui: DagsterUi, server: Server, backfills: Backfills
) -> None:
    dates = backfills.good.dates
    ended = server.finished_backfill(backfills.good.id)
    assert ended["status"] == "COMPLETED_SUCCESS"
    (run,) = ended["runs"]
    typed = yaml.safe_load(server.run(run["id"])["runConfigYaml"])
    assert typed["resources"]["params"]["config"] == {
        "training": {"learning_rate": 0.3, "max_iter": 10}
    }

    made = server.materializations(run["id"])
    assert Counter((one.asset, one.partition) for one in made) == Counter(
        (asset, str(day)) for asset in ASSETS for day in dates
    )
    identified = server.command(
        *("id", "--from", str(dates[0]), "--to", str(dates[-1])),
        *("--param", "learning_rate=0.3", "--param", "max_iter=10"),
    )["ids"]
    run_ids = {
        (asset["asset"], point["as_of"]): asset["run_id"]
        for point in identified
        for asset in point["assets"]
    }
    for one in made:
        assert one.metadata["run_id"] == run_ids[one.asset, one.partition]
        assert f"as_of={one.partition}" in one.metadata["path"]
        assert Path(one.metadata["path"]).is_file()
        if one.asset in ("model", "evaluation"):
            assert one.metadata["training.learning_rate"] == 0.3
    assert len({one.metadata["path"] for one in made}) == len(made)

    ui.open_backfill(backfills.good.id)
    expect(ui.backfill_status).to_contain_text("Succeeded")
    for asset in ASSETS:
        assert ui.backfill_counts(asset) == [len(dates), 0, len(dates), 0]


def test_backfill_with_one_bad_date_fails_for_that_date_alone(
    ui: DagsterUi, server: Server, backfills: Backfills
) -> None:
    dates = {str(day) for day in backfills.shop.dates}
    bad = str(CLOSED_WEEK)
    ended = server.finished_backfill(backfills.shop.id)
    assert ended["status"] == "COMPLETED_FAILED"
    (run,) = ended["runs"]
    made = {asset: set[str]() for asset in ASSETS}
    for one in server.materializations(run["id"]):
        made[one.asset].add(one.partition)
    assert made == {asset: dates - {bad} for asset in ASSETS}

    ui.open_backfill(backfills.shop.id)
    expect(ui.backfill_status).to_contain_text("Failed")
    for asset in ASSETS:
        assert ui.backfill_counts(asset) == [7, 0, 6, 1]

    ui.open_partition("evaluation", bad)
    expect(ui.page.get_by_text("Failed (1)")).to_be_visible()
    expect(ui.page.get_by_text("failed, and did not materialize this asset")).to_be_visible()

    ui.go(f"/runs/{run['id']}")
    expect(ui.run_status).to_have_text("Failure")
    reason = ui.page.get_by_text("1 of 7 dates failed, the others are done").last
    expect(reason).to_be_visible()
    expect(reason).to_contain_text(f"{bad}: Evaluation needs held-out days with revenue")
