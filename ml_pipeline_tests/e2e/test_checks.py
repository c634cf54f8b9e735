"""What checks have found, in the UI: a backfill in which one date may not be used."""

import pytest
from playwright.sync_api import expect

from ml_pipeline_tests.e2e.dagster_ui import DagsterUi, run_config
from ml_pipeline_tests.e2e.server import wait_until

pytestmark = pytest.mark.long

BLOCKED = "1998-05-22"
_PATIENCE_MS = 240_000
_AT_WORK = """
{ runsOrError(filter: {statuses: [QUEUED, NOT_STARTED, STARTING, STARTED, CANCELING]}) {
    ... on Runs { results { runId } } }
  partitionBackfillsOrError(status: REQUESTED) {
    ... on PartitionBackfills { results { id } } } }"""


def test_backfill_goes_on_without_the_date_that_does_not_pass_and_the_tab_says_why(
    ui: DagsterUi,
) -> None:
    # What other tests have left running is judged as well, by other thresholds.
    wait_until(
        lambda: not any(of["results"] for of in ui.server.graphql(_AT_WORK).values()),
        240,
        "end of other runs",
    )
    # Of these three days, more orders repeat another up to the last alone.
    limits = {"repeated_share": 0.0001, "repeated_share_blocking": 0.003665}
    config = run_config(checks=limits, training={"max_iter": 5})
    ui.open_backfill(ui.backfill(f"[1998-05-20...{BLOCKED}]", config))
    expect(ui.backfill_status).to_contain_text("Failed", timeout=_PATIENCE_MS)
    assert ui.backfill_counts("evaluation") == [3, 0, 2, 1]
    ui.go("/assets/orders?view=checks&checkDetail=duplicates")
    page = ui.page
    expect(page.get_by_text("This is a blocking asset check.")).to_be_visible()
    expect(page.get_by_text("at most 0.01% of the orders may repeat another")).to_be_visible()
    expect(page.get_by_text("most_often")).to_be_visible()
    for name in ("schema", "freshness", "volume", "negative_amounts"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    expect(page.get_by_text(BLOCKED, exact=True)).to_be_visible()
