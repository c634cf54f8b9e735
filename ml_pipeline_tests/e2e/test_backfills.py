"""Backfills are launched; what becomes of them is seen in `test_outcomes`."""

import pytest
from playwright.sync_api import expect

from ml_pipeline_tests.e2e.backfills import Backfills
from ml_pipeline_tests.e2e.dagster_ui import DagsterUi

pytestmark = pytest.mark.long


def test_backfills_launched_in_dialog_are_listed(ui: DagsterUi, backfills: Backfills) -> None:
    ui.go("/runs")
    for backfill in (backfills.good, backfills.refused, backfills.shop):
        expect(ui.page.get_by_text(backfill.id, exact=True)).to_be_visible()
        expect(ui.page.get_by_text(f"{len(backfill.dates)} partitions")).to_be_visible()
