"""Dagster's UI as a person uses it: pages, dialogs and buttons by the words that they show."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Browser, Locator, Page, expect
from playwright.sync_api import TimeoutError as NotInTime

from ml_pipeline_tests.e2e.server import Server

_PATIENCE_MS = 30_000

expect.set_options(timeout=_PATIENCE_MS)


@dataclass(frozen=True)
class DagsterUi:
    """A browser's page on a server.

    Attributes:
        pictures: folder for screenshots of failures.
    """

    page: Page
    server: Server
    pictures: Path

    def go(self, path: str) -> None:
        """Open a page."""
        self.page.goto(f"{self.server.url}{path}")

    def screenshot(self, name: str) -> Path:
        """Take a picture of what the page shows now."""
        file = self.pictures / f"{name}.png"
        self.page.screenshot(path=file)
        return file

    def launch(self, partition: str | None, config: str, asset: str | None = None) -> None:
        """Launch all assets of the pipeline, or one asset, for one partition with the launchpad.

        Args:
            partition: its key, or None for an asset without.
            config: run config.
            asset: the only one that is wanted.
        """
        launchpad = self.open_launchpad(partition, asset)
        self.type_config(launchpad, config)
        launchpad.get_by_role("button", name="Materialize").click()

    def open_launchpad(self, partition: str | None, asset: str | None = None) -> Locator:
        """Open the launchpad of all assets of the pipeline, or of one, for one partition."""
        materialize = self._materialize(asset)
        materialize.locator("xpath=following::button[1]").click()
        self.page.get_by_role("menuitem", name="Open launchpad").click()
        launchpad = self._dialog("Launchpad (configure assets)")
        if partition is not None:
            self._choose_partition(launchpad, partition)
        return launchpad

    def launched_run(self) -> str:
        """Return Dagster's id of the run whose page the launchpad has gone to."""
        self.page.wait_for_url(re.compile("/runs/[0-9a-f-]{36}"))
        return self.page.url.rpartition("/")[2]

    @property
    def run_status(self) -> Locator:
        """How the run ended whose page this is."""
        return self.page.get_by_text(re.compile("^(Success|Failure|Canceled)$"))

    def reexecute(self, dagster_run_id: str) -> str:
        """Execute a run again as it was; return the new one's id, whose page is then open."""
        self.go(f"/runs/{dagster_run_id}")
        self.page.get_by_role("button", name="Re-execute all (*)").click()
        self.page.wait_for_url(lambda url: "/runs/" in url and dagster_run_id not in url)
        return self.launched_run()

    def relaunch(self, dagster_run_id: str, job: str, config: str) -> None:
        """Open the launchpad of a job on what a run had, type other config, and launch it."""
        page = f"/locations/ml_pipeline.definitions/jobs/{job}/playground"
        self.go(f"{page}/setup-from-run/{dagster_run_id}")
        expect(self.page.get_by_text(f"From run {dagster_run_id[:8]}")).to_be_visible()
        self.type_config(self.page.locator("body"), config)
        self.page.get_by_role("button", name="Launch Run").click()

    def launch_job(self, job: str, config: str) -> None:
        """Launch a job that is no asset job with its launchpad."""
        self.go(f"/locations/ml_pipeline.definitions/jobs/{job}/playground")
        expect(self.page.get_by_role("button", name="Launch Run")).to_be_visible()
        self.type_config(self.page.locator("body"), config)
        self.page.get_by_role("button", name="Launch Run").click()

    def backfill(self, partitions: str, config: str, asset: str | None = None) -> str:
        """Launch all assets, or one, for many partitions with the dialog; return the backfill."""
        self._materialize(asset).click()
        dialog = self._dialog("Launch runs to materialize")
        dialog.get_by_role("textbox").first.fill(partitions)
        dialog.get_by_text("Config", exact=True).click()
        expect(dialog.get_by_text(re.compile(r"^[1-9]\d* partitions$"))).to_be_visible()
        dialog.get_by_role("button", name="Add config").click()
        editor = self._dialog("Config Editor")
        self.type_config(editor, config)
        editor.get_by_role("button", name="Save config").click()
        expect(dialog.get_by_text("Config saved")).to_be_visible()
        dialog.get_by_role("button", name="Launch backfill").click()
        toast = self.page.get_by_text("Created backfill")
        expect(toast).to_be_visible()
        return toast.inner_text().split()[-1]

    def open_backfill(self, backfill_id: str) -> None:
        """Open the page of a backfill."""
        self.go(f"/runs/b/{backfill_id}")

    @property
    def backfill_status(self) -> Locator:
        """What a backfill's page says of the whole."""
        return self.page.get_by_text("Status", exact=True).locator("xpath=..")

    def backfill_counts(self, asset: str) -> list[int]:
        """Return how many partitions of an asset a backfill's page counts.

        Returns:
            Targeted, in progress, succeeded, failed.
        """
        # The row is the nearest element around the name in which only numbers follow the bar.
        counts = "substring-after(., 'completed')"
        row = self.page.get_by_title(asset, exact=True).locator(
            f"xpath=ancestor::*[number({counts}) = number({counts})][1]"
        )
        return [int(line) for line in row.inner_text().split("\n") if line.isdigit()]

    def open_partition(self, asset: str, partition: str) -> None:
        """Open an asset's page on one of its partitions."""
        self.go(f"/assets/{asset}?view=partitions&partition={partition}")

    def metadata(self, label: str) -> Locator:
        """What the metadata table of the page shows for a label."""
        row = self.page.get_by_role("row").filter(has=self.page.get_by_text(label, exact=True))
        return row.get_by_role("cell").nth(1)

    @property
    def error(self) -> Locator:
        """The dialog that shows an error."""
        return self._dialog("Copy error")

    def _materialize(self, asset: str | None) -> Locator:
        """Open the page of the pipeline, or of one asset; return its button."""
        if asset is not None:
            self.go(f"/assets/{asset}")
            return self.page.get_by_role("button", name="Materialize")
        self.go("/locations/ml_pipeline.definitions/asset-groups/ml_pipeline")
        return self.page.get_by_role("button", name="Materialize all")

    def _dialog(self, text: str) -> Locator:
        return self.page.get_by_role("dialog").filter(has_text=text)

    def _choose_partition(self, launchpad: Locator, partition: str) -> None:
        expect(launchpad.get_by_text("No errors")).to_be_visible()
        # The launchpad draws its fields anew when partitions arrive; what was typed is gone then.
        for _ in range(10):
            launchpad.get_by_placeholder("Partition").fill(partition)
            with suppress(NotInTime):
                self.page.get_by_text(partition, exact=True).last.click(timeout=3000)
                break
        expect(launchpad.get_by_text(f"partition: {partition}")).to_be_visible()

    def type_config(self, dialog: Locator, config: str) -> None:
        """Replace what an editor holds."""
        editor = dialog.locator(".CodeMirror")
        editor.click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(config)
        expect(editor).to_contain_text(config.split()[-2])


@contextmanager
def looking_at(server: Server, browser: Browser, pictures: Path) -> Iterator[DagsterUi]:
    """Open a page that shares nothing with others; leave a picture if the block fails."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(_PATIENCE_MS)
    ui = DagsterUi(context.new_page(), server, pictures)
    try:
        yield ui
    except Exception as error:
        error.add_note(f"screen: {ui.screenshot('failed')}")
        raise
    finally:
        context.close()


def run_config(resource: str = "params", **groups: dict[str, Any]) -> str:
    """Return run config that sets parameters, as somebody would type it."""
    text: str = yaml.safe_dump({"resources": {resource: {"config": groups}}})
    return text
