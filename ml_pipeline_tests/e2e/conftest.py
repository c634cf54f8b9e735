"""One server and one browser for all tests here; a picture and the server's log if one fails."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from ml_pipeline_tests.e2e.backfills import Backfills, launch
from ml_pipeline_tests.e2e.dagster_ui import DagsterUi, looking_at, run_config
from ml_pipeline_tests.e2e.server import Server, serving, tool

_CHROMIUM_VARIABLE = "CHROMIUM"
_CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_LOG_LINES = 80


LAUNCHED = "1998-05-31"


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Dagster as `ml-pipeline ui` starts it, on a new home."""
    home = tmp_path_factory.mktemp("home")
    with serving([tool("ml-pipeline"), "ui"], home, cwd=home) as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Headless Chromium. Where there is none, tests are skipped; in CI they fail."""
    chromium = os.environ.get(_CHROMIUM_VARIABLE) or shutil.which("chromium")
    if chromium is None:
        message = f"chromium must be installed, or {_CHROMIUM_VARIABLE} be the path of one"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=_CHROMIUM_OPTIONS)
        yield running
        running.close()


@pytest.fixture
def ui(browser: Browser, server: Server, tmp_path: Path) -> Iterator[DagsterUi]:
    """A new page of the UI."""
    with looking_at(server, browser, tmp_path) as page:
        yield page


@pytest.fixture(scope="package")
def backfills(
    browser: Browser, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Backfills:
    """Backfills launched in the UI's dialog."""
    folder = tmp_path_factory.mktemp("backfills")
    with looking_at(server, browser, folder) as page:
        return launch(page, folder)


@pytest.fixture(scope="package")
def launched(browser: Browser, server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Dagster's id of a run of `LAUNCHED`, launched in the launchpad and now over."""
    with looking_at(server, browser, tmp_path_factory.mktemp("launched")) as page:
        page.launch(LAUNCHED, run_config(training={"learning_rate": 0.2, "max_iter": 20}))
        dagster_run_id = page.launched_run()
        expect(page.run_status).to_have_text("Success", timeout=90_000)
    return dagster_run_id


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Show with a failed test what the browser showed and what the server printed."""
    report = yield
    fixtures: dict[str, Any] = getattr(item, "funcargs", {})
    if report.failed and isinstance(ui := fixtures.get("ui"), DagsterUi) and call.when == "call":
        report.sections.append(("screen", str(ui.screenshot("failed"))))
    if report.failed and isinstance(server := fixtures.get("server"), Server):
        lines = server.log.read_text(errors="replace").splitlines()
        report.sections.append((f"server, {server.log}", "\n".join(lines[-_LOG_LINES:])))
    return report
